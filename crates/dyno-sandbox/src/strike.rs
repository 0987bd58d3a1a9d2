//! Killing a tree so that no process of it slips away.

use crate::{Process, SandboxError, Snapshot};
use rustix::process::Signal;
use std::collections::HashMap;

/// How often a set of processes may grow while it is being frozen. A frozen process
/// starts nothing, so each round but the last found something new; a thousand of them
/// is a fork bomb, and its newest members are left to the next strike.
const MOST_ROUNDS: usize = 1000;

/// What a strike found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing: all that was to die is dead and buried.
    Clear,
    /// So many processes, which are now being killed. The dead need [`crate::reap()`]ing,
    /// and then another strike to see that nothing is left.
    Struck(usize),
}

/// Stops (SIGSTOP) all that `choose` picks, and looks again until it picks nothing new. What
/// was stopped, in no order.
///
/// A process to which SIGSTOP has been sent completes no further `fork`, so a look that finds
/// nothing new has found all.
pub fn freeze(choose: impl Fn(&Snapshot) -> Vec<Process>) -> Result<Vec<Process>, SandboxError> {
    let mut frozen: HashMap<(rustix::process::Pid, u64), Process> = HashMap::new();
    for _ in 0..MOST_ROUNDS {
        let snapshot = Snapshot::take().map_err(SandboxError::system("read /proc"))?;
        let mut grew = false;
        for process in choose(&snapshot) {
            if frozen
                .insert((process.pid, process.started), process)
                .is_none()
            {
                grew = true;
                // Who may not be signalled (a set-uid program) cannot be killed either:
                // the caller's bound ends the wait for it.
                let _ = process.signal(Signal::STOP);
            }
        }
        if !grew {
            break;
        }
    }
    Ok(frozen.into_values().collect())
}

/// Freezes all that `choose` picks, then kills it.
///
/// Killing without freezing first is a race: a parent's death hands its children to
/// another parent, and what is forked between the look and the kill is never seen.
/// SIGKILL also ends a stopped process.
pub fn strike(choose: impl Fn(&Snapshot) -> Vec<Process>) -> Result<Strike, SandboxError> {
    let frozen = freeze(choose)?;
    for process in &frozen {
        let _ = process.signal(Signal::KILL);
    }
    Ok(match frozen.len() {
        0 => Strike::Clear,
        count => Strike::Struck(count),
    })
}
