//! What workers say, and their ends.

use super::{Effect, Machine, Watch};
use crate::failure::Failure;
use crate::workers::{Ending, Prospect, Worker};
use dyno_model::{
    Event, ExitCode, Keeping, Lane, PhaseReport, Printed, ProcessExit, Stop, Stream, TestId, Took,
    WorkerFailure, WorkerId,
};
use dyno_wire::template::Feed;
use dyno_wire::worker::FromWorker;

/// So many workers in a row may die before they run a test. One may be bad luck, three
/// are a suite that cannot be forked or an exhausted machine.
pub(super) const BARREN_WORKERS: u32 = 3;

impl Machine {
    pub(super) fn worker_says(
        &mut self,
        worker: WorkerId,
        message: FromWorker,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            FromWorker::Ready => {}
            FromWorker::Next => self.asked(worker, effects),
            FromWorker::Started { test } => {
                self.barren = 0;
                if let Some(state) = self.workers.get_mut(worker) {
                    state.started(&test);
                    if state.lane == Lane::Sealed {
                        state.began.push((self.now, test.clone()));
                    }
                }
                self.phase_began(worker, None);
                self.attempt_began(worker, &test);
                effects.push(Effect::Record(Event::TestStarted {
                    worker,
                    test: test.clone(),
                }));
                if let Some(state) = self.workers.get_mut(worker) {
                    state.unfed = Some(test);
                }
                if self.listens {
                    self.feed_start(worker, effects);
                }
            }
            FromWorker::Phase { phase } => self.phase_began(worker, Some(phase)),
            FromWorker::Report { report, packed } => {
                let limited = self.workers.get_mut(worker).is_some_and(|state| {
                    state.reported(&report);
                    state.watch.as_ref().is_some_and(Watch::is_limited)
                });
                if limited {
                    self.phase_began(worker, None);
                }
                let feed = (!packed.is_empty()).then_some(Feed::Report { packed });
                self.say(worker, *report, feed, effects);
            }
            FromWorker::Finished { test, took } => {
                let unfed = self
                    .workers
                    .get_mut(worker)
                    .and_then(|state| state.unfed.take());
                if unfed.is_none() {
                    let fed = test.as_str().to_owned();
                    self.hint(worker, Feed::Finish { test: fed }, effects);
                }
                self.finished(worker, &test, took, effects);
                let left = self.workers.get_mut(worker).is_some_and(|state| {
                    state.finished(&test);
                    // What a sealed unit holds is free when all behind its walls are dead.
                    std::mem::take(&mut state.unit_is_over) && state.lane != Lane::Sealed
                });
                if left {
                    self.plan(dyno_plan::Input::TornDown(worker), effects);
                }
            }
            // What was printed before is on the screen: it came before this message.
            FromWorker::TerminalWanted => {
                // Whoever debugs has time.
                self.phase_began(worker, None);
                effects.push(Effect::LendTerminal(Some(worker)));
            }
            FromWorker::TerminalReturned => effects.push(Effect::TakeTerminal),
            FromWorker::Debugged { test, phase } => {
                effects.push(Effect::Record(Event::Debugged { test, phase }));
            }
            FromWorker::Warned { warning } => {
                effects.push(Effect::Record(Event::Warned(warning)));
            }
            FromWorker::StopAsked { reason, code } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.prospect = Prospect::Leaving;
                }
                if let Some(code) = code {
                    self.forced.get_or_insert(ExitCode::from(code));
                }
                self.stop(Stop::Asked { reason }, effects);
            }
            FromWorker::Output { packed, memory } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.output = Some(packed);
                    state.memory = memory;
                }
            }
            FromWorker::InternalError { text } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.prospect = Prospect::Leaving;
                }
                let text = text.lines().collect::<Vec<_>>().join("\nINTERNALERROR> ");
                let message = format!("pytest failed in worker {worker}\nINTERNALERROR> {text}");
                self.fail(message, ExitCode::InternalError, effects);
                self.stop(Stop::Broken, effects);
            }
        }
    }

    /// A worker asks once it has started all that it was given. One that asks earlier did
    /// not hear what it was given: those tests would be lost, so it ends, and they run
    /// elsewhere.
    fn asked(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let unheard = self.workers.get_mut(worker).and_then(|state| {
            let test = state.rest.front()?.clone();
            Some((state, test))
        });
        match unheard {
            Some((state, test)) if self.stop.is_none() => {
                state.detail.get_or_insert_with(|| {
                    format!(
                        "it asked for more tests before it started {}",
                        test.as_str()
                    )
                });
                effects.push(Effect::Kill(worker));
            }
            _ => {
                if let Some(state) = self.workers.get_mut(worker) {
                    // It asks while it tears the last test of its unit down.
                    state.unit_is_over = state.running.is_some();
                }
                self.plan(dyno_plan::Input::Asked(worker), effects);
            }
        }
    }

    /// A test, or an attempt at it, is over.
    fn finished(
        &mut self,
        worker: WorkerId,
        test: &TestId,
        took: Option<Took>,
        effects: &mut Vec<Effect>,
    ) {
        if self.attempt_ended(worker, test, effects) {
            self.account_for(test);
        }
        self.replacement.ended(self.now, test.clone());
        effects.push(Effect::Record(Event::TestFinished {
            worker,
            test: test.clone(),
            took,
        }));
        for job in std::mem::take(&mut self.retries) {
            self.plan(dyno_plan::Input::Add(job), effects);
        }
    }

    pub(super) fn reported(
        &mut self,
        worker: WorkerId,
        report: Box<PhaseReport>,
        effects: &mut Vec<Effect>,
    ) {
        let failed = report.is_failure();
        effects.push(Effect::Record(Event::Reported { worker, report }));
        if failed {
            self.failures += 1;
            if self.maxfail > 0 && self.failures == self.maxfail {
                let failures = self.failures;
                self.stop(Stop::MaxFail { failures }, effects);
            }
        }
    }

    pub(super) fn printed(
        &mut self,
        worker: WorkerId,
        stream: Stream,
        text: String,
        effects: &mut Vec<Effect>,
    ) {
        let state = self.workers.get_mut(worker);
        effects.push(Effect::Record(Event::Printed(Printed {
            worker,
            test: state.and_then(|state| state.running.clone()),
            stream,
            text,
            keeping: Keeping::Journal,
        })));
    }

    pub(super) fn closed(
        &mut self,
        worker: WorkerId,
        garbage: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(state) = self.workers.get_mut(worker) {
            state.closed = true;
            effects.push(if garbage.is_some() {
                Effect::Kill(worker)
            } else {
                Effect::StartGrace(worker)
            });
            let sent = garbage.map(|what| format!("it sent {what}"));
            state.detail = sent.or(state.detail.take());
        }
        self.settle(worker, effects);
    }

    pub(super) fn grace_over(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        if state.exit.is_some() {
            state.closed = true;
            self.settle(worker, effects);
        } else {
            if state.closed && state.is_struck {
                // Whoever could say how it ended is gone.
                self.orphaned(worker, effects);
                return;
            }
            state.is_struck = true;
            effects.push(Effect::StartGrace(worker));
            let late = "it did not exit in time and was killed: does a thread keep it alive?";
            state.detail.get_or_insert_with(|| late.to_owned());
            effects.push(Effect::Kill(worker));
        }
    }

    /// Accounts for a worker once its socket is drained and its exit is known.
    pub(super) fn settle(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let stopping = self.stop.is_some();
        let Some(state) = self.workers.ended(worker) else {
            return;
        };
        // It may have died in a debugger.
        effects.push(Effect::TakeTerminal);
        let exit = state.exit.unwrap_or(ProcessExit::Unknown);
        let ending = if self.template.is_some() && exit == ProcessExit::Unknown {
            // It was killed with the template, which has been said already.
            Ending::AsTold
        } else {
            state.ending(stopping)
        };
        let test = match &ending {
            Ending::InTest(test) => Some(test.clone()),
            Ending::AsTold | Ending::BetweenTests => None,
        };
        let failure = (ending != Ending::AsTold).then(|| WorkerFailure {
            test: test.clone(),
            detail: state.last_words(),
        });
        if let Some(test) = test {
            self.crashed(worker, &test, exit, effects);
        }
        let Some(state) = self.workers.remove(worker) else {
            return;
        };
        effects.push(Effect::Record(Event::WorkerEnded {
            worker,
            exit,
            failure,
            memory: state.memory,
        }));
        let down = Feed::Down {
            worker,
            output: state.output.clone(),
            // In pytest-xdist's words.
            error: (ending != Ending::AsTold).then(|| "Not properly terminated".to_owned()),
        };
        self.feed(down, effects);
        if ending == Ending::BetweenTests && !stopping {
            self.died_between_tests(worker, exit, &state, effects);
        }
        let rest = if self.stop.is_some() {
            Vec::new()
        } else {
            state.unfinished()
        };
        self.plan(dyno_plan::Input::Ended { worker, rest }, effects);
    }

    fn crashed(
        &mut self,
        worker: WorkerId,
        test: &TestId,
        exit: ProcessExit,
        effects: &mut Vec<Effect>,
    ) {
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        let failure = state.failure(worker, exit);
        self.say_failure(worker, test, failure, effects);
        self.finished(worker, test, None, effects);
    }

    /// Says what the runner found to be wrong with a test, to the template too.
    pub(super) fn say_failure(
        &mut self,
        worker: WorkerId,
        test: &TestId,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let fed = Feed::Crash {
            test: test.as_str().to_owned(),
            phase: failure.phase,
            message: failure.longrepr.clone(),
        };
        let headline = self.headlines.get(test).cloned();
        let report = failure.report(test, headline);
        self.say(worker, report, Some(fed), effects);
    }

    fn died_between_tests(
        &mut self,
        worker: WorkerId,
        exit: ProcessExit,
        state: &Worker,
        effects: &mut Vec<Effect>,
    ) {
        let detail = state.last_words().unwrap_or_default();
        if state.prospect == Prospect::ToldToFinish {
            if state.is_struck && state.output.is_some() {
                // Its session was over and all was said: as under pytest-xdist, which waits so
                // long too, whatever kept the process says nothing of the tests.
                return;
            }
            let message = format!(
                "worker {worker} ended with {exit} after its last test, while its session was \
                 torn down\nhint: look at the session-scoped fixtures and at what runs at exit\n{detail}"
            );
            self.fail(
                message.trim_end().to_owned(),
                ExitCode::InternalError,
                effects,
            );
            return;
        }
        self.barren += 1;
        if self.barren >= BARREN_WORKERS {
            let message = format!(
                "{BARREN_WORKERS} workers in a row ended before they ran a test, the last with \
                 {exit}\nhint: -n 1 shows whether it is the fork\n{detail}"
            );
            self.fail(
                message.trim_end().to_owned(),
                ExitCode::InternalError,
                effects,
            );
            self.stop(Stop::Broken, effects);
        }
    }
}
