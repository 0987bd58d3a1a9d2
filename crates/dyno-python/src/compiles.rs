//! What Python's compiler refuses though the grammar allows it: `return` outside of a
//! function, two parameters of one name, `nonlocal` of nothing.
//!
//! The rules are `ruff_python_parser`'s; this module tells them where each node stands.

use crate::walk::Locals;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, Parameters, PythonVersion, Stmt, StmtClassDef,
    StmtFunctionDef,
};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::{Ranged, TextRange};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// The first thing that the compiler refuses, if any: what, and where.
pub(crate) fn refused(
    body: &[Stmt],
    source: &str,
    version: PythonVersion,
) -> Option<(String, u32)> {
    let names_scopes = source.contains("global") || source.contains("nonlocal");
    let mut compiler = Compiler {
        source,
        version,
        keeps_annotations: body.iter().any(imports_annotations),
        names_scopes,
        frames: vec![Frame::new(Kind::Module)],
        first: RefCell::new(None),
    };
    if names_scopes {
        compiler.globals(body);
    }
    let mut checker = SemanticSyntaxChecker::new();
    let mut walk = Walk {
        compiler: &mut compiler,
        checker: &mut checker,
    };
    walk.visit_body(body);
    compiler.first.into_inner()
}

fn imports_annotations(statement: &Stmt) -> bool {
    let Stmt::ImportFrom(import) = statement else {
        return false;
    };
    let mut names = import.names.iter();
    import.module.as_deref() == Some("__future__") && names.any(|one| &one.name == "annotations")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    Class,
    Function { is_async: bool },
    Lambda,
    Comprehension { is_async: bool },
    Generator,
}

/// One scope around a node.
struct Frame<'a> {
    kind: Kind,
    loops: u32,
    in_try: bool,
    parameters: Option<&'a Parameters>,
    globals: HashMap<&'a str, TextRange>,
    /// The names of a function, where anything asks for them.
    local: HashSet<&'a str>,
}

impl Frame<'_> {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            loops: 0,
            in_try: false,
            parameters: None,
            globals: HashMap::new(),
            local: HashSet::new(),
        }
    }
}

struct Compiler<'a> {
    source: &'a str,
    version: PythonVersion,
    /// Whether `from __future__ import annotations` is there.
    keeps_annotations: bool,
    /// Whether `global` or `nonlocal` is anywhere in the text.
    names_scopes: bool,
    frames: Vec<Frame<'a>>,
    first: RefCell<Option<(String, u32)>>,
}

impl<'a> Compiler<'a> {
    fn inner(&self) -> impl Iterator<Item = Kind> {
        self.frames.iter().rev().map(|frame| frame.kind)
    }

    fn refuse(&self, what: &dyn std::fmt::Display, at: u32) {
        let mut first = self.first.borrow_mut();
        first.get_or_insert_with(|| (what.to_string(), at));
    }

    /// Notes the `global` statements of the scope that was entered last.
    fn globals(&mut self, body: &'a [Stmt]) {
        let mut globals = Globals(HashMap::new());
        globals.visit_body(body);
        if let Some(frame) = self.frames.last_mut() {
            frame.globals = globals.0;
        }
    }
}

/// `global` statements of a body, by name.
struct Globals<'a>(HashMap<&'a str, TextRange>);

impl<'a> Visitor<'a> for Globals<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Global(global) => {
                for name in &global.names {
                    self.0.entry(name.as_str()).or_insert(global.range());
                }
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

impl SemanticSyntaxContext for Compiler<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.keeps_annotations
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        match self.frames.last()? {
            frame if frame.kind == Kind::Class => Some(LazyImportContext::Class),
            frame if frame.kind != Kind::Module => Some(LazyImportContext::Function),
            frame if frame.in_try => Some(LazyImportContext::TryExceptBlocks),
            _ => None,
        }
    }

    fn python_version(&self) -> PythonVersion {
        self.version
    }

    fn source(&self) -> &str {
        self.source
    }

    fn global(&self, name: &str) -> Option<TextRange> {
        self.frames.last()?.globals.get(name).copied()
    }

    fn has_nonlocal_binding(&self, name: &str) -> bool {
        let outer = self.frames.iter().rev().skip(1);
        outer.into_iter().any(|frame| frame.local.contains(name))
    }

    fn in_async_context(&self) -> bool {
        self.inner().find_map(|kind| match kind {
            Kind::Class | Kind::Lambda => Some(false),
            Kind::Function { is_async } => Some(is_async),
            _ => None,
        }) == Some(true)
    }

    fn in_await_allowed_context(&self) -> bool {
        self.inner().find_map(|kind| match kind {
            Kind::Class => Some(false),
            Kind::Function { .. } | Kind::Lambda => Some(true),
            _ => None,
        }) == Some(true)
    }

    fn in_yield_allowed_context(&self) -> bool {
        let inner = self.inner().next();
        matches!(inner, Some(Kind::Function { .. } | Kind::Lambda))
    }

    fn in_sync_comprehension(&self) -> bool {
        (self.inner()).any(|kind| kind == Kind::Comprehension { is_async: false })
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.inner()
            .find(|kind| !matches!(kind, Kind::Comprehension { .. } | Kind::Generator))
            == Some(Kind::Class)
    }

    fn in_module_scope(&self) -> bool {
        self.inner().next() == Some(Kind::Module)
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.inner().next(), Some(Kind::Function { .. }))
    }

    fn in_generator_context(&self) -> bool {
        self.inner().any(|kind| kind == Kind::Generator)
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        let at = error.range.start().to_u32();
        self.refuse(&error, at);
    }

    fn in_loop_context(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.loops > 0)
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        let parameters = self.frames.last().and_then(|frame| frame.parameters);
        parameters.is_some_and(|all| all.includes(name))
    }
}

