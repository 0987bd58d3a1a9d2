//! The walk that gathers [`Facts`]: first what is bound and under which condition, then
//! what flows where.

mod alias;
mod bind;
mod called;
pub(crate) mod condition;
mod flow;
mod local;
mod root;
mod settle;
mod target;

pub(crate) use local::Locals;

use crate::Reason;
use crate::facts::{ClassFacts, Facts};
use crate::scope::{Binding, BindingKind, Scope, Star};
use crate::world::Interpreter;
use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::Ranged;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a text is from, for reasons.
pub(crate) struct Place<'p> {
    pub(crate) file: &'p Arc<str>,
    pub(crate) lines: &'p [u32],
}

impl Place<'_> {
    pub(crate) fn reason(&self, text: impl Into<Arc<str>>, offset: u32) -> Reason {
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        Reason {
            text: text.into(),
            file: self.file.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
        }
    }
}

/// Gathers what is looked up about a module's text more than once.
pub(crate) fn gather<'a>(
    body: &'a [Stmt],
    place: &Place<'_>,
    interpreter: &Interpreter,
) -> Facts<'a> {
    let mut binder = Binder {
        place,
        interpreter,
        classes: HashMap::new(),
        imported: HashMap::new(),
    };
    let mut module = Scope::default();
    binder.block(&mut module, body, None, None);
    let mut facts = Facts {
        module,
        classes: binder.classes,
        ..Facts::default()
    };
    flow::gather(&mut facts, body, place);
    facts.module.index();
    for class in facts.classes.values_mut() {
        class.scope.index();
    }
    facts
}

struct Binder<'a, 'p> {
    place: &'p Place<'p>,
    interpreter: &'p Interpreter,
    classes: HashMap<u32, ClassFacts<'a>>,
    /// What bare names of the module stand for, as far as conditions need it.
    imported: HashMap<&'a str, String>,
}

/// Whether what follows a block is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Away,
}

pub(crate) fn start(node: &impl Ranged) -> u32 {
    node.start().to_u32()
}

pub(crate) fn end(node: &impl Ranged) -> u32 {
    node.end().to_u32()
}

