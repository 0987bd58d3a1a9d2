//! Tests that are tried again.
//!
//! What is reported of a test that may be tried again is held until the attempt is over, and
//! told then: as it is, as a failure that does not count because another attempt follows, or
//! as FLAKY. The template's plugins hear of the last attempt alone.

use super::{Effect, Machine};
use dyno_model::{Category, Event, Outcome, PhaseReport, TestId, WorkerId};
use dyno_wire::template::Feed;
use std::collections::HashMap;

/// What was said of the attempt that a worker makes.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    reports: Vec<PhaseReport>,
    feed: Vec<Feed>,
}

/// The attempts that were made.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: HashMap<TestId, u32>,
    /// Tests that failed and wait for their next attempt, with what was said of the last.
    waiting: HashMap<TestId, (WorkerId, Attempt)>,
}

impl Machine {
    /// Whether the test may be tried again, so that what is said of it is held. A model that
    /// cannot be had will not be there the next time.
    fn is_tried_again(&self, test: &TestId) -> bool {
        self.terms.of(test).retries > 0 && !self.models.lacks(test)
    }

    pub(super) fn attempt_began(&mut self, worker: WorkerId, test: &TestId) {
        if self.is_tried_again(test) {
            *self.attempts.made.entry(test.clone()).or_default() += 1;
            self.attempts.waiting.remove(test);
            if let Some(state) = self.workers.get_mut(worker) {
                state.attempt = Some(Attempt::default());
            }
        }
    }

    /// The template hears that the test has begun.
    pub(super) fn feed_start(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let unfed = (self.workers.get_mut(worker)).and_then(|state| state.unfed.take());
        if let Some(test) = unfed {
            self.hint(worker, Feed::Start { test: test.into() }, effects);
        }
    }

    /// A report of a test and what the template is to hear of it: told, or held.
    pub(super) fn say(
        &mut self,
        worker: WorkerId,
        report: PhaseReport,
        feed: Option<Feed>,
        effects: &mut Vec<Effect>,
    ) {
        let held = (self.workers.get_mut(worker)).and_then(|state| state.attempt.as_mut());
        if let Some(attempt) = held {
            attempt.reports.push(report);
        } else {
            self.reported(worker, Box::new(report), effects);
        }
        if let Some(feed) = feed {
            self.feed_start(worker, effects);
            self.hint(worker, feed, effects);
        }
    }

    /// The same for what the template alone hears.
    pub(super) fn hint(&mut self, worker: WorkerId, feed: Feed, effects: &mut Vec<Effect>) {
        let held = (self.workers.get_mut(worker)).and_then(|state| state.attempt.as_mut());
        match held {
            Some(attempt) => attempt.feed.push(feed),
            None => self.feed(feed, effects),
        }
    }

    /// An attempt is over. True if this was the last.
    pub(super) fn attempt_ended(
        &mut self,
        worker: WorkerId,
        test: &TestId,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let held = (self.workers.get_mut(worker)).and_then(|state| state.attempt.take());
        let Some(mut attempt) = held else {
            return true;
        };
        let number = self.attempts.made.get(test).copied().unwrap_or(1);
        let failed = attempt.reports.iter().any(PhaseReport::is_failure);
        for report in &mut attempt.reports {
            report.attempt = number;
        }
        let again = failed && number <= self.terms.of(test).retries && self.stop.is_none();
        if again && let Some(job) = self.again(test.clone(), worker) {
            for report in &attempt.reports {
                let report = Box::new(retried(report.clone()));
                effects.push(Effect::Record(Event::Reported { worker, report }));
            }
            (self.attempts.waiting).insert(test.clone(), (worker, attempt));
            self.retries.push(job);
            return false;
        }
        if number > 1 && !failed {
            attempt.reports.iter_mut().for_each(flaky);
        }
        self.tell(worker, attempt, effects);
        true
    }

    fn tell(&mut self, worker: WorkerId, attempt: Attempt, effects: &mut Vec<Effect>) {
        for report in attempt.reports {
            self.reported(worker, Box::new(report), effects);
        }
        for feed in attempt.feed {
            self.feed(feed, effects);
        }
    }

    /// Tests that were to be tried again when the run stopped have failed.
    pub(super) fn give_up_attempts(&mut self, effects: &mut Vec<Effect>) {
        let mut waiting: Vec<_> = self.attempts.waiting.drain().collect();
        waiting.sort_by(|one, other| one.0.cmp(&other.0));
        for (test, (worker, attempt)) in waiting {
            self.tell(worker, attempt, effects);
            self.account_for(&test);
        }
    }
}

/// A report of an attempt that another follows: nothing of it counts.
fn retried(mut report: PhaseReport) -> PhaseReport {
    if report.is_failure() {
        report.status.category = Some(Category::Retried);
        "R".clone_into(&mut report.status.letter);
        "RETRY".clone_into(&mut report.status.word);
    } else {
        report.status.category = None;
        report.status.letter.clear();
        report.status.word.clear();
    }
    report
}

fn flaky(report: &mut PhaseReport) {
    if report.status.category == Some(Category::Outcome(Outcome::Passed)) {
        report.status.category = Some(Category::Flaky);
        "y".clone_into(&mut report.status.letter);
        "FLAKY".clone_into(&mut report.status.word);
    }
}
