//! What one walk over a module's tree finds out, kept beside the tree.

use crate::Reason;
use crate::scope::Scope;
use ruff_python_ast::{Expr, ExprLambda, StmtClassDef, StmtFunctionDef};
use std::collections::{HashMap, HashSet};

/// Everything that is looked up about a module's text more than once.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) module: Scope<'a>,
    pub(crate) classes: HashMap<u32, ClassFacts<'a>>,
    pub(crate) functions: HashMap<u32, &'a StmtFunctionDef>,
    pub(crate) lambdas: HashMap<u32, &'a ExprLambda>,
    pub(crate) generators: HashSet<u32>,
    pub(crate) writes: Vec<AttributeWrite<'a>>,
    pub(crate) imports: Vec<Import<'a>>,
    /// Imports by a name that is computed.
    pub(crate) computed_imports: Vec<Reason>,
    /// Globals that a function writes, by where.
    pub(crate) global_writes: HashMap<&'a str, u32>,
    /// Where the objects of a variable may end up.
    pub(crate) flows: HashMap<Variable<'a>, Vec<(Variable<'a>, Flow)>>,
    /// Variables whose object is changed in place: where, and whether only something
    /// inside of it.
    pub(crate) mutated: HashMap<Variable<'a>, Vec<(u32, bool)>>,
    /// Attributes whose objects are changed in place, by name.
    pub(crate) mutated_attributes: HashMap<&'a str, u32>,
    /// Calls that are handed the object of a variable while the module is imported.
    pub(crate) escapes: HashMap<Variable<'a>, Vec<Escape<'a>>>,
    /// Functions that may be called while the module is imported, each as one more than
    /// where it begins.
    pub(crate) reached: HashSet<u32>,
    /// Calls while the module is imported, by argument: some mark it.
    pub(crate) applied: Vec<Applied<'a>>,
}

/// A variable: 0 for a global, else one more than where its function, class, lambda or
/// comprehension begins; and its name.
pub(crate) type Variable<'a> = (u32, &'a str);

/// How an object comes from one variable to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    /// It is the same.
    Same,
    /// It is an element of it.
    Element,
    /// It is another with the same elements, or one that holds it.
    Copy,
}

/// A call that is handed an object.
#[derive(Debug, Clone)]
pub(crate) struct Escape<'a> {
    /// The global that the callee begins with, where it does.
    pub(crate) root: Option<&'a str>,
    /// The last name of the callee.
    pub(crate) last: &'a str,
    pub(crate) offset: u32,
}

/// A call with an argument.
#[derive(Debug)]
pub(crate) struct Applied<'a> {
    pub(crate) callee: &'a Expr,
    pub(crate) argument: &'a Expr,
    /// The variables whose objects the argument may be, or hold.
    pub(crate) variables: Vec<Variable<'a>>,
    /// There are no further arguments.
    pub(crate) is_only: bool,
    pub(crate) offset: u32,
}

/// A class and its body's names.
#[derive(Debug)]
pub(crate) struct ClassFacts<'a> {
    pub(crate) definition: &'a StmtClassDef,
    pub(crate) scope: Scope<'a>,
    /// The class around it.
    pub(crate) outer: Option<u32>,
}

/// An attribute that is set or deleted from outside of its object, while the module is
/// imported (or by a function that may then be called), such as `TestFoo.x = 1`.
#[derive(Debug, Clone)]
pub struct AttributeWrite<'a> {
    /// The name that the target begins with, such as `TestFoo`.
    pub root: &'a str,
    /// The attribute that is written, the last of the target.
    pub attribute: &'a str,
    /// How many steps lie between them: 1 for `TestFoo.x`, 2 for `TestFoo.run.x`.
    pub depth: u32,
    /// Where.
    pub offset: u32,
}

/// An import statement (or a call that imports by a literal name), anywhere in a module.
#[derive(Debug, Clone)]
pub struct Import<'a> {
    /// The dotted name after `import` or `from`.
    pub module: &'a str,
    /// Dots before it.
    pub level: u32,
    /// The names after `from module import`, which may be submodules; `*` too.
    pub names: Vec<&'a str>,
    /// Where.
    pub offset: u32,
    /// Whether it is done while the module is imported: at module or class level.
    pub at_import: bool,
}
