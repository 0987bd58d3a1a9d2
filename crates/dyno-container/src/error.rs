//! What can be wrong.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// One thing that is wrong with what was asked for, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One lowercase sentence that names the thing.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    /// A problem and its hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

/// As it is shown: `dyno: WHAT`, and the hint on its own line.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "dyno: {}\nhint: {}", self.what, self.hint)
    }
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The request cannot be followed, for each of these reasons.
    #[error("{}", .0.iter().map(|one| one.what.clone()).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be made or read.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was to be done to it.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused something that every system grants.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
}

impl From<Problem> for ContainerError {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}
