//! What a real pytest collected, and what that depended on.

use crate::{CollectFailure, Skip, Test};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A collection that pytest made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RealCollection {
    /// What was collected, in the order of collection, before anything was reordered or
    /// deselected. A file that was really looked at and holds no test is there too.
    pub files: Vec<CollectedFile>,
    /// The tests that are left after every hook, in the order in which they would run: each
    /// a position in the tests of `files`, one after the other, and then of `late`.
    pub order: Vec<u32>,
    /// Tests that a hook brought in and no file: they have no place in `files`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Test>,
    /// How many were reported as deselected.
    pub deselected: u64,
    /// What could not be collected, each with its node id and pytest's text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<CollectFailure>,
    /// What skipped itself as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<SkippedCollection>,
    /// The conftests that were loaded, absolute, in the order of loading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conftests: Vec<String>,
    /// What it depended on.
    pub record: CollectionRecord,
}

/// What one collector (a test module, a doctest file, a plugin's file) holds. One file can
/// have several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectedFile {
    /// Its node id.
    pub file: String,
    /// Its absolute path.
    pub path: String,
    /// The collector's class: `_pytest.python.Module` for a test module.
    pub collector: String,
    /// Its tests in the order of collection, with the markers that `-m` sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Test>,
}

/// A file or folder that skipped itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedCollection {
    /// Its node id.
    pub node: String,
    /// Why.
    pub skip: Skip,
}

/// What a collection depended on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionRecord {
    /// By the file on whose behalf something was done. A module is imported once, by the
    /// first who asks, so what a test module depends on is its own entry and those of all
    /// that its `imports` lead to, and that of the session.
    pub of: Vec<Dependencies>,
    /// Folders of `sys.path`, in its order, that are the project's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_folders: Vec<String>,
    /// Top-level names that the project's modules may have imported, sorted. A few more
    /// than they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_names: Vec<String>,
    /// What there is of `NAME` and `NAME.py` in those folders for those names, sorted. If
    /// another appears or one goes, an import may lead elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_candidates: Vec<String>,
}

/// What one file's import or collection did that its outcome can depend on. Paths are
/// absolute. The standard library and installed packages are left out, as the environment's
/// key holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// The file; empty for what was done on behalf of no file (plugins, folders, the ini
    /// file): the whole collection depends on it.
    pub file: String,
    /// Files of the project's modules that it imports itself, packages above them included,
    /// whether or not it was the first to do so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// Modules that it asked for and that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Files that it opened for reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Folders that it listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// Paths of which it asked whether something is there, with the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// Addresses of the machine that it tried to bind for any port, and no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// Environment variables that it read. To be compared, never to be written down: keep a
    /// digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// Whether it read the environment as a whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub whole_environment: bool,
    /// Why its outcome cannot be kept, whatever else holds; one lowercase clause each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncacheable: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A try to bind an address of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// A literal IP address.
    pub address: IpAddr,
    /// What was to be bound.
    pub kind: SocketKind,
    /// Whether that was possible.
    pub possible: bool,
}

/// A kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the system's own words")]
pub enum SocketKind {
    Stream,
    Datagram,
}

/// A question whether something is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The path.
    pub path: String,
    /// What was there.
    pub found: Found,
}

/// What was found at a path, symbolic links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// Nothing that could be reached.
    Nothing,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A socket, a pipe, a device.
    Other,
}

/// A variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value when it was first read; absent where it was not set.
    pub value: Option<String>,
}
