//! How long tests take, and what is done about those that take too long.
//!
//! A phase whose limit is over is told to end: its worker raises in the test, so that the
//! fixtures are torn down and the stacks of all threads are kept. One that does not heed is
//! terminated, then killed. The runner has the clock, because a worker that hangs in C code
//! cannot look at one.

use super::{Effect, Machine, State};
use dyno_model::{Event, Phase, Stop, TestId, WorkerId};
use std::time::Duration;

/// How long a test may take to unwind once it was told that its time is over: pytest writes
/// the traceback in it, and handlers close what they hold.
pub(super) const UNWIND: Duration = Duration::from_secs(10);

/// How long a worker may take to end by SIGTERM.
pub(super) const TERMINATE: Duration = Duration::from_secs(3);

/// How long interrupted tests may take to tear down after the deadline of the run.
pub(super) const LAST_TEARDOWN: Duration = Duration::from_secs(30);

/// The test that a worker runs, or the phase of it if that is limited.
#[derive(Debug)]
pub(crate) struct Watch {
    phase: Option<Phase>,
    since: Duration,
    limit: Option<Duration>,
    step: Step,
    /// When it is next named as slow.
    slow_at: Duration,
}

/// What was done about a phase that takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Told(Duration),
    Terminated(Duration),
    Killed,
}

/// A phase that was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub(crate) phase: Phase,
    pub(crate) limit: Duration,
}

impl Watch {
    fn new(phase: Option<Phase>, now: Duration, limit: Option<Duration>, slow: Duration) -> Self {
        Self {
            phase,
            since: now,
            limit,
            step: Step::Nothing,
            slow_at: now.saturating_add(slow),
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.phase.is_some()
    }

    /// The phase, if its time was over.
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        let limit = self.limit.filter(|_| self.step != Step::Nothing)?;
        let phase = self.phase?;
        Some(Overdue { phase, limit })
    }

    /// When something is next to be done, and what.
    fn next(&self) -> (Duration, Due) {
        let slow = (self.slow_at, Due::Slow);
        let Some(limit) = self.limit else {
            return slow;
        };
        let due = match self.step {
            Step::Nothing => (self.since.saturating_add(limit), Due::Tell),
            Step::Told(at) => (at + UNWIND, Due::Terminate),
            Step::Terminated(at) => (at + TERMINATE, Due::Kill),
            Step::Killed => return slow,
        };
        due.min(slow)
    }
}

/// What is due for a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Slow,
    Tell,
    Terminate,
    Kill,
}

impl Machine {
    /// When the machine is to be stepped with [`super::Input::Tick`], if nothing happens
    /// before.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let phases = self.workers.watches().map(|(_, watch)| watch.next().0);
        phases.chain(self.deadline_at()).min()
    }

    fn deadline_at(&self) -> Option<Duration> {
        if matches!(self.state, State::Ending | State::Over) {
            return None;
        }
        match &self.stop {
            Some(Stop::Deadline { limit, .. }) if !self.cut_short => Some(*limit + LAST_TEARDOWN),
            Some(_) => None,
            None => self.settings.deadline,
        }
    }

    /// A test began, or a phase of one whose time is limited, or such a phase is over.
    pub(super) fn phase_began(&mut self, worker: WorkerId, phase: Option<Phase>) {
        let slow = self.settings.rules.slow;
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        let Some(test) = &state.running else {
            return;
        };
        let timeouts = &self.terms.of(test).timeouts;
        let limit = match phase {
            None => None,
            Some(Phase::Setup) => timeouts.setup,
            Some(Phase::Call) => timeouts.call,
            Some(Phase::Teardown) => timeouts.teardown,
        };
        state.watch = Some(Watch::new(phase, self.now, limit, slow));
    }

    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        if self.deadline_at().is_some_and(|at| at <= self.now) {
            self.deadline(effects);
        }
        let now = self.now;
        let due = |(worker, watch): (WorkerId, &Watch)| {
            let (at, due) = watch.next();
            (at <= now).then_some((worker, due))
        };
        let due: Vec<_> = self.workers.watches().filter_map(due).collect();
        for (worker, due) in due {
            self.act(worker, due, effects);
        }
    }

    fn act(&mut self, worker: WorkerId, due: Due, effects: &mut Vec<Effect>) {
        let slow = self.settings.rules.slow;
        let now = self.now;
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        let (Some(watch), Some(test)) = (&mut state.watch, &state.running) else {
            return;
        };
        match due {
            Due::Slow => {
                watch.slow_at = now.saturating_add(slow);
                effects.push(Effect::Record(Event::Slow {
                    worker,
                    test: test.clone(),
                    phase: watch.phase,
                    elapsed: now.saturating_sub(watch.since),
                }));
            }
            Due::Tell => {
                watch.step = Step::Told(now);
                effects.push(Effect::TellTooLong(worker));
            }
            Due::Terminate => {
                watch.step = Step::Terminated(now);
                effects.push(Effect::Terminate(worker));
            }
            Due::Kill => {
                watch.step = Step::Killed;
                effects.push(Effect::Kill(worker));
            }
        }
    }

    fn deadline(&mut self, effects: &mut Vec<Effect>) {
        let Some(limit) = self.settings.deadline else {
            return;
        };
        if self.stop.is_some() {
            // They had their time to tear down.
            self.cut_short = true;
            effects.extend(self.workers.live().into_iter().map(Effect::Kill));
            return;
        }
        let running: Vec<TestId> = self.workers.running();
        let collecting = self.state == State::Collecting;
        self.stop(Stop::Deadline { limit, running }, effects);
        if collecting {
            effects.push(Effect::InterruptTemplate);
        } else {
            effects.extend(self.workers.busy().map(Effect::Interrupt));
        }
    }
}