impl<'a> Binder<'a, '_> {
    fn block(
        &mut self,
        scope: &mut Scope<'a>,
        body: &'a [Stmt],
        maybe: Option<&Reason>,
        class: Option<u32>,
    ) -> Goes {
        for statement in body {
            if self.statement(scope, statement, maybe, class) == Goes::Away {
                return Goes::Away;
            }
        }
        Goes::On
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each kind of statement")]
    fn statement(
        &mut self,
        scope: &mut Scope<'a>,
        statement: &'a Stmt,
        maybe: Option<&Reason>,
        class: Option<u32>,
    ) -> Goes {
        let (offset, until) = (start(statement), end(statement));
        let bind = |scope: &mut Scope<'a>, name: &'a str, kind: BindingKind<'a>| {
            scope.bindings.push(Binding {
                name,
                kind,
                offset,
                end: until,
                maybe: maybe.cloned(),
            });
        };
        match statement {
            Stmt::FunctionDef(function) => {
                self.imported.remove(function.name.as_str());
                bind(scope, &function.name, BindingKind::Function(function));
            }
            Stmt::ClassDef(definition) => {
                self.imported.remove(definition.name.as_str());
                bind(scope, &definition.name, BindingKind::Class(definition));
                let mut inner = Scope::default();
                self.block(&mut inner, &definition.body, None, Some(offset));
                let facts = ClassFacts {
                    definition,
                    scope: inner,
                    outer: class,
                };
                self.classes.insert(offset, facts);
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    match target {
                        Expr::Name(name) => {
                            self.imported.remove(name.id.as_str());
                            bind(scope, &name.id, BindingKind::Value(&assign.value));
                        }
                        _ => self.parts(scope, target, &assign.value, statement, maybe),
                    }
                }
            }
            Stmt::AnnAssign(assign) => {
                if let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) {
                    self.imported.remove(name.id.as_str());
                    bind(scope, &name.id, BindingKind::Value(value));
                }
            }
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target {
                    self.imported.remove(name.id.as_str());
                    bind(scope, &name.id, BindingKind::Augmented(assign));
                }
            }
            Stmt::Delete(delete) => {
                for name in delete.targets.iter().flat_map(names_of) {
                    self.imported.remove(name);
                    bind(scope, name, BindingKind::Delete);
                }
            }
            Stmt::TypeAlias(alias) => {
                for name in names_of(&alias.name) {
                    bind(scope, name, BindingKind::Other("a type alias"));
                }
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.as_str();
                    let first = module.split('.').next().unwrap_or(module);
                    let name = alias.asname.as_ref().map_or(first, |name| name.as_str());
                    let whole = alias.asname.is_some() || first == module;
                    let full = if whole { module } else { first };
                    self.imported.insert(name, full.to_owned());
                    bind(scope, name, BindingKind::Import { module, whole });
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                for alias in &import.names {
                    let name = alias.name.as_str();
                    if name == "*" {
                        scope.stars.push(Star {
                            module,
                            level: import.level,
                            offset,
                            end: until,
                            maybe: maybe.cloned(),
                        });
                        continue;
                    }
                    let bound = alias.asname.as_ref().map_or(name, |name| name.as_str());
                    self.imported.insert(bound, format!("{module}.{name}"));
                    let kind = BindingKind::FromImport {
                        module,
                        level: import.level,
                        name,
                    };
                    scope.bindings.push(Binding {
                        name: bound,
                        kind,
                        offset,
                        end: until,
                        maybe: maybe.cloned(),
                    });
                }
            }
            Stmt::Raise(_) | Stmt::Return(_) | Stmt::Break(_) | Stmt::Continue(_) => {
                return Goes::Away;
            }
            _ => return self.compound(scope, statement, maybe, class),
        }
        Goes::On
    }

    fn compound(
        &mut self,
        scope: &mut Scope<'a>,
        statement: &'a Stmt,
        maybe: Option<&Reason>,
        class: Option<u32>,
    ) -> Goes {
        let reason = |binder: &Self, text: &str| match maybe {
            Some(maybe) => maybe.clone(),
            None => binder.place.reason(text, start(statement)),
        };
        match statement {
            Stmt::If(branch) => {
                let others = branch.elif_else_clauses.iter();
                let clauses = std::iter::once((Some(&*branch.test), &branch.body))
                    .chain(others.map(|clause| (clause.test.as_ref(), &clause.body)));
                let depends = reason(self, "depends on a condition");
                let mut surely = true;
                for (test, body) in clauses {
                    let truth = match test {
                        Some(test) => self.holds(test),
                        None => Some(true),
                    };
                    let maybe = if surely { maybe } else { Some(&depends) };
                    match truth {
                        Some(false) => {}
                        Some(true) => {
                            let goes = self.block(scope, body, maybe, class);
                            return if surely { goes } else { Goes::On };
                        }
                        None => {
                            surely = false;
                            self.block(scope, body, Some(&depends), class);
                        }
                    }
                }
            }
            Stmt::Try(attempt) => {
                return self.attempt(scope, attempt, maybe, class);
            }
            Stmt::With(with) => {
                for item in &with.items {
                    if let Some(target) = &item.optional_vars {
                        self.other(scope, target, end(item), "a `with` target", maybe);
                    }
                }
                let swallows = reason(self, "stands in a `with`, which may swallow an exception");
                let passes = with.items.iter().all(|item| passes(&item.context_expr));
                let inner = if passes { maybe } else { Some(&swallows) };
                let goes = self.block(scope, &with.body, inner, class);
                return if passes { goes } else { Goes::On };
            }
            Stmt::For(each) => {
                let looped = reason(self, "stands in a loop");
                let what = "the target of a loop";
                self.other(scope, &each.target, end(&*each.iter), what, Some(&looped));
                self.block(scope, &each.body, Some(&looped), class);
                self.block(scope, &each.orelse, Some(&looped), class);
            }
            Stmt::While(each) => {
                let looped = reason(self, "stands in a loop");
                if self.holds(&each.test) != Some(false) {
                    self.block(scope, &each.body, Some(&looped), class);
                }
                self.block(scope, &each.orelse, Some(&looped), class);
            }
            Stmt::Match(matched) => {
                let depends = reason(self, "stands in a `match`");
                for case in &matched.cases {
                    self.captures(scope, &case.pattern, &depends);
                    self.block(scope, &case.body, Some(&depends), class);
                }
            }
            _ => {}
        }
        Goes::On
    }

    fn attempt(
        &mut self,
        scope: &mut Scope<'a>,
        attempt: &'a ruff_python_ast::StmtTry,
        maybe: Option<&Reason>,
        class: Option<u32>,
    ) -> Goes {
        let depends = match maybe {
            Some(maybe) => maybe.clone(),
            None => (self.place).reason("depends on an exception", start(attempt)),
        };
        let inner = if attempt.handlers.is_empty() {
            maybe
        } else {
            Some(&depends)
        };
        let mut goes = self.block(scope, &attempt.body, inner, class);
        for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
            if let Some(name) = &handler.name {
                let until = handler.body.first().map_or(end(handler), start);
                self.push(scope, name, until, "an exception", Some(&depends));
            }
            self.block(scope, &handler.body, Some(&depends), class);
            if let Some(name) = &handler.name {
                let until = end(handler);
                scope.bindings.push(Binding {
                    name,
                    kind: BindingKind::Delete,
                    offset: until,
                    end: until,
                    maybe: Some(depends.clone()),
                });
            }
            goes = Goes::On;
        }
        self.block(scope, &attempt.orelse, inner, class);
        if self.block(scope, &attempt.finalbody, maybe, class) == Goes::Away {
            return Goes::Away;
        }
        goes
    }

    fn holds(&self, test: &Expr) -> Option<bool> {
        let name = |name: &str| self.imported.get(name).cloned();
        condition::holds(test, self.interpreter, &name)
    }
}

/// Whether a context manager is known to let exceptions through.
fn passes(expression: &Expr) -> bool {
    let Expr::Call(call) = expression else {
        return false;
    };
    let last = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    matches!(last, "catch_warnings" | "open" | "nullcontext")
}

/// The names that a target binds or deletes.
pub(crate) fn names_of(target: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    let mut waiting = vec![target];
    while let Some(target) = waiting.pop() {
        match target {
            Expr::Name(name) => names.push(name.id.as_str()),
            Expr::Tuple(tuple) => waiting.extend(tuple.elts.iter().rev()),
            Expr::List(list) => waiting.extend(list.elts.iter().rev()),
            Expr::Starred(starred) => waiting.push(&starred.value),
            _ => {}
        }
    }
    names
}
