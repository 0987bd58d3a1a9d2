//! What importing a module can read: the modules of the project that it imports, anywhere
//! in its text, and those that they import.

use crate::world::{Closure, World};
use crate::{Import, Module, Reason};
use dyno_model::FileKind;
use ruff_python_ast::Expr;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_text_size::Ranged;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl World<'_> {
    /// Everything of the project that importing the module can read, and what would be
    /// read if it existed. Imports within functions count too.
    pub fn closure(&self, module: &Arc<Module>) -> Closure {
        let mut closure = Closure::default();
        closure.present.insert(module.path.clone());
        self.follow(vec![module.clone()], &mut closure);
        closure
    }

    /// The same for a module that `importer` imports by this name without a statement that
    /// says so; the importer is no part of it.
    pub fn closure_of_name(&self, importer: &Module, name: &str) -> Closure {
        let import = Import {
            module: name,
            level: 0,
            names: Vec::new(),
            offset: 0,
            at_import: true,
        };
        let mut closure = Closure::default();
        let mut files = BTreeSet::new();
        self.probe(importer, &import, &mut files, &mut closure.absent);
        let waiting = self.take(files, &mut closure);
        self.follow(waiting, &mut closure);
        closure
    }

    fn follow(&self, mut waiting: Vec<Arc<Module>>, closure: &mut Closure) {
        while let Some(module) = waiting.pop() {
            closure
                .unknown
                .extend(module.facts().computed_imports.iter().cloned());
            let mut files = BTreeSet::new();
            for import in module.imports() {
                self.probe(&module, import, &mut files, &mut closure.absent);
            }
            waiting.extend(self.take(files, closure));
        }
    }

    /// Adds files to what is present, and gives the modules that were not there yet.
    fn take(&self, files: BTreeSet<PathBuf>, closure: &mut Closure) -> Vec<Arc<Module>> {
        let mut new = Vec::new();
        for path in files {
            if !closure.present.insert(path.clone()) {
                continue;
            }
            match self.load(&path) {
                Ok(module) => new.push(module),
                Err(problem) => closure.unknown.push(Reason {
                    text: problem.message.into(),
                    file: path.to_string_lossy().into(),
                    line: problem.line,
                }),
            }
        }
        new
    }

    /// The files that one import can read: packages on the way, the module, submodules.
    fn probe(
        &self,
        module: &Module,
        import: &Import<'_>,
        present: &mut BTreeSet<PathBuf>,
        absent: &mut BTreeSet<PathBuf>,
    ) {
        let mut folders: Vec<PathBuf> = if import.level == 0 {
            self.search.project.clone()
        } else {
            let mut folder = module.path.parent();
            for _ in 1..import.level {
                folder = folder.and_then(Path::parent);
            }
            let folder = folder.map(Path::to_path_buf);
            if let Some(folder) = &folder {
                self.sort_in(folder.join("__init__.py"), present, absent);
            }
            folder.into_iter().collect()
        };
        let parts: Vec<&str> = import
            .module
            .split('.')
            .filter(|part| !part.is_empty())
            .collect();
        for part in &parts {
            let mut inner = Vec::new();
            for folder in &folders {
                self.probe_one(folder, part, present, absent);
                let below = folder.join(part);
                if self.files.kind(&below) == Some(FileKind::Folder) {
                    inner.push(below);
                }
            }
            folders = inner;
        }
        for name in import.names.iter().filter(|name| **name != "*") {
            for folder in &folders {
                self.probe_one(folder, name, present, absent);
            }
        }
    }

    fn probe_one(
        &self,
        folder: &Path,
        name: &str,
        present: &mut BTreeSet<PathBuf>,
        absent: &mut BTreeSet<PathBuf>,
    ) {
        self.sort_in(folder.join(name).join("__init__.py"), present, absent);
        self.sort_in(folder.join(format!("{name}.py")), present, absent);
    }

    fn sort_in(
        &self,
        path: PathBuf,
        present: &mut BTreeSet<PathBuf>,
        absent: &mut BTreeSet<PathBuf>,
    ) {
        if self.files.kind(&path) == Some(FileKind::File) {
            present.insert(path);
        } else {
            absent.insert(path);
        }
    }

    /// Files that the module names in string literals: relative to its folder, or to a
    /// folder of the project around it.
    pub fn literal_paths(&self, module: &Module) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let roots = &self.search.project;
        for (text, _) in module.texts() {
            let likely = text.len() <= 200
                && !text.is_empty()
                && text.contains(['.', '/'])
                && !text.contains(['\n', '\0', '*', '{', '<', '?'])
                && !text.contains("://");
            if !likely {
                continue;
            }
            let around = module.path.ancestors().skip(1);
            for folder in
                around.take_while(|folder| roots.iter().any(|root| folder.starts_with(root)))
            {
                let path = folder.join(text);
                if self.files.kind(&path) == Some(FileKind::File) {
                    found.insert(path);
                }
            }
        }
        found
    }
}

/// A call with a string literal as its first argument.
#[derive(Debug, Clone)]
pub struct TextCall {
    /// What is called, as it is written, such as `pytest.importorskip`.
    pub callee: String,
    /// The string.
    pub text: String,
    /// Where the call begins.
    pub offset: u32,
    /// Whether it stands outside of functions.
    pub at_import: bool,
}

impl Module {
    /// Every string literal, with where it begins; those in functions too.
    pub fn texts(&self) -> Vec<(&str, u32)> {
        struct Texts<'a>(Vec<(&'a str, u32)>);
        impl<'a> Visitor<'a> for Texts<'a> {
            fn visit_expr(&mut self, expression: &'a Expr) {
                if let Expr::StringLiteral(text) = expression {
                    self.0.push((text.value.to_str(), text.start().to_u32()));
                }
                walk_expr(self, expression);
            }
        }
        let mut texts = Texts(Vec::new());
        for statement in self.body() {
            texts.visit_stmt(statement);
        }
        texts.0
    }

    /// Every call that has a string literal as its first argument.
    pub fn text_calls(&self) -> Vec<TextCall> {
        struct Calls<'a> {
            module: &'a Module,
            found: Vec<TextCall>,
            functions: u32,
        }
        impl<'a> Visitor<'a> for Calls<'a> {
            fn visit_stmt(&mut self, statement: &'a ruff_python_ast::Stmt) {
                let inside = u32::from(statement.is_function_def_stmt());
                self.functions += inside;
                walk_stmt(self, statement);
                self.functions -= inside;
            }

            fn visit_expr(&mut self, expression: &'a Expr) {
                if let Expr::Call(call) = expression
                    && let Some(Expr::StringLiteral(text)) = call.arguments.args.first()
                {
                    let callee = call.func.start().to_usize()..call.func.end().to_usize();
                    self.found.push(TextCall {
                        callee: self
                            .module
                            .source
                            .get(callee)
                            .unwrap_or_default()
                            .to_owned(),
                        text: text.value.to_str().to_owned(),
                        offset: call.start().to_u32(),
                        at_import: self.functions == 0,
                    });
                }
                walk_expr(self, expression);
            }
        }
        let mut calls = Calls {
            module: self,
            found: Vec::new(),
            functions: 0,
        };
        for statement in self.body() {
            calls.visit_stmt(statement);
        }
        calls.found
    }
}
