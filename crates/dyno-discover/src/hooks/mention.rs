//! Whether a piece of Python mentions a name.

use dyno_python::ast;
use std::collections::BTreeSet;

struct Mentions<'n> {
    names: &'n BTreeSet<String>,
    found: bool,
}

impl<'a> ast::visitor::Visitor<'a> for Mentions<'_> {
    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        if let ast::Expr::Name(name) = expression {
            self.found |= self.names.contains(name.id.as_str());
        }
        if !self.found {
            ast::visitor::walk_expr(self, expression);
        }
    }
}

pub(super) fn mentions(statement: &ast::Stmt, names: &BTreeSet<String>) -> bool {
    let mut mentions = Mentions {
        names,
        found: false,
    };
    ast::visitor::Visitor::visit_stmt(&mut mentions, statement);
    mentions.found
}

pub(super) fn mentions_expression(expression: &ast::Expr, names: &BTreeSet<String>) -> bool {
    let mut mentions = Mentions {
        names,
        found: false,
    };
    ast::visitor::Visitor::visit_expr(&mut mentions, expression);
    mentions.found
}
