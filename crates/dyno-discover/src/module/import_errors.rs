//! Text that surely, or most likely, ends its own import: that imports succeed is taken for
//! granted of what a file imports, not of what it says itself.
//!
//! - A name that nothing binds before it is read.
//! - A mark that is called with nothing but a function or a class: it does not take that
//!   for an argument but decorates it, and gives it back (`MarkDecorator.__call__`).
//! - `pytest.param(marks=...)` with what is no mark, or with `usefixtures`.
//! - A decorated class whose `pytestmark` is no mark and no list of them: a mark is put
//!   behind those that are there (`store_mark`).

use super::lineage::own_marks;
use super::skips::is_main_guard;
use super::walk::Suite;
use crate::mark::{Mark, MarkList};
use crate::rules::Place;
use dyno_python::text_size::Ranged;
use dyno_python::{ClassRef, Context, Module, Reason, Value, ast};
use std::sync::Arc;

/// How deep statements and expressions are followed.
const DEPTH: u32 = 100;

/// Why importing the module itself may fail, if its text says so.
pub(crate) fn import_error(suite: &Suite<'_>, module: &Arc<Module>) -> Option<Reason> {
    let mut reader = Reader {
        suite,
        module,
        classes: Vec::new(),
        attempts: 0,
        depth: 0,
        found: None,
    };
    ast::visitor::Visitor::visit_body(&mut reader, module.body());
    reader.found
}

/// Walks through what runs when the module is imported.
struct Reader<'r> {
    suite: &'r Suite<'r>,
    module: &'r Arc<Module>,
    /// The classes around, outermost first.
    classes: Vec<u32>,
    /// How many `try` are around, which may catch a name that is missing.
    attempts: u32,
    depth: u32,
    found: Option<Reason>,
}

