//! Whoever asks pytest, and the collector that it asks.
//!
//! The collector speaks first ([`FromCollector::Hello`] or [`FromCollector::Unfit`]), is
//! told one thing to do, answers and ends. What pytest prints meanwhile goes to its own
//! standard output and error.

use dyno_model::{Environment, RealCollection};
use serde::{Deserialize, Serialize};

/// What the collector is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToCollector {
    /// Tell what the environment brings.
    Probe,
    /// Collect.
    Collect {
        /// Absolute paths of the test modules to import; absent for all. Every other
        /// test module counts as empty, unless an argument names a test in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        import: Option<Vec<String>>,
    },
}

/// What the collector says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromCollector {
    /// The interpreter runs and pytest is there.
    Hello {
        /// [`crate::PROTOCOL`] as the Python side knows it.
        protocol: u32,
        /// Its process id.
        pid: u32,
        /// Python's version.
        python: String,
        /// pytest's version.
        pytest: String,
    },
    /// The interpreter runs and something it needs is not there.
    Unfit {
        /// What, where, and what to do.
        message: String,
    },
    /// The answer to [`ToCollector::Probe`].
    Probed {
        /// The environment.
        environment: Box<Environment>,
    },
    /// The answer to [`ToCollector::Collect`], where collection came to an end, with
    /// failures or without.
    Collected {
        /// What was collected.
        collection: Box<RealCollection>,
    },
    /// The last message.
    Done {
        /// pytest's exit code: 0, or 5 where no test is left, or why there is no answer.
        code: u8,
    },
}
