//! What a layout is.

use dyno_model::Unknown;
use std::path::PathBuf;
use std::sync::Arc;

/// What pytest would collect, file by file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The files in pytest's order. One may stand here twice, where arguments ask for it.
    pub files: Vec<LayoutFile>,
    /// Every conftest that pytest loads, in the order of loading.
    pub conftests: Vec<PathBuf>,
    /// How many of `conftests` are loaded before the command line is parsed for good and
    /// `pytest_configure` is called: only those may add options or `pytest_plugins`.
    pub initial_conftests: usize,
    /// What stops the whole collection: pytest says it and ends with this exit code.
    pub problems: Vec<Problem>,
    /// What is unknown of the whole: other files may belong, or these may not.
    pub unknown: Vec<Unknown>,
}

/// An error of usage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// pytest's text for it, without `ERROR: `.
    pub message: String,
}

/// A file that pytest makes tests of.
#[derive(Debug, Clone, PartialEq)]
pub struct LayoutFile {
    /// Where it is, as pytest names it: links on the way are not resolved.
    pub path: PathBuf,
    /// Its node id.
    pub id: String,
    /// What pytest makes of it.
    pub role: FileRole,
    /// The conftests whose fixtures and hooks it sees, outermost first.
    pub conftests: Arc<[PathBuf]>,
    /// The folders above it in pytest's tree, outermost first.
    pub folders: Arc<[FolderNode]>,
    /// How it is imported.
    pub module: ModuleName,
    /// What was asked of it; empty: everything. Of several, each stands on its own, in
    /// this order: pytest collects what both ask for once for each.
    pub wanted: Vec<Wanted>,
    /// What is in doubt about the whole file.
    pub unknown: Vec<Unknown>,
}

/// What pytest makes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// A module of tests.
    Module,
    /// A Python file that only `--doctest-modules` looks at: no functions or classes of it
    /// are tests.
    DoctestModule,
    /// Both: a module of tests whose docstrings are tests too. The docstrings come first.
    ModuleAndDoctests,
    /// A text file of doctests (`--doctest-glob`).
    DoctestText,
}

/// A folder as a node above a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderNode {
    /// Where it is.
    pub path: PathBuf,
    /// Its node id.
    pub id: String,
    /// The name of the node, which `-k` sees unless it is the topmost folder's.
    pub name: String,
    /// Whether it is a package: it holds an `__init__.py`.
    pub is_package: bool,
}

/// How a file is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleName {
    /// The folder that goes onto `sys.path`; under `importlib` the one that the name is
    /// relative to.
    pub root: PathBuf,
    /// The dotted name.
    pub name: String,
}

/// The part of an argument behind the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The names of classes and of a function, outermost first.
    pub names: Vec<String>,
    /// What the last must be followed by, brackets included.
    pub parametrization: Option<String>,
    /// The argument as pytest names it where nothing matches.
    pub argument: String,
    /// Nothing comes of it if the names lead to a class, because pytest has collected that
    /// class for another argument already (before 9.0). Functions are taken as ever.
    pub only_functions: bool,
}

/// What a conftest says of files to leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectIgnore {
    /// `collect_ignore`.
    pub paths: IgnoreList,
    /// `collect_ignore_glob`.
    pub globs: IgnoreList,
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IgnoreList {
    /// The conftest has no such name: that of the conftest above it counts.
    #[default]
    Absent,
    /// These, as they were written: relative to the conftest.
    Known(Vec<String>),
    /// It holds some of these, written in the same way.
    Perhaps {
        /// Those that it holds for certain.
        certain: Vec<String>,
        /// Those that depend on conditions.
        perhaps: Vec<String>,
        /// Whether the conftest may have no such name.
        may_be_absent: bool,
    },
    /// It has one, or may have; for a person, why it is not known.
    Unknown(String),
}
