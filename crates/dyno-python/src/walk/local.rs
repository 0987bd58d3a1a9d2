//! The names that are local to a function, as Python's compiler decides it.

use super::{end, names_of};
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt};
use std::collections::HashSet;

/// Local and global names of one function.
#[derive(Debug, Default)]
pub(crate) struct Locals<'a> {
    pub(crate) local: HashSet<&'a str>,
    pub(crate) global: HashSet<&'a str>,
    pub(crate) yields: bool,
}

impl<'a> Locals<'a> {
    /// Of a function with these parameters and this body.
    pub(crate) fn of(parameters: &'a Parameters, body: &'a [Stmt]) -> Self {
        let mut locals = Self::default();
        locals.parameters(parameters);
        for statement in body {
            locals.visit_stmt(statement);
        }
        locals.local.retain(|name| !locals.global.contains(name));
        locals
    }

    /// Of a lambda.
    pub(crate) fn of_lambda(parameters: Option<&'a Parameters>, body: &'a Expr) -> Self {
        let mut locals = Self::default();
        if let Some(parameters) = parameters {
            locals.parameters(parameters);
        }
        locals.visit_expr(body);
        locals
    }

    fn parameters(&mut self, parameters: &'a Parameters) {
        let names = parameters.iter().map(|one| one.name().as_str());
        self.local.extend(names);
    }
}

impl<'a> Visitor<'a> for Locals<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.local.insert(&function.name);
            }
            Stmt::ClassDef(class) => {
                self.local.insert(&class.name);
            }
            Stmt::Global(global) => {
                self.global
                    .extend(global.names.iter().map(ruff_python_ast::Identifier::as_str));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.split('.').next().unwrap_or(&alias.name);
                    self.local
                        .insert(alias.asname.as_ref().map_or(first, |name| name.as_str()));
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.local.insert(name);
                }
            }
            Stmt::Try(attempt) => {
                for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                    self.local.extend(
                        handler
                            .name
                            .as_ref()
                            .map(ruff_python_ast::Identifier::as_str),
                    );
                }
                walk_stmt(self, statement);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx != ExprContext::Load => {
                self.local.insert(&name.id);
            }
            Expr::Named(named) => {
                self.local.extend(names_of(&named.target));
                self.visit_expr(&named.value);
            }
            Expr::Lambda(_) => {}
            Expr::Generator(_) | Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) => {
                // Its targets are its own; a walrus in it is rare, and binds here.
                let mut walrus = Walrus(Vec::new());
                walrus.visit_expr(expression);
                self.local.extend(walrus.0);
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.yields = true;
                walk_expr(self, expression);
            }
            _ => walk_expr(self, expression),
        }
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.local
            .extend(captured(pattern).into_iter().map(|(name, _)| name));
    }
}

struct Walrus<'a>(Vec<&'a str>);

impl<'a> Visitor<'a> for Walrus<'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Named(named) = expression {
            self.0.extend(names_of(&named.target));
        }
        if !expression.is_lambda_expr() {
            walk_expr(self, expression);
        }
    }
}

/// The names that a pattern captures, each with the place from which it is bound.
pub(crate) fn captured(pattern: &Pattern) -> Vec<(&str, u32)> {
    struct Captured<'a>(Vec<(&'a str, u32)>);
    impl<'a> Visitor<'a> for Captured<'a> {
        fn visit_pattern(&mut self, pattern: &'a Pattern) {
            let name = match pattern {
                Pattern::MatchAs(one) => one.name.as_ref(),
                Pattern::MatchStar(one) => one.name.as_ref(),
                Pattern::MatchMapping(one) => one.rest.as_ref(),
                _ => None,
            };
            self.0
                .extend(name.map(|name| (name.as_str(), end(pattern))));
            walk_pattern(self, pattern);
        }
    }
    let mut found = Captured(Vec::new());
    found.visit_pattern(pattern);
    found.0
}
