//! What the runner knows of each worker.

use crate::failure::Failure;
use crate::machine::{Attempt, Overdue, Watch};
use dyno_model::{
    Lane, Limits, Memory, Phase, PhaseReport, ProcessExit, Section, TemplateId, TestId, Usage,
    WorkerId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

/// The live workers.
#[derive(Debug, Default)]
pub(crate) struct Workers(BTreeMap<WorkerId, Worker>);

/// One worker, from the order to fork it until it is accounted for.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) template: TemplateId,
    /// Its process, once it is forked.
    pub(crate) pid: Option<u32>,
    /// It was killed because it did not end by itself.
    pub(crate) is_struck: bool,
    /// What is known of a SIGKILL that ended it.
    pub(crate) killed: Option<Killed>,
    /// Tests of its unit that it has not started.
    pub(crate) rest: VecDeque<TestId>,
    /// The test that it runs.
    pub(crate) running: Option<TestId>,
    /// What it runs.
    pub(crate) lane: Lane,
    /// What it may have at most, if it is sealed, and what it had at its end.
    pub(crate) limits: Limits,
    pub(crate) usage: Usage,
    /// When its tests began, if it is sealed.
    pub(crate) began: Vec<(Duration, TestId)>,
    /// The phase that the running test is in, as far as was reported.
    pub(crate) phase: Option<Phase>,
    /// How many tests it has started, counted round a byte.
    pub(crate) starts: u8,
    /// It has asked for more in the teardown of the last test of its unit.
    pub(crate) unit_is_over: bool,
    /// How long the test may take, or the phase that it is in.
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
    /// What its servers had logged when it died.
    pub(crate) server_logs: Vec<Section>,
    /// What its plugins leave for the template's.
    pub(crate) output: Option<String>,
    /// What it had at the end of its session.
    pub(crate) memory: Option<Memory>,
}

/// What a worker leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// The stacks of a fatal signal, perhaps.
    pub(crate) last_words: Option<String>,
    /// Where it ended.
    pub(crate) noted: Option<Noted>,
    /// What is known of a SIGKILL that ended it.
    pub(crate) killed: Option<Killed>,
    /// The ends of the logs of the processes that its benches had started.
    pub(crate) server_logs: Vec<Section>,
}

/// What a worker noted of its last test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The phase that it was in.
    pub(crate) phase: Phase,
    /// How many tests the worker had started, counted round a byte.
    pub(crate) starts: u8,
}

/// What is known of a SIGKILL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Killed {
    /// The count of the kernel's out-of-memory killer that rose, if one did.
    pub(crate) out_of_memory: Option<String>,
    /// The most resident memory that the process had, in KiB; 0 where not known.
    pub(crate) peak_kib: u64,
}

impl fmt::Display for Killed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.out_of_memory {
            Some(rose) => write!(to, "the kernel's out-of-memory killer was at work: {rose}")?,
            None => to.write_str(
                "the signal came from outside: dyno did not send it, and no count of the kernel's \
                 out-of-memory killer rose",
            )?,
        }
        if self.peak_kib > 0 {
            let peak = self.peak_kib / 1024;
            write!(to, "\nits resident memory had reached {peak} MiB")?;
        }
        Ok(())
    }
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
    pub(crate) fn insert(&mut self, worker: WorkerId, template: TemplateId, lane: Lane) {
        let state = Worker {
            template,
            lane,
            ..Worker::default()
        };
        self.0.insert(worker, state);
    }

    pub(crate) fn get_mut(&mut self, worker: WorkerId) -> Option<&mut Worker> {
        self.0.get_mut(&worker)
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

    /// Those that no template has forked yet.
    pub(crate) fn unforked(&self) -> Vec<WorkerId> {
        let unforked = |(id, state): (&WorkerId, &Worker)| state.pid.is_none().then_some(*id);
        self.0.iter().filter_map(unforked).collect()
    }

    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.0.remove(&worker);
    }

    /// The tests that workers run or are about to.
    pub(crate) fn given(&self) -> BTreeSet<TestId> {
        let of = |state: &Worker| -> Vec<TestId> {
            state.running.iter().chain(&state.rest).cloned().collect()
        };
        self.0.values().flat_map(of).collect()
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
        self.phase = None;
        self.starts = self.starts.wrapping_add(1);
    }

    /// A phase of the running test is over: the next has begun.
    pub(crate) fn reported(&mut self, report: &PhaseReport) {
        // A set-up that did not go well has a category, and no call comes after it.
        let is_set_up = report.phase == Phase::Setup && report.status.category.is_none();
        self.phase = Some(if is_set_up {
            Phase::Call
        } else {
            Phase::Teardown
        });
    }

    /// It has ended, and left this.
    pub(crate) fn left(&mut self, remains: Remains) {
        self.detail = self.detail.take().or(remains.last_words);
        self.killed = remains.killed;
        self.server_logs = remains.server_logs;
        if let Some(noted) = remains.noted {
            // It may have gone on to another test, of which nothing was heard.
            let is_heard_of = noted.starts == self.starts;
            self.ended_in(if is_heard_of {
                noted.phase
            } else {
                Phase::Teardown
            });
        }
    }

    /// It noted this phase before its end. What it said of the one before may not have come.
    fn ended_in(&mut self, noted: Phase) {
        self.phase = match (noted, self.phase) {
            (Phase::Teardown, Some(Phase::Teardown)) => Some(Phase::Teardown),
            (Phase::Teardown, _) => Some(Phase::Call),
            (noted, _) => Some(noted),
        };
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

    /// What it said when it died, or else what is known of its death.
    pub(crate) fn last_words(&self) -> Option<String> {
        let killed = || self.killed.as_ref().map(Killed::to_string);
        self.detail
            .clone()
            .or_else(|| self.out_of_own_memory())
            .or_else(killed)
    }

    /// What the kernel did to its unit, if that may be why a signal from outside killed it.
    fn out_of_own_memory(&self) -> Option<String> {
        self.killed.as_ref()?;
        self.limits.killed(&self.usage)
    }

    /// What became of the test that it ran when it died.
    pub(crate) fn failure(&self, worker: WorkerId, exit: ProcessExit) -> Failure {
        let overdue = self.watch.as_ref().and_then(Watch::overdue);
        let rose = (self.killed.as_ref()).and_then(|killed| killed.out_of_memory.as_ref());
        let (how, why) = match self.out_of_own_memory() {
            Some(own) => ("", format!(": {own}")),
            None if rose.is_some() => (" (out of memory)", String::new()),
            None => ("", String::new()),
        };
        let crash = match overdue {
            Some(Overdue { phase, limit }) => format!(
                "Timeout: {} took longer than {}, did not end when it was told to, and worker \
                 {worker} was killed",
                phase.name(),
                seconds(limit)
            ),
            None => format!("worker {worker} died with {exit}{how} while it ran this test{why}"),
        };
        let mut longrepr = crash.clone();
        if let Some(detail) = self.last_words() {
            longrepr.push_str("\n\n");
            longrepr.push_str(detail.trim_end());
        }
        let phase = overdue.map(|overdue| overdue.phase).or(self.phase);
        Failure {
            phase: phase.unwrap_or(Phase::Setup),
            crash,
            longrepr,
            sections: self.server_logs.clone(),
        }
    }
}

/// A length of time as the worker writes it: `2.5s`.
fn seconds(length: Duration) -> String {
    format!("{}s", length.as_secs_f64())
}
