//! Identifiers, each checked once where it enters.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An identifier that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidId {
    /// A node id was the empty string.
    #[error("a node id is empty")]
    EmptyTestId,
    /// A run's name holds something other than letters, digits, `-` and `_`.
    #[error("`{0}` is no run id: letters, digits, `-` and `_` only")]
    RunId(String),
    /// A token's name holds something other than letters, digits, `-`, `_` and `.`.
    #[error("`{0}` is no token's name: letters, digits, `-`, `_` and `.` only")]
    TokenName(String),
}

/// A test's node id, exactly as pytest spells it: `tests/serve/test_x.py::TestA::test_b[1]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TestId(String);

impl TestId {
    /// Takes a node id as pytest spelled it.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidId::EmptyTestId);
        }
        Ok(Self(text))
    }

    /// The whole node id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `::`, the file for a test of a module.
    pub fn file(&self) -> &str {
        self.0.split_once("::").map_or(&self.0, |(file, _)| file)
    }
}

impl TryFrom<String> for TestId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl From<TestId> for String {
    fn from(id: TestId) -> Self {
        id.0
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// A run's name, also the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// Takes a name made of letters, digits, `-` and `_`.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || !text.chars().all(fits) {
            return Err(InvalidId::RunId(text));
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// A worker of a run. Never reused within a run, so a crashed worker's successor has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    /// `gw0`, as pytest-xdist names its workers and as `PYTEST_XDIST_WORKER` says.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "gw{}", self.0)
    }
}

/// A template of a run. The first is the one that pytest's session lives in; further ones,
/// its siblings, share the import of the test files with it.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TemplateId(pub u32);

impl TemplateId {
    /// The one that pytest's session lives in.
    pub const FIRST: Self = Self(0);
}

/// A unit of a run: its place in the plan, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_id_knows_its_file() {
        let id = TestId::new("a/test_b.py::T::test_c[x::y]").unwrap();
        assert_eq!(id.file(), "a/test_b.py");
        assert_eq!(TestId::new("README.md").unwrap().file(), "README.md");
    }

    #[test]
    fn bad_ids_are_refused_also_when_they_come_from_a_journal() {
        assert_eq!(TestId::new(""), Err(InvalidId::EmptyTestId));
        assert!(RunId::new("../etc").is_err());
        assert!(RunId::try_from(String::new()).is_err());
    }
}
