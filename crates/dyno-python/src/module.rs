//! A parsed module.

use crate::compiles::refused;
use crate::facts::{AttributeWrite, Facts, Import};
use crate::scope::Scope;
use crate::source::{check_depth, decode};
use crate::walk::{Place, gather};
use crate::world::Interpreter;
use ruff_python_ast::{ExprLambda, PythonVersion, Stmt, StmtClassDef, StmtFunctionDef, Suite};
use ruff_python_parser::{Mode, ParseOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers for modules, never used twice in a process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The text is not Python.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line})")]
pub struct SyntaxProblem {
    /// One lowercase clause.
    pub message: String,
    /// The line, counted from 1.
    pub line: u32,
}

self_cell::self_cell!(
    struct Tree {
        owner: Suite,
        #[covariant]
        dependent: Facts,
    }
    impl {Debug}
);

/// A module's text and its syntax tree.
#[derive(Debug)]
pub struct Module {
    /// The file, as text for a person.
    pub file: Arc<str>,
    /// The file.
    pub path: PathBuf,
    /// The dotted name by which it is imported, where it is known.
    pub name: Option<Arc<str>>,
    /// The text, decoded, with line ends as they are.
    pub source: Box<str>,
    /// Unlike its address, this is no other module's once it is dropped.
    id: u64,
    lines: Vec<u32>,
    tree: Tree,
}

impl Module {
    /// Parses a module's bytes.
    pub fn parse(
        path: &Path,
        name: Option<&str>,
        bytes: &[u8],
        interpreter: &Interpreter,
    ) -> Result<Self, SyntaxProblem> {
        let source = decode(bytes)?;
        let lines = line_starts(&source);
        let line_at = |offset: u32| lines.partition_point(|&start| start <= offset).max(1);
        let problem = |message: String, offset: u32| SyntaxProblem {
            message,
            line: u32::try_from(line_at(offset)).unwrap_or(u32::MAX),
        };
        check_depth(&source).map_err(|(message, offset)| problem(message, offset))?;
        let (major, minor) = interpreter.version;
        let version = PythonVersion {
            major: u8::try_from(major).unwrap_or(u8::MAX),
            minor: u8::try_from(minor).unwrap_or(u8::MAX),
        };
        let options = ParseOptions::from(Mode::Module).with_target_version(version);
        let parsed = ruff_python_parser::parse(&source, options)
            .map_err(|error| problem(error.error.to_string(), error.location.start().to_u32()))?;
        // Syntax that this version of Python does not have yet.
        if let Some(newer) = parsed.unsupported_syntax_errors().first() {
            return Err(problem(newer.to_string(), newer.range.start().to_u32()));
        }
        let parsed = (parsed.try_into_module())
            .ok_or_else(|| problem("the text is no module".to_owned(), 0))?;
        let file: Arc<str> = path.to_string_lossy().into();
        let body = parsed.into_syntax().body;
        if let Some((what, offset)) = refused(&body, &source, version) {
            return Err(problem(what, offset));
        }
        let tree = Tree::new(body, |body| {
            let place = Place {
                file: &file,
                lines: &lines,
            };
            gather(body, &place, interpreter)
        });
        Ok(Self {
            file,
            path: path.to_path_buf(),
            name: name.map(Arc::from),
            source: source.into(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            lines,
            tree,
        })
    }

    /// The statements of the module.
    pub fn body(&self) -> &[Stmt] {
        self.tree.borrow_owner()
    }

    /// What tells it from every other module that this process ever parsed.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The module's names.
    pub fn scope(&self) -> &Scope<'_> {
        &self.facts().module
    }

    /// The names of a class body, by where the class is defined (decorators included).
    pub fn class_scope(&self, offset: u32) -> Option<&Scope<'_>> {
        self.facts().classes.get(&offset).map(|class| &class.scope)
    }

    /// The class whose definition begins there.
    pub fn class_at(&self, offset: u32) -> Option<&StmtClassDef> {
        self.facts()
            .classes
            .get(&offset)
            .map(|class| class.definition)
    }

    /// The function whose definition begins there.
    pub fn function_at(&self, offset: u32) -> Option<&StmtFunctionDef> {
        self.facts().functions.get(&offset).copied()
    }

    /// The lambda that begins there.
    pub fn lambda_at(&self, offset: u32) -> Option<&ExprLambda> {
        self.facts().lambdas.get(&offset).copied()
    }

    /// The line of a place in the text, counted from 1.
    pub fn line(&self, offset: u32) -> u32 {
        let before = self.lines.partition_point(|&start| start <= offset);
        u32::try_from(before).unwrap_or(u32::MAX).max(1)
    }

    /// Whether it is a package's `__init__`.
    pub fn is_package(&self) -> bool {
        self.path
            .file_name()
            .is_some_and(|name| name == "__init__.py")
    }

    /// The classes around and including the one that is defined there, outermost first.
    pub fn classes_around(&self, offset: u32) -> Vec<u32> {
        let facts = self.facts();
        let mut around = vec![offset];
        let mut at = offset;
        while let Some(outer) = facts.classes.get(&at).and_then(|class| class.outer) {
            around.push(outer);
            at = outer;
        }
        around.reverse();
        around
    }

    /// Attributes that are written from outside while the module is imported.
    pub fn attribute_writes(&self) -> &[AttributeWrite<'_>] {
        &self.facts().writes
    }

    /// Every import, in functions too.
    pub fn imports(&self) -> &[Import<'_>] {
        &self.facts().imports
    }

    pub(crate) fn facts(&self) -> &Facts<'_> {
        self.tree.borrow_dependent()
    }
}

/// Where the lines of a text begin; `\n`, `\r` and `\r\n` end one.
fn line_starts(source: &str) -> Vec<u32> {
    let bytes = source.as_bytes();
    let mut starts = vec![0];
    for (at, &byte) in bytes.iter().enumerate() {
        let ends = byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends {
            starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
    }
    starts
}
