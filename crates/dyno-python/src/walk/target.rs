//! Targets of assignments, loops and patterns.

use super::{Binder, end, local, names_of, start};
use crate::Reason;
use crate::scope::{Binding, BindingKind, Scope};
use ruff_python_ast::{Expr, Pattern, Stmt};

impl<'a> Binder<'a, '_> {
    /// The names of a target list, each bound to its part of the value.
    pub(super) fn parts(
        &mut self,
        scope: &mut Scope<'a>,
        target: &'a Expr,
        value: &'a Expr,
        statement: &'a Stmt,
        maybe: Option<&Reason>,
    ) {
        let mut waiting = vec![(target, Vec::new(), false)];
        while let Some((target, path, starred)) = waiting.pop() {
            match target {
                Expr::Name(name) => {
                    self.imported.remove(name.id.as_str());
                    let kind = if starred {
                        BindingKind::Other("a part of a starred assignment")
                    } else {
                        BindingKind::Part(value, path)
                    };
                    scope.bindings.push(Binding {
                        name: &name.id,
                        kind,
                        offset: start(statement),
                        end: end(statement),
                        maybe: maybe.cloned(),
                    });
                }
                Expr::Tuple(_) | Expr::List(_) => {
                    let elements = match target {
                        Expr::Tuple(tuple) => &tuple.elts,
                        Expr::List(list) => &list.elts,
                        _ => continue,
                    };
                    let starred = starred || elements.iter().any(Expr::is_starred_expr);
                    for (index, element) in elements.iter().enumerate().rev() {
                        let mut path = path.clone();
                        path.push(u32::try_from(index).unwrap_or(u32::MAX));
                        waiting.push((element, path, starred));
                    }
                }
                Expr::Starred(inner) => waiting.push((&inner.value, path, true)),
                _ => {}
            }
        }
    }

    pub(super) fn other(
        &mut self,
        scope: &mut Scope<'a>,
        target: &'a Expr,
        until: u32,
        what: &'static str,
        maybe: Option<&Reason>,
    ) {
        for name in names_of(target) {
            self.push(scope, name, until, what, maybe);
        }
    }

    pub(super) fn push(
        &mut self,
        scope: &mut Scope<'a>,
        name: &'a str,
        until: u32,
        what: &'static str,
        maybe: Option<&Reason>,
    ) {
        self.imported.remove(name);
        scope.bindings.push(Binding {
            name,
            kind: BindingKind::Other(what),
            offset: until,
            end: until,
            maybe: maybe.cloned(),
        });
    }

    pub(super) fn captures(&mut self, scope: &mut Scope<'a>, pattern: &'a Pattern, maybe: &Reason) {
        for (name, until) in local::captured(pattern) {
            self.push(scope, name, until, "captured by a pattern", Some(maybe));
        }
    }
}
