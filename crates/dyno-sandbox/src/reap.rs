//! Being the one that orphans fall to, and burying the dead.

use crate::SandboxError;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait};

/// Makes this process the parent of every orphan below it (`PR_SET_CHILD_SUBREAPER`).
pub fn become_subreaper() -> Result<(), SandboxError> {
    set_child_subreaper(Some(getpid())).map_err(SandboxError::system("become a subreaper"))
}

/// Buries the next dead child, whoever started it: its id and its raw wait status.
/// `None` where no child is dead now.
///
/// It takes any child's status, so a process that calls this lets nothing else wait.
pub fn reap() -> Option<(Pid, i32)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(dead) => return dead.map(|(pid, status)| (pid, status.as_raw())),
            Err(Errno::INTR) => {}
            // `ECHILD`: no children at all.
            Err(_) => return None,
        }
    }
}
