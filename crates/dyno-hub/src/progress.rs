//! What a fetch says while it runs.

use dyno_model::ModelRequest;
use std::time::Duration;

/// What happens to one of the models that are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub request: ModelRequest,
    /// What.
    pub step: Step,
}

/// What happens to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Its files are known; those that are in the cache have been looked at.
    Planned {
        /// How many are wanted.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// How many bytes are still to come.
        missing: u64,
    },
    /// Bytes have come.
    Received(u64),
    /// Bytes that had come do not count: they were wrong, or the server began anew.
    Lost(u64),
    /// Bytes need not come: another process has fetched them meanwhile.
    Found(u64),
    /// A file is whole, checked and in the cache.
    Fetched {
        /// Its path in the model.
        file: String,
    },
    /// Nothing moves for the moment.
    Waiting {
        /// What for: a path in the model, or `the listing`.
        file: String,
        /// On whom.
        on: Wait,
    },
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Another process fetches the same file.
    Process,
    /// The server limits the rate of requests, and said for how long.
    RateLimit(Duration),
    /// An attempt has failed; the next one comes after a pause.
    Retry {
        /// The pause.
        pause: Duration,
        /// Why it failed: one lowercase clause.
        why: String,
    },
}
