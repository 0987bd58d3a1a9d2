//! What falls to the runner where a keeper dies before it.
//!
//! All that a run starts falls to its keeper, which kills it. A keeper can be killed itself, by
//! a hand or by the kernel for want of memory. So the runner is a subreaper too, and kills at
//! its end what a lost keeper has left to it.

use crate::host::{Host, open_pidfd};
use crate::machine::Input;
use dyno_model::ProcessExit;
use dyno_sandbox::{Cleared, Clearing, Process, Snapshot, become_subreaper, is_childless, reap};
use rustix::fd::AsFd;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, getpid, waitid};
use std::collections::HashSet;
use std::future::pending;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Takes in what loses its parents.
pub(crate) struct Orphans {
    /// Children that were there before, such as those of a shell that became this process by
    /// `exec`. They and what is below them are not the run's.
    strangers: HashSet<Pid>,
}

impl Orphans {
    /// Takes them in from now on.
    pub(crate) fn expect() -> Self {
        // Where it may not, it is as without.
        let _ = become_subreaper();
        // Mostly so.
        let strangers = if is_childless() {
            HashSet::new()
        } else {
            Snapshot::take().map_or_else(|_| HashSet::new(), |now| children(&now))
        };
        Self { strangers }
    }

    /// Kills what is left to it where the keeper of one of these was lost, but for some and what is
    /// below them.
    pub(crate) async fn kill_of_lost(&self, hosts: &mut [Host], spared: &[Pid]) {
        for host in hosts {
            if host.is_lost().await {
                self.kill(spared).await;
            }
        }
    }

    /// Kills them, with all else that the run started, and buries them: a sandbox is not gone
    /// before each process behind its walls is buried, by its parent outside if it has one.
    async fn kill(&self, spared: &[Pid]) {
        let clearing = Clearing::begin();
        loop {
            while reap().is_some() {}
            let Ok(Cleared::NotYet(look)) = clearing.strike(|snapshot| self.of(snapshot, spared))
            else {
                return;
            };
            sleep(look).await;
        }
    }

    fn of(&self, snapshot: &Snapshot, spared: &[Pid]) -> Vec<Process> {
        let mut found = Vec::new();
        let others = children(snapshot);
        let others = others.difference(&self.strangers);
        for child in others.filter(|child| !spared.contains(*child)) {
            found.extend(snapshot.get(*child).copied());
            found.extend(snapshot.descendants(*child));
        }
        found
    }
}

/// Waits for the end of a process whose keeper is lost, which has fallen to this one: nobody else
/// tells of it. Waits for ever for one that falls to somebody else.
pub(crate) async fn end_of(process: Option<u32>) -> Input {
    match process {
        Some(pid) => match fallen(pid).await {
            Some(exit) => Input::OrphanEnded { pid, exit },
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn fallen(pid: u32) -> Option<ProcessExit> {
    let pidfd = open_pidfd(pid)?;
    // SAFETY: the descriptor is owned, and the `AsyncFd` keeps it open as long as it lives.
    let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.ok()?;
    pidfd.readable().await.ok()?.retain_ready();
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    waitid(WaitId::PidFd(pidfd.as_fd()), look)
        .ok()?
        .map(exit_of)
}

fn exit_of(status: WaitIdStatus) -> ProcessExit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ProcessExit::Code(code),
        (None, Some(signal)) => ProcessExit::Signal(signal),
        (None, None) => ProcessExit::Unknown,
    }
}

fn children(snapshot: &Snapshot) -> HashSet<Pid> {
    let own = Some(getpid());
    let is_child = |process: &&Process| process.parent == own;
    snapshot
        .all()
        .filter(is_child)
        .map(|child| child.pid)
        .collect()
}