struct Walk<'w, 'a> {
    compiler: &'w mut Compiler<'a>,
    checker: &'w mut SemanticSyntaxChecker,
}

impl<'a> Walk<'_, 'a> {
    fn refuse(&self, what: &dyn std::fmt::Display, node: &impl Ranged) {
        self.compiler.refuse(what, node.start().to_u32());
    }

    fn inside(&mut self, frame: Frame<'a>, work: impl FnOnce(&mut Self)) {
        self.compiler.frames.push(frame);
        work(self);
        self.compiler.frames.pop();
    }

    fn function(&mut self, function: &'a StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &function.type_params {
            self.visit_type_params(parameters);
        }
        self.visit_parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        let is_async = function.is_async;
        let mut frame = Frame::new(Kind::Function { is_async });
        frame.parameters = Some(&function.parameters);
        if self.compiler.names_scopes {
            frame.local = Locals::of(&function.parameters, &function.body).local;
        }
        self.inside(frame, |walk| {
            if walk.compiler.names_scopes {
                walk.compiler.globals(&function.body);
            }
            walk.visit_body(&function.body);
        });
    }

    fn class(&mut self, class: &'a StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &class.type_params {
            self.visit_type_params(parameters);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.inside(Frame::new(Kind::Class), |walk| {
            if walk.compiler.names_scopes {
                walk.compiler.globals(&class.body);
            }
            walk.visit_body(&class.body);
        });
    }

    fn looped(&mut self, body: &'a [Stmt], orelse: &'a [Stmt]) {
        self.loops(|loops| loops + 1);
        self.visit_body(body);
        self.loops(|loops| loops.saturating_sub(1));
        self.visit_body(orelse);
    }

    fn loops(&mut self, change: impl FnOnce(u32) -> u32) {
        if let Some(frame) = self.compiler.frames.last_mut() {
            frame.loops = change(frame.loops);
        }
    }

    fn comprehended(
        &mut self,
        generators: &'a [Comprehension],
        is_generator: bool,
        elements: &[&'a Expr],
    ) {
        // The first iterable is evaluated outside.
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        let is_async = generators.iter().any(|generator| generator.is_async);
        let kind = if is_generator {
            Kind::Generator
        } else {
            Kind::Comprehension { is_async }
        };
        self.inside(Frame::new(kind), |walk| {
            for (index, generator) in generators.iter().enumerate() {
                if index > 0 {
                    walk.visit_expr(&generator.iter);
                }
                walk.visit_expr(&generator.target);
                for test in &generator.ifs {
                    walk.visit_expr(test);
                }
            }
            for element in elements {
                walk.visit_expr(element);
            }
        });
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.checker.visit_stmt(statement, self.compiler);
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.visit_expr(&each.target);
                self.looped(&each.body, &each.orelse);
            }
            Stmt::While(each) => {
                self.visit_expr(&each.test);
                self.looped(&each.body, &each.orelse);
            }
            Stmt::Try(attempt) => {
                let bare = |handler: &ExceptHandler| match handler {
                    ExceptHandler::ExceptHandler(handler) => handler.type_.is_none(),
                };
                if (attempt.handlers.iter().rev().skip(1)).any(bare) {
                    self.refuse(&"default 'except:' must be last", statement);
                }
                let frame = self.compiler.frames.last_mut();
                let before = frame.map(|frame| std::mem::replace(&mut frame.in_try, true));
                walk_stmt(self, statement);
                if let (Some(frame), Some(before)) = (self.compiler.frames.last_mut(), before) {
                    frame.in_try = before;
                }
            }
            Stmt::Expr(alone) if alone.value.is_starred_expr() => {
                self.refuse(&"can't use starred expression here", statement);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.checker.visit_expr(expression, self.compiler);
        match expression {
            Expr::Lambda(lambda) => {
                if let Some(parameters) = lambda.parameters.as_deref() {
                    self.visit_parameters(parameters);
                }
                let mut frame = Frame::new(Kind::Lambda);
                frame.parameters = lambda.parameters.as_deref();
                self.inside(frame, |walk| walk.visit_expr(&lambda.body));
            }
            Expr::ListComp(made) => self.comprehended(&made.generators, false, &[&made.elt]),
            Expr::SetComp(made) => self.comprehended(&made.generators, false, &[&made.elt]),
            Expr::Generator(made) => self.comprehended(&made.generators, true, &[&made.elt]),
            Expr::Attribute(attribute) => {
                if &attribute.attr == "__debug__" && !attribute.ctx.is_load() {
                    self.refuse(&"cannot assign to __debug__", expression);
                }
                walk_expr(self, expression);
            }
            Expr::DictComp(made) => {
                let key = made.key.as_deref();
                let both: Vec<&Expr> = key.into_iter().chain([&*made.value]).collect();
                self.comprehended(&made.generators, false, &both);
            }
            _ => walk_expr(self, expression),
        }
    }
}
