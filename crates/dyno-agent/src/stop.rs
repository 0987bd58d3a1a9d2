//! Ending processes: the one that was started, and all that came from it.

use crate::error::CallError;
use crate::process::Running;
use crate::session::Session;
use crate::wait::deadline;
use dyno_model::ProcessExit;
use dyno_sandbox::{Process, SandboxError, Snapshot, Strike, strike};
use dyno_wire::agent::EndedBy;
use rustix::process::{Signal, getpid, kill_process_group};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long killed processes may take to be gone; see `dyno_sandbox::keeper`.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// Between two looks at `/proc` while something is dying; a child's death is noticed
/// at once.
const LOOK: Duration = Duration::from_millis(20);

/// SIGTERM to the process group, up to `grace` for whoever got it, SIGKILL to the whole
/// tree. When it returns well, nothing of the tree is left.
pub(crate) async fn stop(
    session: &Session,
    process: &Running,
    grace: Duration,
) -> Result<(ProcessExit, EndedBy), CallError> {
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
                process.name,
                process.pid.as_raw_nonzero(),
                MOST_WAIT.as_secs()
            ),
            exit: process.exit(),
            tail: None,
        });
    }
    process.cleared.set(true);
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

/// Asks the process group to end, and waits while anyone in it lives.
async fn terminate(session: &Session, process: &Running, grace: Duration) -> Result<(), CallError> {
    // It is not reaped yet, so the group is still its own. A stopped process takes
    // SIGTERM only when it goes on.
    let _ = kill_process_group(process.pid, Signal::TERM);
    let _ = kill_process_group(process.pid, Signal::CONT);
    let end = deadline(grace);
    while Instant::now() < end {
        let dead = session.deaths.notified();
        session.bury();
        if process.exit().is_some() {
            let snapshot = Snapshot::take().map_err(|source| SandboxError::System {
                what: "read /proc",
                source,
            })?;
            if !process.has_group(&snapshot) {
                break;
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        let _ = timeout(left.min(LOOK), dead).await;
    }
    Ok(())
}

/// Strikes until nothing that `choose` picks is left. False where something still is
/// after [`MOST_WAIT`].
async fn clear(
    session: &Session,
    choose: impl Fn(&Snapshot) -> Vec<Process>,
) -> Result<bool, SandboxError> {
    let end = Instant::now() + MOST_WAIT;
    loop {
        let dead = session.deaths.notified();
        session.bury();
        if strike(&choose)? == Strike::Clear {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        let _ = timeout(LOOK, dead).await;
    }
}
