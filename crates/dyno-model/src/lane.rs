//! In which processes tests run.

use serde::{Deserialize, Serialize};

/// In which process a unit runs, from the most company to the least.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// In one that has run others and will run more.
    #[default]
    Shared,
    /// In one of its own, forked for it; with the tests that must share its fixtures.
    Own,
    /// In one of its own behind walls: with ports, processes, `/tmp` and `/dev/shm` that nobody
    /// else sees.
    Sealed,
}
