//! Children that cannot outlive the thread that starts them.

use crate::signals::default_signals;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal, setsid};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where a child stands towards its parent's terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// In the parent's process group: it gets the terminal and its Ctrl-C.
    Foreground,
    /// In a process group of its own.
    Own,
    /// In a session of its own, without a terminal.
    OwnSession,
}

/// Prepares a command: its process dies by SIGKILL when *the thread that spawns it*
/// does, starts with default signals, and stands where `group` says.
///
/// `PR_SET_PDEATHSIG` goes by thread, so spawn from one that lives as long as the
/// process: the main thread, never a pool's.
pub fn bind_to_parent(command: &mut Command, group: Group) {
    let parent = getpid();
    if group == Group::Own {
        command.process_group(0);
    }
    let prepare = move || -> io::Result<()> {
        default_signals()?;
        if group == Group::OwnSession {
            setsid()?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before the line above sends nothing any more.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: it runs in the forked child and makes only async-signal-safe system calls;
    // it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}
