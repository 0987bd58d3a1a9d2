//! What the runner knows of each worker.

use crate::machine::{Attempt, Overdue, Watch};
use dyno_model::{
    Category, Outcome, Phase, PhaseReport, ProcessExit, Status, TemplateId, TestId, WorkerId,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The live workers.
#[derive(Debug, Default)]
pub(crate) struct Workers(BTreeMap<WorkerId, Worker>);

/// One worker, from the order to fork it until it is accounted for.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) template: TemplateId,
    /// Tests of its unit that it has not started.
    pub(crate) rest: VecDeque<TestId>,
    /// The test that it runs.
    pub(crate) running: Option<TestId>,
    /// Whether the running test's call was reported.
    pub(crate) call_reported: bool,
    /// It has asked for more in the teardown of the last test of its unit.
    pub(crate) unit_is_over: bool,
    /// The phase that it is in.
    pub(crate) watch: Option<Watch>,
    /// The test that it runs, as long as the template has not heard of it.
    pub(crate) unfed: Option<TestId>,
    /// What was said of a test that may be tried again.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) prospect: Prospect,
    /// Its socket is drained.
    pub(crate) closed: bool,
    pub(crate) exit: Option<ProcessExit>,
    /// What its interpreter said when it died.
    pub(crate) detail: Option<String>,
    /// What its plugins leave for the template's.
    pub(crate) output: Option<String>,
}

/// Whether a worker is expected to end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It has work, or will ask for some.
    #[default]
    Working,
    /// It was told that nothing is left.
    ToldToFinish,
    /// It said that it ends on its own account.
    Leaving,
}

/// How a worker came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It had been told to, or had said that it would.
    AsTold,
    /// In this test.
    InTest(TestId),
    /// With no test running, before it was told to or by a signal.
    BetweenTests,
}

impl Workers {
    pub(crate) fn insert(&mut self, worker: WorkerId, template: TemplateId) {
        let state = Worker {
            template,
            ..Worker::default()
        };
        self.0.insert(worker, state);
    }

    pub(crate) fn get_mut(&mut self, worker: WorkerId) -> Option<&mut Worker> {
        self.0.get_mut(&worker)
    }

    /// Those that a template forked.
    pub(crate) fn of(&self, template: TemplateId) -> Vec<WorkerId> {
        let workers = self
            .0
            .iter()
            .filter(|(_, state)| state.template == template);
        workers.map(|(id, _)| *id).collect()
    }

    pub(crate) fn live(&self) -> Vec<WorkerId> {
        self.0.keys().copied().collect()
    }

    /// Workers that run a test now.
    pub(crate) fn busy(&self) -> impl Iterator<Item = WorkerId> {
        let running = |(id, worker): (&WorkerId, &Worker)| worker.running.is_some().then_some(*id);
        self.0.iter().filter_map(running)
    }

    /// The tests that run now.
    pub(crate) fn running(&self) -> Vec<TestId> {
        let running = |worker: &Worker| worker.running.clone();
        self.0.values().filter_map(running).collect()
    }

    /// The phases that workers are in.
    pub(crate) fn watches(&self) -> impl Iterator<Item = (WorkerId, &Watch)> {
        (self.0.iter()).filter_map(|(id, worker)| Some((*id, worker.watch.as_ref()?)))
    }

    /// A worker that is drained and whose exit is known.
    pub(crate) fn ended(&self, worker: WorkerId) -> Option<&Worker> {
        let state = self.0.get(&worker)?;
        (state.closed && state.exit.is_some()).then_some(state)
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<Worker> {
        self.0.remove(&worker)
    }
}

impl Worker {
    pub(crate) fn started(&mut self, test: &TestId) {
        if self.rest.front() == Some(test) {
            self.rest.pop_front();
        }
        self.running = Some(test.clone());
        self.call_reported = false;
    }

    pub(crate) fn finished(&mut self, test: &TestId) {
        if self.running.as_ref() == Some(test) {
            self.running = None;
            self.watch = None;
        }
    }

    /// `stopping`: the whole run was told to stop, so an early end is no surprise.
    pub(crate) fn ending(&self, stopping: bool) -> Ending {
        // pytest's own exit codes; a session with failures ends with 1.
        let orderly = matches!(self.exit, Some(ProcessExit::Code(0..=5)));
        let leaving = self.prospect == Prospect::Leaving;
        match &self.running {
            _ if leaving || (orderly && stopping) => Ending::AsTold,
            Some(test) => Ending::InTest(test.clone()),
            None if orderly && self.prospect == Prospect::ToldToFinish => Ending::AsTold,
            None => Ending::BetweenTests,
        }
    }

    /// What another worker must still run.
    pub(crate) fn unfinished(&self) -> Vec<TestId> {
        self.rest.iter().cloned().collect()
    }

    /// The report of a test whose worker died.
    pub(crate) fn crash_report(
        &self,
        worker: WorkerId,
        test: &TestId,
        exit: ProcessExit,
        headline: Option<String>,
    ) -> PhaseReport {
        let overdue = self.watch.as_ref().and_then(Watch::overdue);
        let crash = match overdue {
            Some(Overdue { phase, limit }) => format!(
                "Timeout: {} took longer than {}, did not end when it was told to, and worker \
                 {worker} was killed",
                phase.name(),
                seconds(limit)
            ),
            None => format!("worker {worker} died with {exit} while it ran this test"),
        };
        let mut longrepr = crash.clone();
        if let Some(detail) = &self.detail {
            longrepr.push_str("\n\n");
            longrepr.push_str(detail.trim_end());
        }
        let (phase, outcome, letter, word) = match overdue.map(|overdue| overdue.phase) {
            Some(Phase::Setup) => (Phase::Setup, Outcome::Error, "E", "ERROR"),
            _ if self.call_reported => (Phase::Teardown, Outcome::Error, "E", "ERROR"),
            _ => (Phase::Call, Outcome::Failed, "F", "FAILED"),
        };
        PhaseReport {
            test: test.clone(),
            phase,
            status: Status {
                category: Some(Category::Outcome(outcome)),
                letter: letter.to_owned(),
                word: word.to_owned(),
            },
            duration: Duration::ZERO,
            longrepr: Some(longrepr),
            headline: Some(headline.unwrap_or_else(|| test.to_string())),
            crash: Some(crash),
            skip: None,
            xfail: None,
            sections: Vec::new(),
            attempt: 1,
            counts: true,
        }
    }
}

/// A length of time as the worker writes it: `2.5s`.
fn seconds(length: Duration) -> String {
    format!("{}s", length.as_secs_f64())
}
