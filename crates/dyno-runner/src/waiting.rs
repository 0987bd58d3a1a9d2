//! What a run waits for: somebody to say something, a time, the kernel's word of pressure.

use crate::machine::{Input, Machine};
use crate::{RunError, pressure};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

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
    began: Instant,
) -> Result<Input, RunError> {
    let until = async |at: Option<Duration>| match at {
        Some(at) => tokio::time::sleep(at.saturating_sub(began.elapsed())).await,
        None => std::future::pending().await,
    };
    tokio::select! {
        // What was said before a time came is taken before.
        biased;
        // The driver holds a sender, so the channel never closes.
        input = inputs.recv() => input.ok_or(RunError::Deaf),
        () = until(machine.wake_at()) => Ok(Input::Tick),
    }
}
