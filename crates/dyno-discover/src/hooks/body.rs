//! What the body of a hook does with what it is given.
//!
//! A body is read by a list of the uses that are harmless; any other use of the list of
//! tests, of a test, or of the configuration is taken for the worst that it could do.

use super::mention::{mentions, mentions_expression};
use super::methods::{LOOKING, READING, changes};
use dyno_python::{Context, Module, Value, World, ast};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a body does to tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Uses {
    /// Markers that it adds.
    pub(super) markers: BTreeSet<String>,
    /// It adds markers whose names the text does not tell.
    pub(super) any_marker: bool,
    /// It does something else, in words.
    pub(super) other: Option<String>,
}

/// Reads the body of a hook that is given `items` (a list) and `item` (one), by those names
/// of its parameters.
pub(super) fn uses(
    world: &World<'_>,
    module: &Arc<Module>,
    definition: &ast::StmtFunctionDef,
) -> Uses {
    let mut reader = Reader {
        world,
        module,
        locals: locals_of(&definition.body),
        items: BTreeSet::from(["items".to_owned()]),
        item: BTreeSet::from(["item".to_owned()]),
        uses: Uses::default(),
        depth: 0,
    };
    reader.block(&definition.body);
    reader.uses
}

/// Names that are assigned exactly once in a body, with what.
fn locals_of(body: &[ast::Stmt]) -> HashMap<String, Option<ast::Expr>> {
    struct Locals(HashMap<String, Option<ast::Expr>>);
    impl<'a> ast::visitor::Visitor<'a> for Locals {
        fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
            if let ast::Stmt::Assign(assign) = statement
                && let [ast::Expr::Name(name)] = &*assign.targets
            {
                self.0
                    .entry(name.id.to_string())
                    .and_modify(|value| *value = None)
                    .or_insert_with(|| Some((*assign.value).clone()));
            }
            ast::visitor::walk_stmt(self, statement);
        }
    }
    let mut locals = Locals(HashMap::new());
    ast::visitor::Visitor::visit_body(&mut locals, body);
    locals.0
}

struct Reader<'r, 'w> {
    world: &'r World<'w>,
    module: &'r Arc<Module>,
    locals: HashMap<String, Option<ast::Expr>>,
    items: BTreeSet<String>,
    item: BTreeSet<String>,
    uses: Uses,
    depth: u32,
}

const DEPTH: u32 = 40;

