//! pytest's configuration, found and resolved as pytest does it.
//!
//! The command line, `PYTEST_ADDOPTS`, the file of configuration and its `addopts` become
//! one [`dyno_model::PytestConfig`]. What pytest itself decides is followed to the letter; what a
//! plugin or a Python decides is told as unknown.

mod argv;
mod file;
mod glob;
mod ini;
mod options;
mod resolve;
mod rootdir;
mod text;
mod values;

pub use resolve::pytest_config;

use dyno_model::PytestVersion;
use std::path::Path;

/// What pytest is started with.
pub struct Started<'a> {
    /// The version of pytest.
    pub version: PytestVersion,
    /// Arguments, without the name of the program.
    pub args: &'a [String],
    /// The working directory, absolute, links resolved (`os.getcwd()`).
    pub folder: &'a Path,
    /// The value of an environment variable, where it is set.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Options that installed plugins are known to add. An option that is neither here nor
    /// pytest's own makes a bare word behind it ambiguous, and the configuration unknown.
    pub options: &'a [PluginOption],
}

/// An option that a plugin adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginOption {
    /// All its names, dashes included.
    pub names: Vec<String>,
    /// What it takes.
    pub arity: Arity,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Nothing (`nargs=0`).
    Flag,
    /// One value.
    Value,
    /// One value, or none where no bare word follows (`nargs="?"`).
    Optional,
    /// Any other number of values.
    Many,
}

/// A configuration that pytest refuses, with exit code 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// pytest's text for it, without `ERROR: `.
    pub message: String,
}
