//! The runner and a worker.
//!
//! A worker pulls: it says [`FromWorker::Next`] when it is about to tear down the last
//! test it knows of, and the answer ([`ToWorker::Run`] or [`ToWorker::Finish`]) tells
//! pytest what the next item is, so that it keeps or tears down the same fixtures as it
//! would in a serial run. So no unit is promised to a worker before it can start it.

use dyno_model::{PhaseReport, TestId, Warning};
use serde::{Deserialize, Serialize};

/// What the runner says to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Run these tests, in this order.
    Run {
        /// Node ids.
        tests: Vec<TestId>,
    },
    /// Nothing is left: tear down what is set up and end.
    Finish,
    /// End after the test that runs now, whatever is left of the unit.
    Stop,
}

/// What a worker says to the runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// Forked and set up. The first message.
    Ready,
    /// Give me a unit or tell me to finish.
    Next,
    /// A test begins.
    Started {
        /// Which.
        test: TestId,
    },
    /// pytest made a report.
    Report {
        /// In the report's own terms.
        report: Box<PhaseReport>,
        /// The same for the template: text that only the Python side reads.
        packed: String,
    },
    /// A test ended.
    Finished {
        /// Which.
        test: TestId,
    },
    /// A warning was recorded.
    Warned {
        /// The warning.
        warning: Warning,
    },
    /// A test or plugin wants the whole run to end (`session.shouldstop`, `pytest.exit`).
    StopAsked {
        /// Its reason.
        reason: String,
        /// The exit code it asked for.
        code: Option<u8>,
    },
    /// pytest failed in the worker, outside of any test.
    InternalError {
        /// The traceback.
        text: String,
    },
}