impl Reader<'_> {
    fn context(&self, offset: u32) -> Context {
        Context {
            module: self.module.clone(),
            classes: self.classes.clone(),
            position: offset,
        }
    }

    fn place(&self, offset: u32) -> Place {
        Place {
            file: self.module.file.clone(),
            line: self.module.line(offset),
        }
    }

    fn evaluate(&self, expression: &ast::Expr) -> Value {
        let context = self.context(start(expression));
        self.suite.world.evaluate(&context, expression)
    }

    fn finds(&mut self, text: impl Into<Arc<str>>, offset: u32) {
        let reason = Reason::new(text, self.module, offset);
        self.found.get_or_insert(reason);
    }

    fn name(&mut self, name: &ast::ExprName) {
        let text = name.id.as_str();
        let offset = start(name);
        let is_special = text.starts_with("__") && text.ends_with("__");
        if self.attempts > 0 || is_special || name.ctx == ast::ExprContext::Store {
            return;
        }
        if name.ctx == ast::ExprContext::Del {
            return self.deleted(text, offset);
        }
        let classes = self
            .classes
            .iter()
            .filter_map(|&class| self.module.class_scope(class));
        for scope in classes.chain([self.module.scope()]) {
            let is_bound = scope.of(text).any(|binding| binding.end <= offset);
            if is_bound || !scope.stars().is_empty() || !scope.doubts().is_empty() {
                return;
            }
        }
        // Bound by the very statement that it stands in: `for x in y`, `with a as x`, `:=`,
        // but not a class, which is bound once its body has run.
        let is_known = |binding: &dyno_python::Binding<'_>| {
            let is_class = matches!(binding.kind, dyno_python::BindingKind::Class(_));
            binding.offset <= offset && !is_class
        };
        if self.module.scope().of(text).any(is_known) {
            return;
        }
        if self
            .suite
            .world
            .lookup(&self.context(offset), text)
            .is_unknown()
        {
            self.finds(
                format!("reads `{text}`, which nothing binds before"),
                offset,
            );
        }
    }

    /// `del name`, which is of the innermost scope.
    fn deleted(&mut self, name: &str, offset: u32) {
        let class = self.classes.last();
        let scope = class.and_then(|&class| self.module.class_scope(class));
        let scope = scope.unwrap_or_else(|| self.module.scope());
        let is_bound = scope.of(name).any(|binding| {
            binding.end <= offset && !matches!(binding.kind, dyno_python::BindingKind::Delete)
        });
        if !is_bound && scope.stars().is_empty() && scope.doubts().is_empty() {
            self.finds(
                format!("deletes `{name}`, which nothing binds before"),
                offset,
            );
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        let arguments = &call.arguments;
        match (&*arguments.args, &*arguments.keywords) {
            ([argument @ (ast::Expr::Name(_) | ast::Expr::Attribute(_))], []) => {
                self.mark_of_one(call, argument);
            }
            (_, keywords) => {
                let named = |keyword: &&ast::Keyword| {
                    let name = keyword.arg.as_ref();
                    name.is_some_and(|name| name.as_str() == "marks")
                };
                if let Some(marks) = keywords.iter().find(named) {
                    self.row(call, &marks.value);
                }
            }
        }
    }

    /// `pytest.mark.NAME(argument)`.
    fn mark_of_one(&mut self, call: &ast::ExprCall, argument: &ast::Expr) {
        let place = self.place(start(call));
        if !matches!(
            Mark::from_value(&self.evaluate(&call.func), &place),
            Ok(Some(_))
        ) {
            return;
        }
        let decorated = match self.evaluate(argument) {
            Value::Function(function) => function.name,
            Value::Class(class) => class.name,
            Value::External(name) => match self.suite.world.installed(&name) {
                Some(Value::Function(_) | Value::Class(_)) => name,
                _ if name.starts_with("builtins.") => name,
                _ => return,
            },
            _ => return,
        };
        if &*decorated != "<lambda>" {
            self.finds(format!("puts a mark on `{decorated}`"), start(call));
        }
    }

    /// `pytest.param(..., marks=marks)`.
    fn row(&mut self, call: &ast::ExprCall, marks: &ast::Expr) {
        let is_param =
            matches!(self.evaluate(&call.func), Value::External(name) if &*name == "pytest.param");
        if !is_param {
            return;
        }
        let marks = MarkList::of_row(&self.evaluate(marks), &self.place(start(call)));
        // 8.4 forbids what never had an effect.
        let uses = |mark: &Mark| &*mark.name == "usefixtures";
        if let Some(reason) = marks.broken {
            self.found.get_or_insert(reason);
        } else if self.suite.rules.since(8, 4) && marks.marks.iter().any(uses) {
            self.finds("`pytest.param` with `usefixtures`", start(call));
        }
    }

    fn class(&mut self, class: &ast::StmtClassDef) {
        let reference = ClassRef {
            module: self.module.clone(),
            name: class.name.as_str().into(),
            offset: start(class),
        };
        if !class.decorator_list.is_empty()
            && let marks = own_marks(self.suite, &reference)
            && let Some(reason) = marks.broken.or(marks.more)
        {
            self.found.get_or_insert(reason);
        }
        self.classes.push(reference.offset);
        ast::visitor::Visitor::visit_body(self, &class.body);
        self.classes.pop();
    }
}

fn start(of: &impl Ranged) -> u32 {
    of.range().start().to_u32()
}

impl<'a> ast::visitor::Visitor<'a> for Reader<'_> {
    fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
        if self.found.is_some() || self.depth > DEPTH {
            return;
        }
        self.depth += 1;
        match statement {
            ast::Stmt::FunctionDef(def) => {
                for decorator in &def.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                let parameters = def.parameters.iter_non_variadic_params();
                for default in parameters.filter_map(|parameter| parameter.default.as_deref()) {
                    self.visit_expr(default);
                }
            }
            ast::Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                for base in class.bases() {
                    self.visit_expr(base);
                }
                self.class(class);
            }
            ast::Stmt::If(branch) if is_main_guard(&branch.test) => {}
            ast::Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.visit_expr(value);
                }
            }
            ast::Stmt::Try(_) => {
                self.attempts += 1;
                ast::visitor::walk_stmt(self, statement);
                self.attempts -= 1;
            }
            _ => ast::visitor::walk_stmt(self, statement),
        }
        self.depth -= 1;
    }

    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        if self.found.is_some() || self.depth > DEPTH {
            return;
        }
        self.depth += 1;
        match expression {
            ast::Expr::Name(name) => self.name(name),
            // What is in these has names of its own.
            ast::Expr::Lambda(_)
            | ast::Expr::ListComp(_)
            | ast::Expr::SetComp(_)
            | ast::Expr::DictComp(_)
            | ast::Expr::Generator(_) => {}
            ast::Expr::Call(call) => {
                self.call(call);
                ast::visitor::walk_expr(self, expression);
            }
            _ => ast::visitor::walk_expr(self, expression),
        }
        self.depth -= 1;
    }
}
