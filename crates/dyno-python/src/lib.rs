//! Python source text, understood: what names stand for, where imports lead, what
//! expressions are worth. Knows Python and nothing of pytest.

#![allow(
    clippy::similar_names,
    clippy::match_same_arms,
    clippy::doc_markdown,
    reason = "start, stop and step are Python's words, as CPython is a name; arms stand together by what they are about"
)]

mod class;
mod closure;
mod compiles;
mod elsewhere;
mod enumeration;
mod evaluate;
mod facts;
mod grown_list;
mod memory;
mod module;
mod names;
mod questions;
mod scope;
mod search;
mod signature;
mod source;
mod stars;
mod text;
mod touched;
mod value;
mod walk;
mod world;

pub use class::Class;
pub use closure::TextCall;
pub use elsewhere::Change;
pub use facts::{AttributeWrite, Import};
pub use grown_list::GrownList;
pub use module::{Module, SyntaxProblem};
pub use questions::Reading;
pub use ruff_python_ast as ast;
pub use ruff_text_size as text_size;
pub use scope::{Binding, BindingKind, Scope, Star};
pub use signature::{Parameter, ParameterKind, Signature, parameters};
pub use text::{python_repr, python_str};
pub use touched::{Touched, Touching};
pub use value::{Call, ClassRef, EnumMember, Function, Instance, Reason, Value};
pub use world::{
    Ancestor, Closure, Context, Found, Interpreter, NameEntry, Names, SearchPath, World,
};
