//! The runner and a worker.
//!
//! A worker pulls: it says [`FromWorker::Next`] when it is about to tear down the last
//! test it knows of, and the answer ([`ToWorker::Run`] or [`ToWorker::Finish`]) tells
//! pytest what the next item is, so that it keeps or tears down the same fixtures as it
//! would in a serial run. So no unit is promised to a worker before it can start it.

use dyno_model::{Memory, Phase, PhaseReport, TestId, Took, Warning};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the runner says to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Run these tests, in this order.
    Run {
        /// The tests.
        tests: Vec<ToRun>,
    },
    /// Nothing is there for it now: tear down what is not the session's, and wait for
    /// [`ToWorker::Run`] or [`ToWorker::Finish`] without asking again.
    Wait,
    /// Nothing is left: tear down what is set up and end.
    Finish,
    /// End after the test that runs now, whatever is left of the unit.
    Stop,
    /// All that was printed before is on the screen, and the terminal is the worker's.
    /// Answers [`FromWorker::TerminalWanted`].
    TerminalLent,
}

/// A test, and on what terms it is to run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToRun {
    /// Its node id.
    pub test: TestId,
    /// How long its phases may take. Where any is limited, the worker says
    /// [`FromWorker::Phase`] as each begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Variables to be set while it runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether a failure of it is one for the run is the runner's to say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_retried: bool,
    /// Why it cannot be run, in the words of the error that its set-up is to be: a model that
    /// it names cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// How long the phases of a test may take, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of its set-up.
    pub setup: Option<u64>,
    /// Of its body.
    pub call: Option<u64>,
    /// Of its teardown.
    pub teardown: Option<u64>,
}

/// The signal that tells a worker that a phase has taken too long: SIGSTKFLT (`signal(7)`:
/// "Stack fault on coprocessor (unused)"), which nothing else sends.
pub const TOO_LONG: i32 = 16;

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
    /// A phase of a test whose time is limited begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// pytest made a report.
    Report {
        /// In the report's own terms.
        report: Box<PhaseReport>,
        /// The same for the template: text that only the Python side reads. Empty where
        /// nobody there wants it.
        packed: String,
    },
    /// A test ended.
    Finished {
        /// Which.
        test: TestId,
        /// What it took.
        #[serde(default, flatten)]
        took: Option<Took>,
    },
    /// A debugger is about to ask in this test.
    TerminalWanted,
    /// It has done asking.
    TerminalReturned,
    /// A debugger has shown this failure.
    Debugged {
        /// The test.
        test: TestId,
        /// The phase that failed.
        phase: Phase,
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
    /// Its session has ended, and this is what plugins leave for the template's
    /// (`config.workeroutput`).
    Output {
        /// Packed: text that only the Python side reads.
        packed: String,
        /// What it has of the machine's memory now.
        #[serde(default)]
        memory: Option<Memory>,
    },
    /// pytest failed in the worker, outside of any test.
    InternalError {
        /// The traceback.
        text: String,
    },
}
