//! What flows into targets.

use super::flow::{Deed, Frame, Walker, is_namespace};
use super::root::root_of;
use super::{names_of, start};
use crate::facts::{AttributeWrite, Flow, Variable};
use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Comprehension, Expr};
use std::collections::HashSet;

impl<'a> Walker<'a, '_, '_> {
    pub(super) fn assign(&mut self, target: &'a Expr, value: &'a Expr) {
        let sources = self.sources(value, 40);
        self.bind(target, &sources, false);
    }

    /// Lets objects flow into a target; `unpacked`: each name takes an element.
    pub(super) fn bind(
        &mut self,
        target: &'a Expr,
        sources: &[(Variable<'a>, Flow)],
        unpacked: bool,
    ) {
        match target {
            Expr::Name(name) => {
                let to = self.variable(&name.id);
                for (from, flow) in sources {
                    let flow = match (unpacked, flow) {
                        (false, flow) => *flow,
                        (true, Flow::Copy) => Flow::Same,
                        (true, _) => Flow::Element,
                    };
                    self.flow(*from, to, flow);
                    // Two names of one object: a change through either is one of both.
                    if flow != Flow::Copy {
                        self.flow(to, *from, flow);
                    }
                }
            }
            Expr::Tuple(_) | Expr::List(_) | Expr::Starred(_) => {
                let inner: Vec<&'a Expr> = match target {
                    Expr::Tuple(tuple) => tuple.elts.iter().collect(),
                    Expr::List(list) => list.elts.iter().collect(),
                    Expr::Starred(starred) => vec![&starred.value],
                    _ => Vec::new(),
                };
                for target in inner {
                    self.bind(target, sources, true);
                }
            }
            Expr::Attribute(attribute) => {
                self.store(target, &attribute.value, sources);
                self.write(target, &attribute.attr);
            }
            Expr::Subscript(subscript) => {
                self.store(target, &subscript.value, sources);
                self.mutate(&subscript.value, false, start(target));
                self.check_namespace(&subscript.value);
            }
            _ => {}
        }
    }

    pub(super) fn store(
        &mut self,
        target: &'a Expr,
        base: &'a Expr,
        sources: &[(Variable<'a>, Flow)],
    ) {
        let _ = target;
        if let Some(name) = root_of(base).name {
            let to = self.variable(name);
            for (from, _) in sources {
                self.flow(*from, to, Flow::Copy);
            }
        }
    }

    pub(super) fn write(&mut self, target: &'a Expr, attribute: &'a str) {
        let root = root_of(target);
        let offset = start(target);
        if let Some(name) = root.name
            && self.variable(name).0 == 0
            && root.is_plain
        {
            self.does(Deed::Write(AttributeWrite {
                root: name,
                attribute,
                depth: root.depth,
                offset,
            }));
        } else if self.function() == 0 || root.name.is_none_or(|name| self.variable(name).0 == 0) {
            let named = root.name.unwrap_or("an expression");
            let text = format!("sets `{attribute}` on `{named}`");
            let reason = self.place.reason(text, offset);
            self.does(Deed::Doubt(reason));
        }
    }

    /// `globals()["x"] = ...`, `sys.modules[...] = ...`.
    pub(super) fn check_namespace(&mut self, base: &'a Expr) {
        let modules = matches!(base, Expr::Attribute(attribute) if &attribute.attr == "modules");
        let called = matches!(base, Expr::Call(call) if is_namespace(&call.func));
        if modules || called {
            let reason = self.place.reason("writes into a namespace", start(base));
            self.does(Deed::Doubt(reason));
        }
    }

    pub(super) fn scoped(&mut self, expression: &'a Expr, generators: &'a [Comprehension]) {
        let mut local = HashSet::new();
        for generator in generators {
            local.extend(names_of(&generator.target));
        }
        let id = start(expression) + 1;
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        let frame = Frame {
            id,
            is_class: false,
            is_function: false,
            local,
        };
        self.inside(frame, |walker| {
            for (index, generator) in generators.iter().enumerate() {
                if index > 0 {
                    walker.visit_expr(&generator.iter);
                }
                let sources = walker.sources(&generator.iter, 40);
                walker.bind(&generator.target, &sources, true);
                for test in &generator.ifs {
                    walker.visit_expr(test);
                }
            }
            match expression {
                Expr::ListComp(made) => walker.visit_expr(&made.elt),
                Expr::SetComp(made) => walker.visit_expr(&made.elt),
                Expr::Generator(made) => walker.visit_expr(&made.elt),
                Expr::DictComp(made) => {
                    if let Some(key) = &made.key {
                        walker.visit_expr(key);
                    }
                    walker.visit_expr(&made.value);
                }
                _ => {}
            }
        });
    }
}
