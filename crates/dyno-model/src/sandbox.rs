//! What is told of the sandboxes of sealed tests.

use crate::TestId;
use serde::{Deserialize, Serialize};

/// Something that a sealed worker left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaked {
    /// `process`, `shm` (a file in `/dev/shm`) or `file` (something in `/tmp`).
    pub kind: String,
    /// A command line with its ports, or a name.
    pub what: String,
    /// The test that ran when it came to be; absent where none did, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestId>,
}

/// A wall of a sandbox that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingWall {
    /// Its name: `net`, `mount`, `pid`, `ipc`, `uts`, or `all`.
    pub wall: String,
    /// What was tried, and what the kernel said.
    pub why: String,
}

/// What becomes of a test that leaves something behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeakPolicy {
    /// It is named in the summary.
    #[default]
    Warn,
    /// It has an error, too.
    Fail,
}
