//! A template that ended while tests ran, and the one that takes its place.
//!
//! A test can kill its parent, and the kernel the process that holds most memory. Where it
//! was a signal the workers live on: they go on with their units, and the keeper says how
//! each ends. What only a template can do (fork, be the session of the controller's plugins)
//! waits for a new one, which collects again and is told what was reported so far.

use super::{Effect, Leave, Machine, State};
use dyno_model::{
    CollectFailure, Event, ExitCode, Lane, ProcessExit, Stop, TemplateId, TestId, WorkerId,
};
use dyno_wire::template::Collected;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// So many templates may be lost. A second may be the same test once more; a suite that
/// kills each is not going to end.
const MOST_LOST: u32 = 3;

/// A test that kills the template may be over before its death is known: the kernel tells
/// the keeper, the keeper the runner, each when it is given a processor.
const JUST_BEFORE: Duration = Duration::from_millis(500);

/// So many tests that have just ended are remembered.
const MOST_REMEMBERED: usize = 256;

/// What became of the workers of a template that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Orphans {
    LiveOn,
    Ended,
}

/// The template that takes the place of one that was lost.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    lost: u32,
    awaited: bool,
    /// Workers to fork once it is there.
    forks: Vec<(WorkerId, TemplateId, Lane)>,
    /// No test is left, and its session is to end once it is there.
    finishes: bool,
    /// What it could not collect.
    failures: Vec<String>,
    /// The tests that ended last, and when.
    ended: VecDeque<(Duration, TestId)>,
}

impl Replacement {
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Whether the end of the session must wait; notes it if so.
    pub(super) fn finishes_later(&mut self) -> bool {
        self.finishes |= self.awaited;
        self.awaited
    }

    /// A test ended.
    pub(super) fn ended(&mut self, now: Duration, test: TestId) {
        self.ended.truncate(MOST_REMEMBERED - 1);
        self.ended.push_front((now, test));
    }

    /// The tests that ended just before, the last one first.
    fn ended_before(&self, now: Duration) -> impl Iterator<Item = TestId> {
        let is_recent = move |(at, _): &&(Duration, TestId)| now.saturating_sub(*at) <= JUST_BEFORE;
        let recent = self.ended.iter().take_while(is_recent);
        recent.map(|(_, test)| test.clone())
    }

    pub(super) fn failed(&mut self, failure: &CollectFailure) {
        self.failures.push(failure.longrepr.clone());
    }
}

impl Machine {
    pub(super) fn fork(
        &mut self,
        worker: WorkerId,
        template: TemplateId,
        lane: Lane,
        effects: &mut Vec<Effect>,
    ) {
        if self.replacement.awaited {
            self.replacement.forks.push((worker, template, lane));
        } else {
            effects.push(Effect::Fork(worker, template, lane));
        }
    }

    pub(super) fn template_gone(&mut self, exit: ProcessExit, effects: &mut Vec<Effect>) {
        if self.template.is_some() {
            return;
        }
        let live_on = matches!(exit, ProcessExit::Signal(_));
        if live_on
            && self.state == State::Running
            && self.stop.is_none()
            && self.replacement.lost < MOST_LOST
        {
            self.replace(exit, effects);
            return;
        }
        if self.replacement.awaited {
            self.not_replaced(exit, effects);
            return;
        }
        let doing = match self.state {
            State::Collecting => "while it loaded pytest or collected tests; nothing was run",
            State::Running if live_on => "while tests ran, and no worker can be forked any more",
            State::Running => "while tests ran; their workers died with it",
            State::Ending | State::Over => "while its session ended",
        };
        let message = match exit {
            // Its keeper says how it ended, unless that is gone as well.
            ProcessExit::Unknown => format!(
                "the keeper, the process of dyno's above the template, was killed {doing}\n\
                 hint: dyno did not do it; `dmesg` tells whether the kernel did, for want of memory"
            ),
            exit => format!(
                "the template, the Python process that collects and forks, ended with {exit} \
                 {doing}\nhint: what it said last stands above; `pytest --collect-only` shows \
                 whether it is dyno"
            ),
        };
        let workers = if live_on {
            Orphans::LiveOn
        } else {
            Orphans::Ended
        };
        self.give_up(exit, workers, message, effects);
    }

