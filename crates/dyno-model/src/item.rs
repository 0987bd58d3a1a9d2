//! What was collected: a test, where it stands, and what it bears.

use crate::{NamedModel, TestId};
use serde::{Deserialize, Serialize};

/// One collected test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// pytest's node id.
    pub id: TestId,
    /// Where it is defined.
    pub location: Location,
    /// Its markers, nearest first, as `iter_markers` yields them; without `parametrize`,
    /// whose arguments are tables of which the node id tells this test's row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
    /// Keys of the class-, module- and package-scoped fixtures of the project's own
    /// that it uses. Two tests with a key in common must share a process, or the
    /// fixture would be set up twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<String>,
    /// Models of the Hub that it names, by its markers and those of its fixtures; none where
    /// pytest skips it. Only a run tells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<NamedModel>,
}

/// pytest's `item.location`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// File, relative to the root directory.
    pub file: String,
    /// Line, counted from 0; absent where there is none.
    pub line: Option<u32>,
    /// The name a failure is headed with, such as `TestA.test_b`.
    pub domain: String,
}

/// A marker on a test. Arguments are kept as `repr` gives them, long ones shortened;
/// `None` is an argument that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The name, as in `@pytest.mark.NAME`.
    pub name: String,
    /// Positional arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Option<String>>,
    /// Keyword arguments, in the order in which they were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kwargs: Vec<(String, Option<String>)>,
}
