//! What a run does next, as a pure state machine.
//!
//! It takes an [`Input`] and returns [`Effect`]s for the driver to perform, in order.
//! It knows no socket, no process and no clock. Its invariants: every event is recorded
//! before its consequences; every test that a worker was given is reported, handed on,
//! or (after a stop) known not to have run; the run ends, whoever dies.

mod attempts;
mod leaks;
mod limits;
mod lost_template;
mod models;
mod planning;
mod pressure;
mod share;
mod siblings;
mod step;
mod template;
mod watch;
mod workers;

pub(crate) use attempts::Attempt;
pub(crate) use models::ModelNews;
pub(crate) use pressure::Pressure;
pub(crate) use step::{Effect, Input, Leave, Surroundings};
pub(crate) use watch::{Overdue, Watch};

use crate::output::Shape;
use crate::workers::{Prospect, Workers};
use attempts::Attempts;
use dyno_config::{Load, Settings};
use dyno_model::{
    Bytes, Capacity, Carried, Event, ExitCode, Past, ProcessExit, Stop, TemplateId, TestId,
    WorkerId,
};
use dyno_plan::{Action, Job, Order, Planner};
use dyno_wire::template::{Feed, Output, ToTemplate};
use dyno_wire::worker::ToWorker;
use lost_template::Replacement;
use models::ModelNeeds;
use planning::{AllTerms, Outstanding};
use siblings::Siblings;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;
use step::session_stop;

/// Reports go to the template in batches of this many messages, to spare both sides
/// system calls; plugins in the controller see a test this much later at most.
const FEED_BATCH: usize = 32;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Collecting,
    Running,
    /// The template was told that no test is left.
    Ending,
    Over,
}

pub(crate) struct Machine {
    settings: Settings,
    processors: NonZeroU32,
    run: String,
    state: State,
    planner: Planner,
    load: Load,
    /// Memory that is there to be claimed.
    memory: Option<Bytes>,
    /// What earlier runs tell of the tests.
    past: HashMap<TestId, Past>,
    /// Tests that a run ran which this one resumes.
    carried: Option<Carried>,
    terms: AllTerms,
    models: ModelNeeds,
    /// The seed of a shuffle, if none was given.
    drawn_seed: u64,
    next_unit: u32,
    attempts: Attempts,
    /// Tests that are to be tried again.
    retries: Vec<Job>,
    /// What is run again and again until a test fails.
    round: Vec<Job>,
    workers: Workers,
    siblings: Siblings,
    headlines: HashMap<TestId, String>,
    /// Tests of which nobody has said yet that they are over.
    outstanding: Outstanding,
    feed: Vec<Feed>,
    /// A plugin of the template's wants to hear of every test.
    listens: bool,
    /// What tests print is captured.
    captures: bool,
    visible: Vec<String>,
    maxfail: u64,
    failures: u64,
    barren: u32,
    stop: Option<Stop>,
    /// Tests were killed after the deadline.
    cut_short: bool,
    /// The exit code that outranks what the tests say.
    forced: Option<ExitCode>,
    template: Option<ProcessExit>,
    replacement: Replacement,
    session_began: Option<Duration>,
    now: Duration,
}

impl Machine {
    pub(crate) fn new(settings: Settings, surroundings: Surroundings, run: String) -> Self {
        let Surroundings {
            processors,
            memory,
            past,
            carried,
            seed,
        } = surroundings;
        Self {
            settings,
            processors,
            run,
            state: State::Collecting,
            planner: Planner::new(Vec::new(), Capacity::of_slots(1), Order::Given),
            load: Load::default(),
            memory,
            past,
            carried,
            terms: AllTerms::default(),
            models: ModelNeeds::default(),
            drawn_seed: seed,
            next_unit: 0,
            attempts: Attempts::default(),
            retries: Vec::new(),
            round: Vec::new(),
            workers: Workers::default(),
            siblings: Siblings::default(),
            headlines: HashMap::new(),
            outstanding: Outstanding::new(),
            feed: Vec::new(),
            listens: true,
            captures: false,
            visible: Vec::new(),
            maxfail: 0,
            failures: 0,
            barren: 0,
            stop: None,
            cut_short: false,
            forced: None,
            template: None,
            replacement: Replacement::default(),
            session_began: None,
            now: Duration::ZERO,
        }
    }

