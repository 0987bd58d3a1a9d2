//! What a run takes over from one that was cut off.

use crate::{Category, Event, PhaseReport, RunId, Stamped, TestId, WorkerId};
use std::collections::HashMap;

/// Tests that were run before, by an earlier run that this one resumes.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// That run.
    pub run: RunId,
    /// What was said of each test that came to its end, and where it ran.
    pub tests: HashMap<TestId, (WorkerId, Vec<PhaseReport>)>,
}

impl Carried {
    /// What a run's events tell of the tests that came to their end. A test of which an
    /// attempt was left is none of them.
    pub fn of(run: RunId, events: &[Stamped]) -> Self {
        let mut open: HashMap<TestId, Vec<PhaseReport>> = HashMap::new();
        let mut tests = HashMap::new();
        for stamped in events {
            match &stamped.event {
                Event::TestStarted { test, .. } => {
                    open.entry(test.clone()).or_default();
                }
                Event::Reported { report, .. } => {
                    let said = open.entry(report.test.clone()).or_default();
                    said.push((**report).clone());
                }
                Event::TestFinished { worker, test, .. } => {
                    let attempt_follows = open.get(test).is_some_and(|said| is_retried(said));
                    if !attempt_follows && let Some(said) = open.remove(test) {
                        tests.insert(test.clone(), (*worker, said));
                    }
                }
                _ => {}
            }
        }
        Self { run, tests }
    }
}

/// Whether the last attempt of which something was said is followed by another.
fn is_retried(said: &[PhaseReport]) -> bool {
    let last = said.iter().map(|report| report.attempt).max();
    said.iter().any(|report| {
        Some(report.attempt) == last && report.status.category == Some(Category::Retried)
    })
}
