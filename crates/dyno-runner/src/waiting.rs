//! What a run waits for: somebody to say something, a time, the kernel's word of pressure.

use crate::machine::{Input, Machine};
use crate::{RunError, pressure};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// It is looked at the clock so often.
const TURN: Duration = Duration::from_millis(250);

/// Who comes so late was stopped: a process that only waits for a processor is not kept waiting
/// for so long by a load of eight to a processor.
const LATE: Duration = Duration::from_millis(750);

/// The time of a run. It stands still while the run does (Ctrl-Z, SIGSTOP, a paused container):
/// tests may go on, and nobody hears it when they end, so what they take cannot be told, and is
/// not held against them.
pub(crate) struct Clock {
    began: Instant,
    stopped: Duration,
    /// When it was looked at last.
    turned: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            stopped: Duration::ZERO,
            turned: now,
        }
    }

    /// Since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.stopped)
    }

    /// A turn is over. No turn takes longer than [`TURN`], unless the run was stopped in it.
    fn turn(&mut self) {
        let took = self.turned.elapsed();
        if took > TURN + LATE {
            self.stopped += took;
        }
        self.turned = Instant::now();
    }
}

/// Says how short the machine is of processors and memory, for as long as somebody listens.
pub(crate) async fn feel_pressure(inbox: mpsc::Sender<Input>) {
    let mut clock = tokio::time::interval(pressure::PERIOD);
    loop {
        clock.tick().await;
        let Some(pressure) = pressure::read() else {
            return;
        };
        if inbox.send(Input::Pressure(pressure)).await.is_err() {
            return;
        }
    }
}

/// What happens next: somebody says something, or a time has come.
pub(crate) async fn next(
    inputs: &mut mpsc::Receiver<Input>,
    machine: &Machine,
    clock: &mut Clock,
) -> Result<Input, RunError> {
    loop {
        let left = machine.wake_at().map(|at| at.saturating_sub(clock.now()));
        let turn = left.map_or(TURN, |left| left.min(TURN));
        let input = tokio::select! {
            // What was said before a time came is taken before.
            biased;
            // The driver holds a sender, so the channel never closes.
            input = inputs.recv() => Some(input.ok_or(RunError::Deaf)),
            () = tokio::time::sleep(turn) => None,
        };
        clock.turn();
        let is_time = || machine.wake_at().is_some_and(|at| at <= clock.now());
        match input {
            Some(input) => return input,
            None if is_time() => return Ok(Input::Tick),
            None => {}
        }
    }
}
