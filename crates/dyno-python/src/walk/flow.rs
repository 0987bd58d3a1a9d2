//! What flows where: imports, functions, changes in place, objects handed to calls, and
//! whatever may bind names without writing them.

use super::called::MUTATORS;
use super::local::Locals;
use super::root::{is_main_guard, root_of};
use super::{Place, end, names_of, start};
use crate::Reason;
use crate::facts::{Applied, AttributeWrite, Escape, Facts, Flow, Import, Variable};
use crate::scope::{Binding, BindingKind};
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Parameters, Stmt};
use std::collections::HashSet;

/// Methods that only read the namespace that `globals()` gives.
const NAMESPACE_READERS: &[&str] = &["get", "items", "keys", "values", "copy"];

pub(super) fn gather<'a>(facts: &mut Facts<'a>, body: &'a [Stmt], place: &Place<'_>) {
    let mut walker = Walker {
        place,
        frames: Vec::new(),
        mentions: Vec::new(),
        pending: Vec::new(),
        in_main: false,
        bound: facts
            .module
            .bindings
            .iter()
            .map(|binding| binding.name)
            .collect(),
        facts,
    };
    for statement in body {
        walker.visit_stmt(statement);
    }
    walker.settle();
}

/// Where a name is looked up.
pub(super) struct Frame<'a> {
    pub(super) id: u32,
    pub(super) is_class: bool,
    pub(super) is_function: bool,
    pub(super) local: HashSet<&'a str>,
}

