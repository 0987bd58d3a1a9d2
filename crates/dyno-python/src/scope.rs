//! The names of a module or of a class body: in which order they come to be, by what, and
//! how surely.

use crate::Reason;
use ruff_python_ast::{Expr, StmtAugAssign, StmtClassDef, StmtFunctionDef};
use std::collections::HashMap;

/// The names that a module or a class body binds.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    pub(crate) bindings: Vec<Binding<'a>>,
    pub(crate) by_name: HashMap<&'a str, Vec<u32>>,
    /// Things that can bind or unbind any name: `exec`, `globals()`, star imports that are
    /// not followed here, ...
    pub(crate) doubts: Vec<Reason>,
    /// `from x import *`, in order.
    pub(crate) stars: Vec<Star<'a>>,
}

/// One thing that binds (or unbinds) a name.
#[derive(Debug)]
pub struct Binding<'a> {
    /// The name.
    pub name: &'a str,
    /// What is bound.
    pub kind: BindingKind<'a>,
    /// Where the statement begins.
    pub offset: u32,
    /// From which place on it is in force: where its statement ends.
    pub end: u32,
    /// Whether it happens: absent where it surely does if the module is imported at all.
    pub maybe: Option<Reason>,
}

/// What a binding binds.
#[derive(Debug)]
pub enum BindingKind<'a> {
    /// `def`.
    Function(&'a StmtFunctionDef),
    /// `class`.
    Class(&'a StmtClassDef),
    /// `name = value`, also annotated.
    Value(&'a Expr),
    /// A part of a target list: the whole value, and the way to the part, such as `[1, 0]`
    /// for `c` of `a, (c, d) = value`.
    Part(&'a Expr, Vec<u32>),
    /// `name += value`.
    Augmented(&'a StmtAugAssign),
    /// `import a.b` (binds `a`), `import a.b as c` (binds `c` to `a.b`).
    Import {
        /// The dotted name that is imported.
        module: &'a str,
        /// Whether the name is bound to that module itself and not to its first package.
        whole: bool,
    },
    /// `from module import name`.
    FromImport {
        /// The dotted name after `from`, empty where there are only dots.
        module: &'a str,
        /// How many dots stand before it.
        level: u32,
        /// The name in that module.
        name: &'a str,
    },
    /// `del name`.
    Delete,
    /// Something whose value the text does not follow, such as a loop's target; in words.
    Other(&'static str),
}

/// A `from module import *`.
#[derive(Debug)]
pub struct Star<'a> {
    /// The dotted name after `from`.
    pub module: &'a str,
    /// How many dots stand before it.
    pub level: u32,
    /// Where the statement begins.
    pub offset: u32,
    /// Where it ends.
    pub end: u32,
    /// Whether it happens.
    pub maybe: Option<Reason>,
}

impl<'a> Scope<'a> {
    /// Puts the bindings into the order in which they take effect, and makes them findable.
    pub(crate) fn index(&mut self) {
        self.bindings.sort_by_key(|binding| binding.end);
        self.by_name.clear();
        for (index, binding) in self.bindings.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.by_name.entry(binding.name).or_default().push(index);
        }
    }

    /// Every binding, in the order of the text.
    pub fn bindings(&self) -> &[Binding<'a>] {
        &self.bindings
    }

    /// The bindings of a name, in the order of the text.
    pub fn of<'s>(
        &'s self,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = &'s Binding<'a>> + use<'s, 'a> {
        let indices = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        indices
            .iter()
            .filter_map(|&index| self.bindings.get(index as usize))
    }

    /// What may bind or unbind any name whatever, without its being written as a name.
    pub fn doubts(&self) -> &[Reason] {
        &self.doubts
    }

    /// The star imports; [`crate::World::names`] follows them.
    pub fn stars(&self) -> &[Star<'a>] {
        &self.stars
    }
}
