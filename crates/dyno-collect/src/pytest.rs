//! pytest, as whoever may start processes lends it out.

use dyno_model::{Environment, RealCollection};
use std::ffi::OsString;
use std::path::PathBuf;

/// A pytest that can be asked. Each question starts an interpreter.
///
/// The runner's is the real one; tests of this crate answer themselves.
pub trait Pytest {
    /// What the environment brings, with those of pytest's arguments that load plugins.
    fn probe(&self, args: &[OsString]) -> Result<Told<Environment>, NoAnswer>;

    /// A collection by `args`, for which only the test modules of `import` are imported,
    /// or all.
    fn collect(
        &self,
        args: &[OsString],
        import: Option<&[PathBuf]>,
    ) -> Result<Told<RealCollection>, NoAnswer>;
}

/// What pytest said.
#[derive(Debug, Clone)]
pub struct Told<T> {
    /// The answer; absent where pytest did not come so far.
    pub answer: Option<T>,
    /// pytest's exit code.
    pub code: u8,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
}

/// Why pytest could not be asked; the text is ready for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);