impl Reader<'_, '_> {
    fn block(&mut self, body: &[ast::Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn other(&mut self, what: impl Into<String>) {
        self.uses.other.get_or_insert_with(|| what.into());
    }

    fn statement(&mut self, statement: &ast::Stmt) {
        use ast::Stmt;
        self.depth += 1;
        if self.depth > DEPTH {
            self.other("is nested too deep");
            return;
        }
        match statement {
            Stmt::For(each) => {
                self.each(&each.target, &each.iter);
                self.block(&each.body);
                self.block(&each.orelse);
            }
            Stmt::If(branch) => {
                self.expression(&branch.test);
                self.block(&branch.body);
                for clause in &branch.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.expression(test);
                    }
                    self.block(&clause.body);
                }
            }
            Stmt::Expr(expression) => self.expression(&expression.value),
            Stmt::Assign(assign) => self.assign(assign),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.expression(value);
                }
                self.target(&assign.target);
            }
            Stmt::AugAssign(assign) => {
                self.expression(&assign.value);
                self.target(&assign.target);
            }
            Stmt::Return(returned) => {
                if let Some(value) = &returned.value {
                    self.expression(value);
                }
            }
            Stmt::Pass(_)
            | Stmt::Continue(_)
            | Stmt::Break(_)
            | Stmt::Import(_)
            | Stmt::ImportFrom(_)
            | Stmt::Raise(_)
            | Stmt::Global(_) => {}
            Stmt::Try(attempt) => {
                self.block(&attempt.body);
                for handler in &attempt.handlers {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    self.block(&handler.body);
                }
                self.block(&attempt.orelse);
                self.block(&attempt.finalbody);
            }
            Stmt::With(with) => {
                for item in &with.items {
                    self.expression(&item.context_expr);
                }
                self.block(&with.body);
            }
            Stmt::Assert(assert) => self.expression(&assert.test),
            _ => {
                if mentions(statement, &self.items) || mentions(statement, &self.item) {
                    self.other("does what its text does not settle");
                }
            }
        }
        self.depth -= 1;
    }

    /// `for item in items`, also through `enumerate`, `list`, `tuple`, `reversed`.
    fn each(&mut self, target: &ast::Expr, iterable: &ast::Expr) {
        let mut iterable = iterable;
        let mut counted = false;
        if let ast::Expr::Call(call) = iterable
            && let ast::Expr::Name(function) = &*call.func
            && matches!(
                function.id.as_str(),
                "enumerate" | "list" | "tuple" | "reversed"
            )
            && let [inner] = &*call.arguments.args
        {
            counted = function.id.as_str() == "enumerate";
            iterable = inner;
        }
        match (iterable, target) {
            (ast::Expr::Name(name), ast::Expr::Name(item)) if self.is_items(name) && !counted => {
                self.item.insert(item.id.to_string());
            }
            (ast::Expr::Name(name), ast::Expr::Tuple(pair)) if self.is_items(name) && counted => {
                if let [_, ast::Expr::Name(item)] = &*pair.elts {
                    self.item.insert(item.id.to_string());
                } else {
                    self.other("takes the tests apart");
                }
            }
            _ => self.expression(iterable),
        }
    }

    fn is_items(&self, name: &ast::ExprName) -> bool {
        self.items.contains(name.id.as_str())
    }

    fn is_item(&self, expression: &ast::Expr) -> bool {
        matches!(expression, ast::Expr::Name(name) if self.item.contains(name.id.as_str()))
    }

    fn assign(&mut self, assign: &ast::StmtAssign) {
        self.expression(&assign.value);
        for target in &assign.targets {
            self.target(target);
        }
    }

    /// A target that is part of a test or of the list is a change.
    fn target(&mut self, target: &ast::Expr) {
        let mut root = target;
        let mut is_whole = true;
        loop {
            root = match root {
                ast::Expr::Attribute(attribute) => &attribute.value,
                ast::Expr::Subscript(subscript) => &subscript.value,
                _ => break,
            };
            is_whole = false;
        }
        if let ast::Expr::Name(name) = root {
            let known = self.is_items(name) || self.is_item(root);
            if known && is_whole {
                self.other(format!("binds `{}` anew", name.id));
            } else if known {
                self.other(format!("changes `{}`", name.id));
            }
        } else if mentions_expression(target, &self.items)
            || mentions_expression(target, &self.item)
        {
            self.other("changes tests");
        }
    }

    fn expression(&mut self, expression: &ast::Expr) {
        use ast::Expr;
        self.depth += 1;
        if self.depth > DEPTH {
            self.other("is nested too deep");
            return;
        }
        match expression {
            Expr::Name(name) if self.is_items(name) || self.item.contains(name.id.as_str()) => {
                self.other(format!("hands `{}` on", name.id));
            }
            Expr::Attribute(attribute) => {
                // Reading an attribute of a test.
                if !self.is_item(&attribute.value) {
                    self.expression(&attribute.value);
                }
            }
            Expr::Call(call) => self.call(call),
            Expr::UnaryOp(unary) if self.is_plain_items(&unary.operand) => {}
            Expr::BoolOp(operation) => {
                for value in &operation.values {
                    if !self.is_plain_items(value) {
                        self.expression(value);
                    }
                }
            }
            Expr::ListComp(of) => self.comprehension(&of.generators, &[&of.elt]),
            Expr::SetComp(of) => self.comprehension(&of.generators, &[&of.elt]),
            Expr::Generator(of) => self.comprehension(&of.generators, &[&of.elt]),
            Expr::DictComp(_)
            | Expr::Lambda(_)
            | Expr::Yield(_)
            | Expr::YieldFrom(_)
            | Expr::Await(_)
            | Expr::Named(_) => {
                if mentions_expression(expression, &self.items)
                    || mentions_expression(expression, &self.item)
                {
                    self.other("does what its text does not settle");
                }
            }
            _ => {
                let mut parts = Parts(Vec::new());
                ast::visitor::walk_expr(&mut parts, expression);
                for part in parts.0 {
                    self.expression(part);
                }
            }
        }
        self.depth -= 1;
    }

    fn is_plain_items(&self, expression: &ast::Expr) -> bool {
        matches!(expression, ast::Expr::Name(name) if self.is_items(name))
    }

    fn comprehension(&mut self, generators: &[ast::Comprehension], elements: &[&ast::Expr]) {
        for generator in generators {
            self.each(&generator.target, &generator.iter);
            for condition in &generator.ifs {
                self.expression(condition);
            }
        }
        for element in elements {
            self.expression(element);
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        let arguments = || {
            let keywords = call.arguments.keywords.iter().map(|keyword| &keyword.value);
            call.arguments.args.iter().chain(keywords)
        };
        match &*call.func {
            ast::Expr::Attribute(method) if self.is_item(&method.value) => {
                match method.attr.as_str() {
                    "add_marker" => {
                        self.marker(call.arguments.args.first());
                        return;
                    }
                    name if READING.contains(&name) => {}
                    name => self.other(format!("calls `{name}` of a test")),
                }
            }
            ast::Expr::Attribute(method) if method.attr.as_str() == "pytest_deselected" => {
                self.other("drops tests");
            }
            ast::Expr::Attribute(method) if changes(method.attr.as_str()) => {
                // `item.own_markers.append(...)`, `item.keywords.update(...)`.
                if mentions_expression(&method.value, &self.item)
                    || mentions_expression(&method.value, &self.items)
                {
                    self.other(format!("calls `{}` of a part of a test", method.attr));
                }
                self.expression(&method.value);
            }
            ast::Expr::Name(function) if function.id.as_str() == "len" => {
                if matches!(&*call.arguments.args, [only] if self.is_plain_items(only)) {
                    return;
                }
            }
            ast::Expr::Name(function) if LOOKING.contains(&function.id.as_str()) => {
                for argument in arguments() {
                    if !self.is_item(argument) {
                        self.expression(argument);
                    }
                }
                return;
            }
            other => self.expression(other),
        }
        for argument in arguments() {
            self.expression(argument);
        }
    }

    /// The name of a marker that is added.
    fn marker(&mut self, argument: Option<&ast::Expr>) {
        let mut expression = argument;
        if let Some(ast::Expr::Name(name)) = expression
            && let Some(Some(assigned)) = self.locals.get(name.id.as_str())
        {
            let assigned = assigned.clone();
            return self.marker_of(&assigned);
        }
        match expression.take() {
            Some(expression) => self.marker_of(expression),
            None => self.uses.any_marker = true,
        }
    }

    fn marker_of(&mut self, expression: &ast::Expr) {
        let mut expression = expression;
        while let ast::Expr::Call(call) = expression {
            expression = &call.func;
        }
        if let ast::Expr::StringLiteral(text) = expression {
            self.uses.markers.insert(text.value.to_str().to_owned());
            return;
        }
        let value = self
            .world
            .evaluate(&Context::after(self.module), expression);
        match mark_name(&value) {
            Some(name) => {
                self.uses.markers.insert(name);
            }
            None => self.uses.any_marker = true,
        }
    }
}

fn mark_name(value: &Value) -> Option<String> {
    match value {
        Value::External(name) => name.strip_prefix("pytest.mark.").map(str::to_owned),
        Value::Call(call) => mark_name(&call.function),
        _ => None,
    }
}

struct Parts<'a>(Vec<&'a ast::Expr>);

impl<'a> ast::visitor::Visitor<'a> for Parts<'a> {
    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        self.0.push(expression);
    }
}
