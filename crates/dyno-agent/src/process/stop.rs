//! Ending processes: the one that was started, and all that came from it.

use super::Running;
use crate::error::CallError;
use crate::ready::deadline;
use crate::session::Session;
use dyno_model::ProcessExit;
use dyno_sandbox::{Cleared, Clearing, Process, SandboxError, Snapshot, freeze};
use dyno_wire::agent::EndedBy;
use rustix::process::{Signal, getpid, kill_process_group};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Between two looks at `/proc` while something is ending; a child's death is noticed
/// at once.
const LOOK: Duration = Duration::from_millis(20);

/// How long a process may go on that was sent SIGSTOP: it stops when the kernel next looks at it,
/// which is a matter of milliseconds unless it hangs there.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks at one that has not stopped yet.
const STOPS_SOON: Duration = Duration::from_millis(1);

/// SIGTERM to the process group, up to `grace` for whoever got it, SIGKILL to the whole
/// tree. When it returns well, nothing of the tree is left.
pub(crate) async fn stop(
    session: &Session,
    process: &Running,
    grace: Duration,
) -> Result<(ProcessExit, EndedBy), CallError> {
    process.guard.lift();
    session.bury();
    let ended_itself = process.exit().is_some();
    if !ended_itself && !grace.is_zero() {
        terminate(session, process, grace).await?;
    }
    let by = match process.exit() {
        _ if ended_itself => EndedBy::Itself,
        Some(_) => EndedBy::Term,
        None => EndedBy::Kill,
    };
    if !clear(session, |snapshot| process.tree(snapshot)).await? {
        return Err(CallError::Process {
            message: format!(
                "{:?} (pid {}) or a process of its tree is alive {} s after SIGKILL: \
                 it hangs in the kernel",
                process.name(),
                process.pid.as_raw_nonzero(),
                Clearing::MOST_WAIT.as_secs()
            ),
            exit: process.exit(),
            tail: None,
        });
    }
    process.cleared.set(true);
    // What cannot be closed up is a log with a hole, which is read as well.
    let _ = process.log.close_up();
    Ok((process.exit().unwrap_or(ProcessExit::Unknown), by))
}

/// Kills what no process's tree held (a daemon that left its session and cleaned its
/// environment), provided that no process of the session runs that it may belong to.
pub(crate) async fn sweep_if_idle(session: &Session) -> Result<(), SandboxError> {
    session.bury();
    let stray = |snapshot: &Snapshot| {
        if session.is_idle() {
            snapshot.descendants(getpid())
        } else {
            Vec::new()
        }
    };
    clear(session, stray).await?;
    Ok(())
}

/// Kills all that is below the agent. For its own end.
pub(crate) async fn sweep(session: &Session) -> Result<(), SandboxError> {
    clear(session, |snapshot| snapshot.descendants(getpid())).await?;
    Ok(())
}

/// Stops every process of the tree where it is, and waits until each has stopped.
pub(crate) async fn pause(process: &Running) -> Result<(), SandboxError> {
    let frozen = freeze(|snapshot| process.tree(snapshot))?;
    process.paused.set(true);
    let deadline = Instant::now() + STOPS_WITHIN;
    for one in frozen {
        // One that computes stops when the kernel next looks at it.
        while goes_on(&one) {
            if Instant::now() >= deadline {
                return Err(SandboxError::GoesOn(one.pid.as_raw_nonzero().get()));
            }
            sleep(STOPS_SOON).await;
        }
    }
    Ok(())
}

fn goes_on(process: &Process) -> bool {
    Process::read(process.pid)
        .is_some_and(|now| now.started == process.started && !now.zombie && !now.stopped)
}

/// Lets every process of the tree go on.
pub(crate) fn resume(process: &Running) -> Result<(), SandboxError> {
    for one in process.tree(&look()?) {
        // One that may not be signalled was not stopped either.
        let _ = one.signal(Signal::CONT);
    }
    process.paused.set(false);
    Ok(())
}

/// All processes, now.
pub(crate) fn look() -> Result<Snapshot, SandboxError> {
    Snapshot::take().map_err(|source| SandboxError::System {
        what: "read /proc",
        source,
    })
}

/// Asks the process group to end, and waits while anyone in it lives.
async fn terminate(session: &Session, process: &Running, grace: Duration) -> Result<(), CallError> {
    // It is not reaped yet, so the group is still its own. A stopped process takes
    // SIGTERM only when it goes on.
    let _ = kill_process_group(process.pid, Signal::TERM);
    let _ = kill_process_group(process.pid, Signal::CONT);
    if process.paused.get() {
        resume(process)?;
    }
    let end = deadline(grace);
    while Instant::now() < end {
        let dead = session.children.deaths.notified();
        session.bury();
        if process.exit().is_some() && !process.has_group(&look()?) {
            break;
        }
        let left = end.saturating_duration_since(Instant::now());
        let _ = timeout(left.min(LOOK), dead).await;
    }
    Ok(())
}

/// Strikes until nothing that `choose` picks is left. False where something still is
/// after [`Clearing::MOST_WAIT`].
async fn clear(
    session: &Session,
    choose: impl Fn(&Snapshot) -> Vec<Process>,
) -> Result<bool, SandboxError> {
    let clearing = Clearing::begin();
    loop {
        let dead = session.children.deaths.notified();
        session.bury();
        match clearing.strike(&choose)? {
            Cleared::Whole => return Ok(true),
            Cleared::TooLate => return Ok(false),
            Cleared::NotYet(look) => {
                let _ = timeout(look, dead).await;
            }
        }
    }
}
