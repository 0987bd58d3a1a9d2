//! What a worker says of a test, already put into words by the pytest that ran it.

use crate::{Category, Outcome, TestId, micros};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A test's three phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Fixtures are set up.
    Setup,
    /// The test's own body.
    Call,
    /// Fixtures are torn down.
    Teardown,
}

impl Phase {
    /// pytest's word for it (`report.when`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Call => "call",
            Self::Teardown => "teardown",
        }
    }
}

/// One report of pytest's: a phase of a test, or what a plugin reports beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// The test.
    pub test: TestId,
    /// The phase.
    pub phase: Phase,
    /// How pytest counts and shows it.
    pub status: Status,
    /// How long the phase took.
    #[serde(with = "micros", rename = "duration_us")]
    pub duration: Duration,
    /// The failure's text as pytest prints it, without the heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longrepr: Option<String>,
    /// The heading over that text (`TestA.test_b`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// The exception's own line, for the short summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
    /// Why a failure was expected (`wasxfail`, whose `reason: ` is pytest's);
    /// empty where no reason was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xfail: Option<String>,
    /// Captured output and what fixtures added, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
    /// Which try of the test this is, counted from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub attempt: u32,
    /// False for a report that the summary does not count (`count_towards_summary`).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub counts: bool,
}

impl PhaseReport {
    /// Whether it tells of a failure or an error.
    pub fn is_failure(&self) -> bool {
        let outcome = self.status.category.as_ref().and_then(Category::outcome);
        matches!(outcome, Some(Outcome::Failed | Outcome::Error))
    }
}

fn yes() -> bool {
    true
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_true(value: &bool) -> bool {
    *value
}

/// What `pytest_report_teststatus` answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The category; absent for a set-up or teardown that went well.
    pub category: Option<Category>,
    /// The progress letter (`.`, `F`); may be empty.
    pub letter: String,
    /// The verbose word (`PASSED`); may be empty.
    pub word: String,
}

impl Status {
    /// Whether a letter or a word of it is shown while tests run.
    pub fn is_shown(&self) -> bool {
        !self.letter.is_empty() || !self.word.is_empty()
    }
}

/// Where and why a test was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Skip {
    /// The file that decided.
    pub file: String,
    /// Its line, counted from 1; absent where pytest folds tests without one.
    pub line: Option<u32>,
    /// The reason, with pytest's `Skipped: ` taken off.
    pub reason: String,
}

/// A captured section of a report, such as `Captured stdout call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// A Python warning that pytest recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Warning {
    /// The message as pytest's summary shows it.
    pub message: String,
    /// The test during which it was raised; absent at collection and configuration.
    pub test: Option<String>,
    /// `file:line` where there is no test.
    pub place: Option<String>,
}

/// A file or folder that could not be collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectFailure {
    /// Its node id; empty for the session itself.
    pub node: String,
    /// The text as pytest prints it.
    pub longrepr: String,
    /// The exception's own line, for the short summary.
    pub crash: Option<String>,
}
