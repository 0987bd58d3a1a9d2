//! Which variables' objects an expression's value may be, or hold.

use super::flow::Walker;
use super::root::root_of;
use crate::facts::{Flow, Variable};
use ruff_python_ast::{Comprehension, Expr, ExprCall};

/// Built-in functions that change no argument; what they give holds its elements.
pub(super) const COPYING: &[&str] = &[
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "sorted",
    "reversed",
    "enumerate",
    "zip",
    "filter",
    "min",
    "max",
    "next",
    "iter",
    "map",
    "sum",
];

/// Built-in functions that change no argument and keep nothing of it.
pub(super) const READING: &[&str] = &[
    "len",
    "str",
    "repr",
    "bool",
    "int",
    "float",
    "any",
    "all",
    "isinstance",
    "issubclass",
    "type",
    "print",
    "id",
    "hash",
    "range",
    "callable",
    "hasattr",
    "format",
    "ascii",
    "bytes",
    "abs",
    "round",
];

impl<'a> Walker<'a, '_, '_> {
    /// The variables whose objects an expression's value may be, or hold.
    pub(super) fn sources(&self, value: &'a Expr, depth: u32) -> Vec<(Variable<'a>, Flow)> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let through = |values: &mut dyn Iterator<Item = &'a Expr>, flow: Option<Flow>| {
            let mut all = Vec::new();
            for value in values {
                for (variable, own) in self.sources(value, depth) {
                    all.push((variable, flow.unwrap_or(own)));
                }
            }
            all
        };
        let copy = Some(Flow::Copy);
        match value {
            Expr::Name(name) => vec![(self.variable(&name.id), Flow::Same)],
            Expr::Attribute(_) | Expr::Subscript(_) => {
                let root = root_of(value);
                let variable = root.name.map(|name| (self.variable(name), Flow::Element));
                variable.into_iter().collect()
            }
            Expr::Tuple(tuple) => through(&mut tuple.elts.iter(), copy),
            Expr::List(list) => through(&mut list.elts.iter(), copy),
            Expr::Set(set) => through(&mut set.elts.iter(), copy),
            Expr::Dict(dict) => through(&mut dict.items.iter().map(|item| &item.value), copy),
            Expr::BinOp(both) => through(&mut [&*both.left, &*both.right].into_iter(), copy),
            Expr::BoolOp(all) => through(&mut all.values.iter(), None),
            Expr::If(either) => through(&mut [&*either.body, &*either.orelse].into_iter(), None),
            Expr::Named(named) => self.sources(&named.value, depth),
            Expr::Starred(starred) => through(&mut std::iter::once(&*starred.value), copy),
            Expr::ListComp(made) => self.comprehended(&made.generators, depth),
            Expr::SetComp(made) => self.comprehended(&made.generators, depth),
            Expr::DictComp(made) => self.comprehended(&made.generators, depth),
            Expr::Generator(made) => self.comprehended(&made.generators, depth),
            Expr::Call(call) => self.call_sources(call, depth),
            _ => Vec::new(),
        }
    }

    pub(super) fn comprehended(
        &self,
        generators: &'a [Comprehension],
        depth: u32,
    ) -> Vec<(Variable<'a>, Flow)> {
        let iters = generators.iter();
        iters
            .flat_map(|generator| self.sources(&generator.iter, depth))
            .map(|(variable, _)| (variable, Flow::Copy))
            .collect()
    }

    pub(super) fn call_sources(&self, call: &'a ExprCall, depth: u32) -> Vec<(Variable<'a>, Flow)> {
        let keywords = call.arguments.keywords.iter().map(|keyword| &keyword.value);
        let mut all: Vec<_> = (call.arguments.args.iter().chain(keywords))
            .flat_map(|argument| self.sources(argument, depth))
            .collect();
        match &*call.func {
            Expr::Name(name) if self.is_builtin(&name.id) => {
                if READING.contains(&name.id.as_str()) {
                    return Vec::new();
                }
                if COPYING.contains(&name.id.as_str()) {
                    for source in &mut all {
                        source.1 = Flow::Copy;
                    }
                }
            }
            Expr::Name(name) => all.push((self.variable(&name.id), Flow::Same)),
            Expr::Attribute(method) => {
                let root = root_of(&method.value);
                // `x.copy()` gives another with the same elements, `x.get()` an element:
                // whichever it is, a change of either is taken for one of `x` if deep.
                all.extend(root.name.map(|name| (self.variable(name), Flow::Element)));
                // `vars(x).values()` gives what `x` holds.
                if method.value.is_call_expr() {
                    let through = self.sources(&method.value, depth).into_iter();
                    all.extend(through.map(|(variable, _)| (variable, Flow::Element)));
                }
            }
            _ => {}
        }
        all
    }

    pub(super) fn is_builtin(&self, name: &'a str) -> bool {
        self.variable(name).0 == 0
            && !self.bound.contains(name)
            && (READING.contains(&name) || COPYING.contains(&name))
    }
}
