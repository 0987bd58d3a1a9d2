//! What calls do: change their object, take hold of arguments, set attributes, import.

use super::flow::{Deed, Walker};
use super::root::root_of;
use super::start;
use crate::facts::{Applied, AttributeWrite, Escape, Flow, Import};
use ruff_python_ast::{Expr, ExprCall};

/// Methods that change the built-in containers (and `deque`, `Counter`, `OrderedDict`).
pub(super) const MUTATORS: &[&str] = &[
    "__delitem__",
    "__iadd__",
    "__ior__",
    "__setattr__",
    "__setitem__",
    "add",
    "append",
    "appendleft",
    "clear",
    "difference_update",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "intersection_update",
    "move_to_end",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "reverse",
    "rotate",
    "setdefault",
    "sort",
    "subtract",
    "symmetric_difference_update",
    "update",
];

impl<'a> Walker<'a, '_, '_> {
    pub(super) fn call(&mut self, call: &'a ExprCall) {
        let offset = start(call);
        self.apply(call, offset);
        if let Expr::Attribute(method) = &*call.func
            && MUTATORS.contains(&method.attr.as_str())
        {
            self.check_namespace(&method.value);
            let sources: Vec<_> = (call.arguments.args.iter())
                .flat_map(|argument| self.sources(argument, 40))
                .collect();
            self.store(&call.func, &method.value, &sources);
            // An unbound method changes its argument: `list.append(X, 1)`.
            if matches!(&*method.value, Expr::Name(name) if matches!(name.id.as_str(), "list" | "dict" | "set"))
                && let Some(first) = call.arguments.args.first()
            {
                self.mutate(first, false, offset);
            }
        }
        match &*call.func {
            Expr::Name(name) => self.named_call(call, &name.id, offset),
            Expr::Attribute(method) => {
                let literal = method.value.is_literal_expr() || method.value.is_f_string_expr();
                if !literal {
                    self.escape(call, offset);
                }
                if &method.attr == "import_module" {
                    self.imports_by_name(call, offset);
                }
            }
            _ => self.escape(call, offset),
        }
    }

    /// `mark(f)`, `map(mark, fs)`, which does the same to each, and `f(module.g, 1)`.
    fn apply(&mut self, call: &'a ExprCall, offset: u32) {
        let keywords = &call.arguments.keywords;
        let (callee, arguments) = match (&*call.func, &*call.arguments.args) {
            (Expr::Name(name), [callee, arguments @ ..]) if name.id == "map" => (callee, arguments),
            (Expr::Name(name), _) if self.is_builtin(&name.id) => return,
            (callee, arguments) => (callee, arguments),
        };
        let is_only = arguments.len() == 1 && keywords.is_empty();
        let named = keywords.iter().map(|keyword| &keyword.value);
        for argument in arguments.iter().chain(named) {
            // Others are followed by name: see `escape`.
            if !is_only && !argument.is_attribute_expr() {
                continue;
            }
            let sources = self.sources(argument, 40).into_iter();
            let mut variables: Vec<_> = sources.map(|(variable, _)| variable).collect();
            variables.dedup();
            if !variables.is_empty() {
                self.does(Deed::Apply(Applied {
                    callee,
                    argument,
                    variables,
                    is_only,
                    offset,
                }));
            }
        }
    }

    pub(super) fn named_call(&mut self, call: &'a ExprCall, name: &'a str, offset: u32) {
        if self.is_builtin(name) {
            return;
        }
        match name {
            "exec" | "eval" => {
                let reason = self.place.reason(format!("calls `{name}`"), offset);
                self.does(Deed::Doubt(reason));
            }
            "setattr" | "delattr" => self.sets_attribute(call, name, offset),
            "__import__" | "import_module" => self.imports_by_name(call, offset),
            _ => self.escape(call, offset),
        }
    }

    pub(super) fn sets_attribute(&mut self, call: &'a ExprCall, name: &str, offset: u32) {
        let (object, attribute) = match &*call.arguments.args {
            [object, Expr::StringLiteral(attribute), ..] => {
                (root_of(object), Some(attribute.value.to_str()))
            }
            [object, ..] => (root_of(object), None),
            [] => return,
        };
        match (object.name, attribute) {
            (Some(root), Some(attribute)) if self.variable(root).0 == 0 && object.is_plain => {
                self.does(Deed::Write(AttributeWrite {
                    root,
                    attribute,
                    depth: object.depth + 1,
                    offset,
                }));
            }
            (Some(root), _) if self.variable(root).0 != 0 && self.function() != 0 => {}
            _ => {
                let reason = self.place.reason(format!("calls `{name}`"), offset);
                self.does(Deed::Doubt(reason));
            }
        }
    }

    pub(super) fn imports_by_name(&mut self, call: &'a ExprCall, offset: u32) {
        let first = call.arguments.args.first();
        if let Some(Expr::StringLiteral(text)) = first
            && !text.value.to_str().starts_with('.')
        {
            self.facts.imports.push(Import {
                module: text.value.to_str(),
                level: 0,
                names: Vec::new(),
                offset,
                at_import: self.function() == 0,
            });
        } else {
            let reason = self
                .place
                .reason("imports a module by a computed name", offset);
            self.facts.computed_imports.push(reason);
        }
    }

    pub(super) fn escape(&mut self, call: &'a ExprCall, offset: u32) {
        let keywords = call.arguments.keywords.iter().map(|keyword| &keyword.value);
        let arguments = call.arguments.args.iter().chain(keywords);
        let mut handed: Vec<_> = arguments
            .flat_map(|argument| self.sources(argument, 40))
            .collect();
        let root = root_of(&call.func);
        // A method may change its own object, if that is the project's.
        if let (Expr::Attribute(method), Some(name)) = (&*call.func, root.name)
            && !MUTATORS.contains(&method.attr.as_str())
        {
            handed.push((self.variable(name), Flow::Same));
        }
        if handed.is_empty() {
            return;
        }
        let global = root.name.filter(|name| self.variable(name).0 == 0);
        let last = match &*call.func {
            Expr::Attribute(method) => method.attr.as_str(),
            Expr::Name(name) => name.id.as_str(),
            _ => "",
        };
        for (variable, _) in handed {
            self.does(Deed::Escape(
                variable,
                Escape {
                    root: global,
                    last,
                    offset,
                },
            ));
        }
    }
}