    /// The run's id and worker count, for the message that asks for a fork.
    pub(crate) fn fork_message(&self, worker: WorkerId, output: Output) -> ToTemplate {
        ToTemplate::Fork {
            worker,
            workers: self.load.most,
            run: self.run.clone(),
            output,
            namespaces: 0,
        }
    }

    /// What below `/tmp` and `/dev/shm` sandboxes share.
    pub(crate) fn visible(&self) -> &[String] {
        &self.visible
    }

    /// Whether what tests print is captured, so that little comes of a worker's output.
    pub(crate) fn captures(&self) -> bool {
        self.captures
    }

    /// How a worker's output is passed on: with one worker as it comes.
    pub(crate) fn shape(&self) -> Shape {
        if self.load.most == 1 {
            Shape::Raw
        } else {
            Shape::Lines
        }
    }

    /// Takes an input in at time `now`, since the run began.
    pub(crate) fn step(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        self.now = now;
        let mut effects = Vec::new();
        if self.state == State::Over {
            return effects;
        }
        match input {
            Input::Template(template, message) => {
                self.template_says(template, message, &mut effects);
            }
            Input::TemplateGarbled(what) => {
                let message = format!("a template sent {what}");
                self.fail(message, ExitCode::InternalError, &mut effects);
                self.end(Leave::Killed, &mut effects);
            }
            Input::SiblingClosed(template) => self.sibling_ended(template, None, &mut effects),
            Input::TemplateGone(exit) => self.template_gone(exit, &mut effects),
            // The driver tells which worker it was, and forks what it has a sandbox for.
            Input::OrphanEnded { .. } | Input::Sandbox(..) | Input::Admitted(..) => {}
            Input::Worker(worker, message) => self.worker_says(worker, message, &mut effects),
            Input::Printed {
                worker,
                stream,
                text,
            } => self.printed(worker, stream, text, &mut effects),
            Input::WorkerExited { worker, exit, .. } => self.exited(worker, exit, &mut effects),
            Input::WorkerClosed { worker, garbage } => self.closed(worker, garbage, &mut effects),
            Input::Left(worker, remains) => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.left(remains);
                }
            }
            Input::GraceOver(worker) => self.grace_over(worker, &mut effects),
            Input::WallsMissing(walls) => self.walls_missing(walls, &mut effects),
            Input::Used(worker, usage) => self.used(worker, usage, &mut effects),
            Input::Leaks(worker, leaks) => self.leaked(worker, leaks, &mut effects),
            Input::Models(news) => self.model_news(news, &mut effects),
            Input::Tick => self.tick(&mut effects),
            Input::Pressure(pressure) => self.pressed(pressure, &mut effects),
            Input::Signal(number) => self.signalled(number, &mut effects),
        }
        effects
    }

    fn plan(&mut self, input: dyno_plan::Input, effects: &mut Vec<Effect>) {
        for action in self.planner.step(self.now, input) {
            match action {
                Action::StartWorker {
                    worker,
                    template,
                    lane,
                } => {
                    self.workers.insert(worker, template, lane);
                    self.fork(worker, template, lane, effects);
                }
                Action::Assign { worker, unit } => {
                    effects.push(Effect::Record(Event::UnitAssigned {
                        unit: unit.id,
                        worker,
                        tests: u32::try_from(unit.tests.len()).unwrap_or(u32::MAX),
                    }));
                    self.limit(worker, &unit.tests, effects);
                    if let Some(state) = self.workers.get_mut(worker) {
                        state.rest = unit.tests.clone().into();
                    }
                    effects.push(Effect::ToWorker(worker, self.order(unit.tests)));
                }
                Action::Wait(worker) => {
                    effects.push(Effect::ToWorker(worker, ToWorker::Wait));
                }
                Action::Finish(worker) => {
                    if let Some(state) = self.workers.get_mut(worker) {
                        state.prospect = Prospect::ToldToFinish;
                    }
                    effects.push(Effect::ToWorker(worker, ToWorker::Finish));
                }
                Action::Done => self.finish_session(effects),
            }
        }
    }

    fn finish_session(&mut self, effects: &mut Vec<Effect>) {
        if self.state != State::Running
            || self.models.is_awaited()
            || self.replacement.finishes_later()
            || self.next_round(effects)
        {
            return;
        }
        self.give_up_attempts(effects);
        self.state = State::Ending;
        if let Some((test, _)) = self.outstanding.first_key_value()
            && self.stop.is_none()
        {
            // It should not be possible; a test that is lost must not pass for one that ran.
            let count = self.outstanding.len();
            let message = format!(
                "{count} of the tests have no outcome, the first is {test}\n\
                 hint: this is a bug of dyno; the run's journal tells which worker had it"
            );
            self.fail(message, ExitCode::InternalError, effects);
        }
        self.flush_feed(effects);
        if self.template.is_some() {
            self.end(Leave::Killed, effects);
            return;
        }
        let stop = self.stop.as_ref().map(session_stop);
        let finish = |id| Effect::ToTemplate(id, ToTemplate::Finish { stop: stop.clone() });
        // The first waits for the end of the others.
        effects.extend(self.siblings.live().map(finish));
        effects.push(finish(TemplateId::FIRST));
    }

    /// A test is over, or one of the times that it is to be run.
    fn account_for(&mut self, test: &TestId) {
        if let Some(left) = self.outstanding.get_mut(test) {
            *left -= 1;
            if *left == 0 {
                self.outstanding.remove(test);
            }
        }
    }

    fn feed(&mut self, event: Feed, effects: &mut Vec<Effect>) {
        self.feed.push(event);
        if self.feed.len() >= FEED_BATCH {
            self.flush_feed(effects);
        }
    }

    fn flush_feed(&mut self, effects: &mut Vec<Effect>) {
        let listens = self.template.is_none() && !self.replacement.is_awaited();
        if !self.feed.is_empty() && listens {
            let reports = std::mem::take(&mut self.feed);
            let feed = ToTemplate::Feed { reports };
            effects.push(Effect::ToTemplate(TemplateId::FIRST, feed));
        }
    }

    /// Starts nothing more, and lets every worker end after the test that it runs now.
    fn stop(&mut self, why: Stop, effects: &mut Vec<Effect>) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(why.clone());
        effects.push(Effect::Record(Event::Stopping { why }));
        if self.state == State::Running {
            self.stop_fetching(effects);
            for worker in self.workers.live() {
                effects.push(Effect::ToWorker(worker, ToWorker::Stop));
            }
            self.plan(dyno_plan::Input::Stop, effects);
        }
    }

    fn signalled(&mut self, number: i32, effects: &mut Vec<Effect>) {
        if matches!(self.stop, Some(Stop::Signal { .. })) || self.state == State::Ending {
            // Asked a second time: now.
            self.forced = Some(ExitCode::Interrupted);
            self.end(Leave::Killed, effects);
            return;
        }
        let collecting = self.state == State::Collecting;
        self.stop(Stop::Signal { number }, effects);
        self.stop = Some(Stop::Signal { number });
        if collecting && self.session_began.is_none() {
            // It has no session to end, and would say its stack.
            let message = "interrupted while pytest was loaded: no test was run".to_owned();
            self.fail(message, ExitCode::Interrupted, effects);
            self.end(Leave::Killed, effects);
        } else if collecting {
            effects.push(Effect::InterruptTemplate);
        } else {
            effects.extend(self.workers.busy().map(Effect::Interrupt));
        }
    }

    fn fail(&mut self, message: String, code: ExitCode, effects: &mut Vec<Effect>) {
        self.forced.get_or_insert(code);
        effects.push(Effect::Record(Event::RunFailed { message }));
    }

    fn end(&mut self, leave: Leave, effects: &mut Vec<Effect>) {
        self.state = State::Over;
        let exit = self.forced.unwrap_or(match self.stop {
            Some(Stop::Signal { .. } | Stop::Asked { .. } | Stop::Deadline { .. }) => {
                ExitCode::Interrupted
            }
            Some(Stop::Broken) => ExitCode::InternalError,
            _ if self.failures > 0 => ExitCode::TestsFailed,
            _ => ExitCode::Ok,
        });
        let began = self.session_began.unwrap_or(self.now);
        effects.push(Effect::Record(Event::RunFinished {
            exit,
            elapsed: self.now.saturating_sub(began),
        }));
        effects.push(Effect::End(exit, leave));
    }
}

#[cfg(test)]
mod lost_template_tests;
#[cfg(test)]
mod models_tests;
#[cfg(test)]
mod output_tests;
#[cfg(test)]
mod sealed_tests;
#[cfg(test)]
mod siblings_tests;
#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod tests;
