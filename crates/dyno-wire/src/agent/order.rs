//! What a process is to be.

use super::{Text, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A process to be started, and how the agent is to treat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What messages call it.
    pub name: String,
    /// Program and arguments; at least the program.
    pub argv: Vec<Text>,
    /// Its whole environment.
    pub env: Vec<(Text, Text)>,
    /// Its working directory.
    pub cwd: Text,
    /// The file that stdout and stderr are appended to. Made where missing, with its folder.
    pub log: Text,
    /// The most that its log takes on the disk, in bytes: of what is more, the middle goes.
    pub log_limit: u64,
    /// How long it has from SIGTERM to SIGKILL where no other time is given.
    #[serde(with = "millis", rename = "grace_ms")]
    pub grace: Duration,
    /// What it reads.
    pub stdin: Stdin,
    /// Whether its end is to be told at once, from the moment when it is ready:
    /// [`super::Request::Fallen`].
    pub guard: bool,
    /// Variables of its environment whose values are not to be told, besides those whose names
    /// say so (`dyno_model::Secrets`).
    pub secrets: Vec<String>,
}

/// What a process has for its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    Null,
    /// What [`super::Request::Write`] brings.
    Pipe,
}
