//! What dyno says of a run besides what pytest would.

use crate::canvas::{Canvas, Ink};
use crate::closing::seconds;
use dyno_model::{Event, RunId};

/// `run 20261122-084500-0f3a is resumed, which came to the end of 8 tests`
pub(crate) fn resumed(run: &RunId, tests: u32, canvas: &mut Canvas) {
    let line = format!("run {run} is resumed, which came to the end of {tests} tests");
    canvas.own_line(&line, &[]);
}

/// `shuffled: --shuffle=7 gives this order again`
pub(crate) fn shuffled(seed: u64, canvas: &mut Canvas) {
    let line = format!("shuffled: --shuffle={seed} gives this order again");
    canvas.own_line(&line, &[]);
}

/// `[gw0] test_a.py::test_b: call has taken 60.00s (0:01:00) so far`
pub(crate) fn slow(event: &Event, canvas: &mut Canvas) {
    let Event::Slow {
        worker,
        test,
        phase,
        elapsed,
    } = event
    else {
        return;
    };
    let phase = phase.map(|phase| format!(" {}", phase.name()));
    let phase = phase.unwrap_or_default();
    canvas.start_line();
    let elapsed = seconds(*elapsed);
    let line = format!("[{worker}] {test}:{phase} has taken {elapsed} so far");
    canvas.line(&line, &[Ink::Yellow]);
}
