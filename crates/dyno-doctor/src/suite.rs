//! Which models the tests of a folder name.

use dyno_model::ModelRequest;

/// Reads the suite of the working folder. It is called once, on a thread of its own, which is
/// waited for a few seconds and then left alone.
pub type ReadSuite = Box<dyn FnOnce() -> Suite + Send>;

/// What is known of a suite without importing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suite {
    /// There is no suite here: no configuration of pytest's from this folder upwards.
    None,
    /// There is one, and it could not be read; one lowercase clause.
    Unread(String),
    /// What its tests name.
    Read {
        /// How many tests there are.
        tests: usize,
        /// Each model, and how many tests name it.
        wants: Vec<(ModelRequest, usize)>,
        /// Names that are none, each with why, and the first test that has it.
        wrong: Vec<(String, String)>,
    },
}
