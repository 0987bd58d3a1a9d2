//! What workers say, and their ends.

use super::{Effect, Machine};
use crate::workers::{Ending, Prospect, Worker};
use dyno_model::{
    Category, Event, ExitCode, Outcome, Phase, PhaseReport, ProcessExit, Stop, TestId,
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
                }
                effects.push(Effect::Record(Event::TestStarted {
                    worker,
                    test: test.clone(),
                }));
                let test = test.into();
                self.feed(Feed::Start { test }, effects);
            }
            FromWorker::Report { report, packed } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.call_reported |= report.phase == Phase::Call;
                }
                self.reported(worker, report, effects);
                self.feed(Feed::Report { packed }, effects);
            }
            FromWorker::Finished { test } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.finished(&test);
                }
                self.outstanding.remove(&test);
                effects.push(Effect::Record(Event::TestFinished {
                    worker,
                    test: test.clone(),
                }));
                let test = test.into();
                self.feed(Feed::Finish { test }, effects);
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
            _ => self.plan(dyno_plan::Input::Asked(worker), effects),
        }
    }

    fn reported(&mut self, worker: WorkerId, report: Box<PhaseReport>, effects: &mut Vec<Effect>) {
        let outcome = report.status.category.as_ref().and_then(Category::outcome);
        let failed = matches!(outcome, Some(Outcome::Failed | Outcome::Error));
        effects.push(Effect::Record(Event::Reported { worker, report }));
        if failed {
            self.failures += 1;
            if self.maxfail > 0 && self.failures == self.maxfail {
                let failures = self.failures;
                self.stop(Stop::MaxFail { failures }, effects);
            }
        }
    }

    pub(super) fn grace_over(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        if state.exit.is_some() {
            state.closed = true;
            self.settle(worker, effects);
        } else {
            let late = "it did not exit in time and was killed: does a thread keep it alive?";
            state.detail.get_or_insert_with(|| late.to_owned());
            effects.push(Effect::Kill(worker));
        }
    }

    /// Accounts for a worker once its socket is drained and its exit is known.
    pub(super) fn settle(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let Some(state) = self.workers.take_ended(worker) else {
            return;
        };
        let exit = state.exit.unwrap_or(ProcessExit::Unknown);
        let stopping = self.stop.is_some();
        let ending = if self.template.is_some() {
            // It was killed with the template, which has been said already.
            Ending::AsTold
        } else {
            state.ending(stopping)
        };
        let mut failure = None;
        match ending {
            Ending::AsTold => {}
            Ending::InTest(ref test) => {
                self.crashed(worker, test, exit, &state, effects);
                failure = Some(WorkerFailure {
                    test: Some(test.clone()),
                    detail: state.detail.clone(),
                });
            }
            Ending::BetweenTests => {
                failure = Some(WorkerFailure {
                    test: None,
                    detail: state.detail.clone(),
                });
            }
        }
        effects.push(Effect::Record(Event::WorkerEnded {
            worker,
            exit,
            failure,
        }));
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
        state: &Worker,
        effects: &mut Vec<Effect>,
    ) {
        self.outstanding.remove(test);
        let headline = self.headlines.get(test).cloned();
        let report = state.crash_report(worker, test, exit, headline);
        let message = report.longrepr.clone().unwrap_or_default();
        self.reported(worker, Box::new(report), effects);
        effects.push(Effect::Record(Event::TestFinished {
            worker,
            test: test.clone(),
        }));
        let test = test.as_str().to_owned();
        self.feed(Feed::Crash { test, message }, effects);
    }

    fn died_between_tests(
        &mut self,
        worker: WorkerId,
        exit: ProcessExit,
        state: &Worker,
        effects: &mut Vec<Effect>,
    ) {
        let detail = state.detail.as_deref().unwrap_or_default();
        if state.prospect == Prospect::ToldToFinish {
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