/// Something that a function does, which counts if the function may be called while the
/// module is imported.
pub(super) enum Deed<'a> {
    Write(AttributeWrite<'a>),
    Doubt(Reason),
    Escape(Variable<'a>, Escape<'a>),
    Apply(Applied<'a>),
}

pub(super) struct Walker<'a, 'f, 'p> {
    pub(super) place: &'p Place<'p>,
    pub(super) frames: Vec<Frame<'a>>,
    /// Names that are read, by the function that reads them (0: import time).
    pub(super) mentions: Vec<(u32, &'a str)>,
    pub(super) pending: Vec<(u32, Deed<'a>)>,
    /// Below `if __name__ == "__main__":`, which nothing that is imported comes to.
    pub(super) in_main: bool,
    /// The names that the module binds.
    pub(super) bound: HashSet<&'a str>,
    pub(super) facts: &'f mut Facts<'a>,
}

impl<'a> Walker<'a, '_, '_> {
    /// The function around, as one more than where it begins; 0 at import time.
    pub(super) fn function(&self) -> u32 {
        let inner = self.frames.iter().rev().find(|frame| frame.is_function);
        inner.map_or(0, |frame| frame.id)
    }

    pub(super) fn variable(&self, name: &'a str) -> Variable<'a> {
        for (above, frame) in self.frames.iter().rev().enumerate() {
            if (!frame.is_class || above == 0) && frame.local.contains(name) {
                return (frame.id, name);
            }
        }
        (0, name)
    }

    pub(super) fn does(&mut self, deed: Deed<'a>) {
        if !self.in_main {
            self.pending.push((self.function(), deed));
        }
    }

    pub(super) fn flow(&mut self, from: Variable<'a>, to: Variable<'a>, flow: Flow) {
        if from != to {
            self.facts.flows.entry(from).or_default().push((to, flow));
        }
    }

    pub(super) fn mutate(&mut self, base: &'a Expr, deeper: bool, offset: u32) {
        let root = root_of(base);
        if let Some(attribute) = root.attribute {
            self.facts
                .mutated_attributes
                .entry(attribute)
                .or_insert(offset);
        }
        if let Some(name) = root.name {
            let variable = self.variable(name);
            let deep = deeper || root.depth > 0;
            let places = self.facts.mutated.entry(variable).or_default();
            if places.len() < 8 {
                places.push((offset, deep));
            }
        }
    }

    fn parameters(&mut self, parameters: &'a Parameters, id: u32) {
        for one in parameters.iter_non_variadic_params() {
            if let Some(annotation) = &one.parameter.annotation {
                self.visit_expr(annotation);
            }
            let Some(default) = &one.default else {
                continue;
            };
            self.visit_expr(default);
            for (from, flow) in self.sources(default, 40) {
                self.flow(from, (id, &one.parameter.name), flow);
            }
        }
    }

    pub(super) fn inside(&mut self, frame: Frame<'a>, work: impl FnOnce(&mut Self)) {
        self.frames.push(frame);
        work(self);
        self.frames.pop();
    }

    fn walrus(&mut self, expression: &'a Expr) {
        let Expr::Named(named) = expression else {
            return;
        };
        // It binds in the nearest function, class or module around, comprehensions aside.
        let holder = (self.frames.iter().rev()).find(|frame| frame.is_class || frame.is_function);
        let scope = match holder {
            None => Some(&mut self.facts.module),
            Some(frame) if frame.is_class => self
                .facts
                .classes
                .get_mut(&(frame.id - 1))
                .map(|class| &mut class.scope),
            Some(_) => None,
        };
        if let Some(scope) = scope {
            for name in names_of(&named.target) {
                let until = end(expression);
                scope.bindings.push(Binding {
                    name,
                    kind: BindingKind::Other("the target of `:=`"),
                    offset: start(expression),
                    end: until,
                    maybe: Some(self.place.reason("bound by `:=`", until)),
                });
            }
        }
    }
}

impl<'a> Visitor<'a> for Walker<'a, '_, '_> {
    #[expect(clippy::too_many_lines, reason = "an arm for each kind of statement")]
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                let offset = start(function);
                self.facts.functions.insert(offset, function);
                self.parameters(&function.parameters, offset + 1);
                if let Some(returns) = &function.returns {
                    self.visit_expr(returns);
                }
                let locals = Locals::of(&function.parameters, &function.body);
                if locals.yields {
                    self.facts.generators.insert(offset);
                }
                for name in &locals.global {
                    self.facts.global_writes.entry(name).or_insert(offset);
                }
                let frame = Frame {
                    id: offset + 1,
                    is_class: false,
                    is_function: true,
                    local: locals.local,
                };
                self.inside(frame, |walker| walker.visit_body(&function.body));
                return;
            }
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                let offset = start(class);
                let known = self.facts.classes.get(&offset);
                let names = known
                    .map(|class| &class.scope.bindings[..])
                    .unwrap_or_default();
                let local = names.iter().map(|binding| binding.name).collect();
                let frame = Frame {
                    id: offset + 1,
                    is_class: true,
                    is_function: false,
                    local,
                };
                self.inside(frame, |walker| walker.visit_body(&class.body));
                return;
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, &assign.value);
                }
                if let [Expr::Name(first), others @ ..] = &*assign.targets {
                    let from = self.variable(&first.id);
                    for name in others.iter().flat_map(names_of) {
                        let to = self.variable(name);
                        self.flow(from, to, Flow::Same);
                        self.flow(to, from, Flow::Same);
                    }
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) => {
                let sources = self.sources(&assign.value, 40);
                self.store(&assign.target, &assign.target, &sources);
                self.mutate(&assign.target, false, start(statement));
                if let Expr::Attribute(attribute) = &*assign.target {
                    self.write(&assign.target, &attribute.attr);
                }
            }
            Stmt::Delete(delete) => {
                for target in &delete.targets {
                    if !target.is_name_expr() {
                        self.bind(target, &[], false);
                    }
                }
            }
            Stmt::For(each) => {
                let sources = self.sources(&each.iter, 40);
                self.bind(&each.target, &sources, true);
            }
            Stmt::With(with) => {
                for item in &with.items {
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, &item.context_expr);
                    }
                }
            }
            Stmt::Return(returned) => {
                if let (Some(value), Some(function)) = (
                    &returned.value,
                    self.frames.iter().rev().find(|frame| frame.is_function),
                ) && let Some(definition) = function
                    .id
                    .checked_sub(1)
                    .and_then(|offset| self.facts.functions.get(&offset).copied())
                {
                    for (from, flow) in self.sources(value, 40) {
                        let to = (0, definition.name.as_str());
                        self.flow(from, to, flow);
                    }
                }
            }
            Stmt::If(branch) if is_main_guard(&branch.test) && !self.in_main => {
                self.visit_expr(&branch.test);
                self.in_main = true;
                self.visit_body(&branch.body);
                self.in_main = false;
                for clause in &branch.elif_else_clauses {
                    self.visit_elif_else_clause(clause);
                }
                return;
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.facts.imports.push(Import {
                        module: &alias.name,
                        level: 0,
                        names: Vec::new(),
                        offset: start(statement),
                        at_import: self.function() == 0,
                    });
                }
            }
            Stmt::ImportFrom(import) => {
                self.facts.imports.push(Import {
                    module: import.module.as_ref().map_or("", |name| name.as_str()),
                    level: import.level,
                    names: import
                        .names
                        .iter()
                        .map(|alias| alias.name.as_str())
                        .collect(),
                    offset: start(statement),
                    at_import: self.function() == 0,
                });
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) => {
                if name.ctx.is_load() {
                    self.mentions.push((self.function(), &name.id));
                }
                return;
            }
            Expr::Attribute(attribute) => {
                self.mentions.push((self.function(), &attribute.attr));
                if attribute.ctx.is_load() && MUTATORS.contains(&attribute.attr.as_str()) {
                    // Called here, or handed on to be called.
                    self.mutate(&attribute.value, false, start(expression));
                }
                if reads_namespace(&attribute.value)
                    && NAMESPACE_READERS.contains(&attribute.attr.as_str())
                {
                    return;
                }
            }
            Expr::Subscript(subscript)
                if subscript.ctx.is_load() && reads_namespace(&subscript.value) =>
            {
                self.visit_expr(&subscript.slice);
                return;
            }
            Expr::Lambda(lambda) => {
                let offset = start(lambda);
                self.facts.lambdas.insert(offset, lambda);
                if let Some(parameters) = lambda.parameters.as_deref() {
                    self.parameters(parameters, offset + 1);
                }
                let locals = Locals::of_lambda(lambda.parameters.as_deref(), &lambda.body);
                if locals.yields {
                    self.facts.generators.insert(offset);
                }
                let frame = Frame {
                    id: offset + 1,
                    is_class: false,
                    is_function: true,
                    local: locals.local,
                };
                self.inside(frame, |walker| walker.visit_expr(&lambda.body));
                return;
            }
            Expr::ListComp(made) => return self.scoped(expression, &made.generators),
            Expr::SetComp(made) => return self.scoped(expression, &made.generators),
            Expr::DictComp(made) => return self.scoped(expression, &made.generators),
            Expr::Generator(made) => return self.scoped(expression, &made.generators),
            Expr::Named(named) => {
                self.assign(&named.target, &named.value);
                self.walrus(expression);
            }
            Expr::Call(call) => {
                self.call(call);
                if is_namespace(&call.func) {
                    let own = call.arguments.is_empty();
                    let at_import = self.function() == 0;
                    let is_globals =
                        matches!(&*call.func, Expr::Name(name) if name.id == "globals");
                    if is_globals || (at_import && own) {
                        let reason = self.place.reason("takes hold of a namespace", start(call));
                        self.does(Deed::Doubt(reason));
                    }
                }
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

pub(super) fn is_namespace(function: &Expr) -> bool {
    matches!(function, Expr::Name(name) if matches!(name.id.as_str(), "globals" | "locals" | "vars"))
}

fn reads_namespace(value: &Expr) -> bool {
    matches!(value, Expr::Call(call) if is_namespace(&call.func) && call.arguments.is_empty())
}