    /// The template that was to take another's place did not collect.
    pub(super) fn not_replaced(&mut self, exit: ProcessExit, effects: &mut Vec<Effect>) {
        self.replacement.awaited = false;
        let mut message = format!(
            "the template that was started in place of the lost one ended with {exit} before it \
             had collected the tests that are left"
        );
        for failure in &self.replacement.failures {
            message.push_str("\n\n");
            message.push_str(failure);
        }
        // It had forked none of those that live.
        self.give_up(exit, Orphans::LiveOn, message, effects);
    }

    /// Nothing can be forked any more: what runs may end, what has not begun is not run.
    fn give_up(
        &mut self,
        exit: ProcessExit,
        workers: Orphans,
        message: String,
        effects: &mut Vec<Effect>,
    ) {
        self.template = Some(exit);
        self.fail(message, ExitCode::InternalError, effects);
        if self.state != State::Running {
            self.end(Leave::Killed, effects);
            return;
        }
        self.stop(Stop::Broken, effects);
        for (worker, ..) in std::mem::take(&mut self.replacement.forks) {
            self.never_forked(worker, effects);
        }
        for worker in self.workers.live() {
            let forked = (self.workers.get_mut(worker)).is_some_and(|state| state.pid.is_some());
            if !forked || workers == Orphans::Ended {
                // Nobody is left to say how it ended; what it said before is still read.
                effects.push(Effect::Kill(worker));
                self.orphaned(worker, effects);
            }
        }
        if self.replacement.finishes {
            self.finish_session(effects);
        }
    }

    fn replace(&mut self, exit: ProcessExit, effects: &mut Vec<Effect>) {
        self.replacement.lost += 1;
        self.replacement.awaited = true;
        self.replacement.failures.clear();
        self.siblings = super::Siblings::default();
        let mut suspects = self.workers.running();
        suspects.extend(self.replacement.ended_before(self.now));
        effects.push(Effect::Record(Event::TemplateLost { exit, suspects }));
        effects.push(Effect::ReplaceTemplate);
        // The order to fork these died with it.
        for worker in self.workers.unforked() {
            self.never_forked(worker, effects);
        }
    }

    fn never_forked(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        self.workers.forget(worker);
        let rest = Vec::new();
        self.plan(dyno_plan::Input::Ended { worker, rest }, effects);
    }

    /// The new template has collected.
    pub(super) fn replaced(&mut self, collected: Collected, effects: &mut Vec<Effect>) {
        self.replacement.awaited = false;
        // The journal has these, too.
        self.feed.clear();
        effects.push(Effect::FeedAgain);
        let found: BTreeSet<TestId> = collected.items.into_iter().map(|item| item.id).collect();
        let given = self.workers.given();
        let absent = |test: &&TestId| !found.contains(*test) && !given.contains(*test);
        let missing: Vec<&TestId> = self.outstanding.keys().filter(absent).collect();
        if let Some(first) = missing.first()
            && self.stop.is_none()
        {
            let message = format!(
                "{} of the tests that are left were not collected again after the template was \
                 lost, the first is {first}\n\
                 hint: are its parameters the same each time it is collected?",
                missing.len()
            );
            self.fail(message, ExitCode::InternalError, effects);
            self.stop(Stop::Broken, effects);
        }
        for (worker, template, lane) in std::mem::take(&mut self.replacement.forks) {
            effects.push(Effect::Fork(worker, template, lane));
        }
        if self.replacement.finishes {
            self.finish_session(effects);
        }
    }

    /// How a worker ended is known, from whoever was its parent.
    pub(super) fn exited(
        &mut self,
        worker: WorkerId,
        exit: ProcessExit,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(state) = self.workers.get_mut(worker) {
            state.exit = Some(exit);
            // A child of a test may hold the socket open for ever.
            effects.push(Effect::StartGrace(worker));
        }
        self.settle(worker, effects);
    }
}
