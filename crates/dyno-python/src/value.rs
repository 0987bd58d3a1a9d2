//! What an expression is worth, as far as the text tells.

use crate::Module;
use std::fmt;
use std::sync::Arc;

/// A Python value, or what the text tells of it.
///
/// A value that is not [`Value::Unknown`] is certain: Python would compute an object of
/// that type with those contents.
#[derive(Debug, Clone)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of any size, as Python's `str` writes it.
    Int(Arc<str>),
    /// A float.
    Float(f64),
    /// A complex number: real, imaginary.
    Complex(f64, f64),
    /// A string. Lone surrogates cannot be held: such a literal is unknown.
    Str(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// `...`.
    Ellipsis,
    /// `range(start, stop, step)`.
    Range(i64, i64, i64),
    /// A tuple.
    Tuple(Arc<[Value]>),
    /// A list, of which the text settles that nobody changes it before it is used.
    List(Arc<[Value]>),
    /// A set without equal elements, in the order in which it is written, which is not the
    /// one it iterates in.
    Set(Arc<[Value]>),
    /// A frozen set, likewise.
    FrozenSet(Arc<[Value]>),
    /// A dictionary, in order, without equal keys.
    Dict(Arc<[(Value, Value)]>),
    /// An iterator or a view (generator, `zip`, `dict_keys`) by what it gives. It may be
    /// good for one pass only, so a name is never worth one.
    Iterator(Arc<[Value]>),
    /// A function of the project, a method or a lambda.
    Function(Function),
    /// A class of the project.
    Class(ClassRef),
    /// A member of an enum of the project.
    EnumMember(Arc<EnumMember>),
    /// An instance of a class of the project, made by a call that is known to give one.
    Instance(Arc<Instance>),
    /// A module of the project.
    Module(Arc<Module>),
    /// Something of a module that is not the project's, by its full name, such as
    /// `pytest.mark.slow`, `datetime.date` or `builtins.print`. What it is, is for those to
    /// say who know that module. A name that is bare of dots is that module itself.
    External(Arc<str>),
    /// A call of something external; whoever knows it says what comes of it.
    Call(Arc<Call>),
    /// An attribute of a [`Value::Call`]: the call, the attribute's name.
    Attribute(Arc<(Value, Arc<str>)>),
    /// Not settled by the text.
    Unknown(Reason),
}

/// Why the text does not settle a thing, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One lowercase clause for a person, such as ``calls `make_cases` ``.
    pub text: Arc<str>,
    /// The file.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
}

impl Reason {
    /// A reason at a place of a module's text.
    pub fn new(text: impl Into<Arc<str>>, module: &Module, offset: u32) -> Self {
        Self {
            text: text.into(),
            file: module.file.clone(),
            line: module.line(offset),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.text, self.file, self.line)
    }
}

/// A call of something external.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is called: an external name, an attribute of a call, or the result of a call.
    pub function: Value,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments, in order.
    pub kwargs: Vec<(Arc<str>, Value)>,
    /// Starred arguments that the text does not settle: there may be further ones.
    pub more: Option<Reason>,
}

/// A function, by where it is defined.
#[derive(Debug, Clone)]
pub struct Function {
    /// The module.
    pub module: Arc<Module>,
    /// `__name__`; `<lambda>` for a lambda.
    pub name: Arc<str>,
    /// Where its definition begins in the module's text: the statement with its
    /// decorators, or the lambda.
    pub offset: u32,
}

/// A class, by where it is defined.
#[derive(Debug, Clone)]
pub struct ClassRef {
    /// The module.
    pub module: Arc<Module>,
    /// `__name__`.
    pub name: Arc<str>,
    /// Where its definition begins in the module's text, decorators included.
    pub offset: u32,
}

impl PartialEq for ClassRef {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset && self.module.path == other.module.path
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset && self.module.path == other.module.path
    }
}

/// A member of an enum.
#[derive(Debug, Clone)]
pub struct EnumMember {
    /// The enum.
    pub class: ClassRef,
    /// The member's name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Value,
    /// What `str()` of it gives, where the text settles it.
    pub text: Result<Arc<str>, Reason>,
    /// The plain value that it also is (`StrEnum`, `IntEnum`, `class E(str, Enum)`).
    pub mixed_in: Option<Value>,
}

/// An instance of a class of the project.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its class.
    pub class: ClassRef,
    /// Fields that the text settles (dataclasses, named tuples), in order.
    pub fields: Vec<(Arc<str>, Value)>,
    /// Whether it is also a tuple of those fields (`NamedTuple`).
    pub is_tuple: bool,
}

impl Value {
    /// Not settled, and why.
    pub fn unknown(text: impl Into<Arc<str>>, module: &Module, offset: u32) -> Self {
        Self::Unknown(Reason::new(text, module, offset))
    }

    /// A string.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// A small integer.
    pub fn int(number: i128) -> Self {
        Self::Int(number.to_string().into())
    }

    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// The reason, where it is not settled; looks into containers and calls too.
    pub fn first_unknown(&self) -> Option<&Reason> {
        match self {
            Self::Unknown(reason) => Some(reason),
            Self::Tuple(items)
            | Self::List(items)
            | Self::Set(items)
            | Self::FrozenSet(items)
            | Self::Iterator(items) => items.iter().find_map(Self::first_unknown),
            Self::Dict(pairs) => pairs
                .iter()
                .find_map(|(key, value)| key.first_unknown().or_else(|| value.first_unknown())),
            Self::Attribute(of) => of.0.first_unknown(),
            Self::Call(call) => (call.more.as_ref())
                .or_else(|| call.function.first_unknown())
                .or_else(|| call.args.iter().find_map(Self::first_unknown))
                .or_else(|| {
                    call.kwargs
                        .iter()
                        .find_map(|(_, value)| value.first_unknown())
                }),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }
}
