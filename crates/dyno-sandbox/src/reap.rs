//! Being the one that orphans fall to, and burying the dead.

use crate::{SandboxError, Used};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};
use std::io;

/// Makes this process the parent of every orphan below it (`PR_SET_CHILD_SUBREAPER`).
pub fn become_subreaper() -> Result<(), SandboxError> {
    set_child_subreaper(Some(getpid())).map_err(SandboxError::system("become a subreaper"))
}

/// A child that has been buried.
#[derive(Debug, Clone, Copy)]
pub struct Dead {
    /// Its id, which may be given to another process from now on.
    pub pid: Pid,
    /// Its raw wait status.
    pub status: i32,
    /// What it used, with those of its children that it had waited for.
    pub used: Used,
}

/// Buries the next dead child, whoever started it. `None` where no child is dead now.
///
/// It takes any child's status, so a process that calls this lets nothing else wait.
pub fn reap_measured() -> Option<Dead> {
    loop {
        let mut status = 0;
        // SAFETY: all zeros is a valid value of this struct of numbers.
        let mut spent: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to variables that outlive the call.
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut spent) };
        match Pid::from_raw(pid.max(0)) {
            Some(pid) => {
                let used = Used::from(&spent);
                return Some(Dead { pid, status, used });
            }
            // It was interrupted; else no child is dead, or (`ECHILD`) there is none.
            None if pid < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            None => return None,
        }
    }
}

/// As [`reap_measured`], for who wants no more than the child's id and its raw wait status.
pub fn reap() -> Option<(Pid, i32)> {
    reap_measured().map(|dead| (dead.pid, dead.status))
}

/// Whether this process has no child, alive or dead: cheaper to ask than a look at all processes.
pub fn is_childless() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}
