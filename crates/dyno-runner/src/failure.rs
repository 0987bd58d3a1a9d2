//! Failures that no worker could report: the runner found them.

use dyno_model::{Category, Outcome, Phase, PhaseReport, Section, Status, TestId};
use std::time::Duration;

/// What went wrong in a phase of a test.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) phase: Phase,
    /// In one line, for the summary.
    pub(crate) crash: String,
    /// The whole of it.
    pub(crate) longrepr: String,
    pub(crate) sections: Vec<Section>,
}

impl Failure {
    /// The report of it: in a call a failure, elsewhere an error, as pytest names them.
    pub(crate) fn report(self, test: &TestId, headline: Option<String>) -> PhaseReport {
        let (outcome, letter, word) = match self.phase {
            Phase::Call => (Outcome::Failed, "F", "FAILED"),
            Phase::Setup | Phase::Teardown => (Outcome::Error, "E", "ERROR"),
        };
        PhaseReport {
            test: test.clone(),
            phase: self.phase,
            status: Status {
                category: Some(Category::Outcome(outcome)),
                letter: letter.to_owned(),
                word: word.to_owned(),
            },
            duration: Duration::ZERO,
            longrepr: Some(self.longrepr),
            headline: Some(headline.unwrap_or_else(|| test.to_string())),
            crash: Some(self.crash),
            skip: None,
            xfail: None,
            sections: self.sections,
            attempt: 1,
            counts: true,
        }
    }
}
