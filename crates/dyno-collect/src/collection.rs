//! What collection comes to.

use dyno_model::{CollectFailure, ExitCode, FoundTest, Item, Skip, Unknown};
use std::path::PathBuf;

/// A finished collection: the tests that would run, in pytest's order, and what stands
/// beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// `rootdir`.
    pub rootdir: PathBuf,
    /// The ini file.
    pub inifile: Option<PathBuf>,
    /// pytest's version.
    pub pytest: String,
    /// Python's version.
    pub python: String,
    /// The lines by which the ini file and plugins register markers.
    pub markers: Vec<String>,
    /// The conftests that are loaded, in order.
    pub conftests: Vec<PathBuf>,
    /// pytest's verbosity: -1 for `-q`.
    pub verbosity: i32,
    /// The tests that are left, in the order in which they would run.
    pub tests: Vec<Listed>,
    /// How many were collected and then deselected.
    pub deselected: usize,
    /// The files, in the order in which they are collected.
    pub files: Vec<File>,
    /// What could not be collected.
    pub errors: Vec<CollectFailure>,
    /// What the user should hear, one sentence each.
    pub notes: Vec<String>,
    /// What `--debug` tells: of the cache, and why pytest was asked.
    pub debug: Vec<String>,
}

/// A test that would run.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The test, and what is not known of it.
    pub found: FoundTest,
    /// Its file's place in [`Collection::files`].
    pub file: usize,
}

/// A file that tests are collected from.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its node id.
    pub id: String,
    /// The folders above it in pytest's tree, outermost first: name, and whether it is a
    /// package.
    pub folders: Vec<Folder>,
    /// Who said what it holds.
    pub source: Source,
    /// What the text left open, for which pytest was asked, or would have to be.
    pub open: Vec<Unknown>,
    /// pytest's error, where it could not import the file and its tests are known from
    /// the text.
    pub failure: Option<CollectFailure>,
    /// Why the file skips itself.
    pub skip: Option<Skip>,
    /// Why a change can affect it; absent where nobody asked.
    pub affected: Option<String>,
    /// What pytest's tree calls the file, as `Module`.
    pub kind: String,
}

/// A folder in pytest's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its name.
    pub name: String,
    /// Whether it is a package.
    pub is_package: bool,
}

/// Who said what a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Its text, read now.
    Text,
    /// Its text, read earlier; nothing that it depends on has changed.
    KeptText,
    /// pytest, asked now.
    Pytest,
    /// pytest, asked earlier; nothing that the answer depends on has changed.
    KeptAnswer,
}

impl Collection {
    /// pytest's exit code for it.
    pub fn exit(&self) -> ExitCode {
        if !self.errors.is_empty() {
            ExitCode::Interrupted
        } else if self.tests.is_empty() {
            ExitCode::NoTestsCollected
        } else {
            ExitCode::Ok
        }
    }

    /// The tests' items, in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.tests.iter().map(|listed| &listed.found.test.item)
    }
}
