//! What is asked of collection, and why it may come to nothing.

use crate::git::Changed;
use crate::pytest::NoAnswer;
use crate::{Fingerprint, Variables};
use dyno_model::ExitCode;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The interpreter.
    pub python: PathBuf,
    /// The working directory, links resolved.
    pub folder: PathBuf,
    /// pytest's arguments.
    pub args: Vec<String>,
    /// The environment.
    pub variables: Variables,
    /// The user's cache folder (`~/.cache/dyno`); absent: no cache is read or written, the
    /// project's neither.
    pub cache: Option<PathBuf>,
    /// What stands for this very executable: another one's answers do not count.
    pub executable: Fingerprint,
    /// What is to be settled.
    pub settle: Settle,
    /// What changed: only tests that it can affect are wanted. Absent: all are.
    pub changed: Option<Changed>,
    /// How many threads read.
    pub threads: NonZeroUsize,
}

/// How much is to be settled by asking pytest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Nothing: what the text and the cache leave open stays open.
    Nothing,
    /// Which tests run, and in which order.
    Tests,
    /// Their markers too.
    Markers,
    /// Their markers and fixtures too.
    Fixtures,
}

/// Why there is no collection.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The command line or the configuration is wrong, in pytest's words.
    #[error("{0}")]
    Usage(String),
    /// pytest could not be asked.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// pytest was asked and ended without collecting.
    #[error("pytest ended without collecting (exit code {code})")]
    Pytest {
        /// Its exit code.
        code: u8,
        /// What it printed.
        stdout: String,
        /// What it printed as errors.
        stderr: String,
    },
}

impl CollectError {
    /// The exit code that pytest would give.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::NoAnswer(_) => ExitCode::UsageError,
            Self::Pytest { code, .. } => ExitCode::from(*code),
        }
    }
}
