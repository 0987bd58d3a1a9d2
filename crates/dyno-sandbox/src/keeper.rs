//! `dyno keeper`: runs one command, and lets nothing of it outlive its owner.
//!
//! The owner holds the other end of the *lifeline*, a pipe or socket. When that end is
//! closed, by whatever road the owner died, the keeper kills every process below it,
//! daemons included, and ends. When the command ends first, what it left behind is
//! killed and the keeper ends as the command did.
//!
//! Where the owner asks for it ([`Orphans::LiveOn`]) a command that *a signal* ended takes
//! nothing with it: who killed it meant no one else, and what it started may have work to
//! finish. The owner hears of it over the lifeline, which is a socket then, in lines:
//!
//! ```text
//! command STATUS        a signal ended the command; STATUS is its raw wait status
//! orphan PID STATUS     a process that had fallen to the keeper ended
//! ```
//!
//! A command that somebody stopped (SIGSTOP) is told to go on, unless it has the terminal.
//!
//! One thread, so that `PR_SET_PDEATHSIG` of the command holds as long as the keeper.

use crate::owned::{Deaths, close_all_but, has_ended, hear_the_lifeline_alone};
use crate::{
    Cleared, Clearing, Group, SandboxError, Snapshot, adopt, become_subreaper, bind_to_parent,
    is_childless, reap,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::process::Command;

/// The exit code where the owner died: that of a process killed by SIGKILL.
pub const OWNER_DIED: u8 = 128 + 9;

/// What to keep.
#[derive(Debug)]
pub struct Keeper {
    /// The descriptor whose end of file means that the owner died.
    pub lifeline: RawFd,
    /// Where the command stands towards the terminal.
    pub group: Group,
    /// What becomes of what the command started where a signal ends it.
    pub orphans: Orphans,
    /// Program and arguments.
    pub command: Vec<OsString>,
}

/// What becomes of what a command started, once a signal has ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// It is killed too, as where the command exits.
    Die,
    /// It lives on until it ends or the owner does, who is told.
    LiveOn,
}

/// Runs the command and returns the keeper's exit code: the command's own, 128 plus the
/// number of the signal that ended it, or [`OWNER_DIED`].
///
/// Call it from the main thread of a process that has no other and no child.
pub fn keep(keeper: Keeper) -> Result<u8, SandboxError> {
    let lifeline = adopt(keeper.lifeline)?;
    become_subreaper()?;
    hear_the_lifeline_alone()?;
    let deaths = Deaths::watch()?;
    let mut argv = keeper.command.into_iter();
    let program = argv.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(argv);
    bind_to_parent(&mut command, keeper.group);
    let child = command.spawn().map_err(|source| SandboxError::Spawn {
        program: program.to_string_lossy().into_owned(),
        source,
    })?;
    let child = Pid::from_child(&child);
    close_all_but(&[&lifeline, deaths.descriptor()]);
    let watch = Watch {
        lifeline,
        deaths,
        child,
        orphans: keeper.orphans,
        group: keeper.group,
    };
    let code = match watch.wait()? {
        End::Command(status) => exit_code(status),
        End::Owner => OWNER_DIED,
    };
    clear(&watch.deaths)?;
    Ok(code)
}

/// What ended the watch.
enum End {
    /// The command, with this wait status.
    Command(i32),
    /// The owner.
    Owner,
}

/// Whom the keeper watches, and for whom.
struct Watch {
    lifeline: OwnedFd,
    deaths: Deaths,
    child: Pid,
    orphans: Orphans,
    group: Group,
}

impl Watch {
    fn wait(&self) -> Result<End, SandboxError> {
        let mut killed = None;
        loop {
            // Not told about a death twice: the descriptor is emptied before the reaping.
            self.deaths.drain();
            while let Some((pid, status)) = reap() {
                if pid != self.child {
                    self.tell(&format!("orphan {} {status}\n", pid.as_raw_nonzero()));
                } else if self.orphans == Orphans::LiveOn && libc::WIFSIGNALED(status) {
                    killed = Some(status);
                    self.tell(&format!("command {status}\n"));
                } else {
                    return Ok(End::Command(status));
                }
            }
            match killed {
                Some(status) if is_childless() => return Ok(End::Command(status)),
                Some(_) => {}
                None => self.let_go_on(),
            }
            let mut watched = [
                PollFd::new(&self.lifeline, PollFlags::IN),
                PollFd::new(self.deaths.descriptor(), PollFlags::IN),
            ];
            match poll(&mut watched, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(SandboxError::system("wait for the command")(error)),
            }
            if !watched[0].revents().is_empty() && has_ended(&self.lifeline) {
                return Ok(End::Owner);
            }
        }
    }

    /// Says a line, where there is an owner who listens and reads.
    fn tell(&self, line: &str) {
        if self.orphans == Orphans::LiveOn {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = send(&self.lifeline, line.as_bytes(), flags);
        }
    }

    /// Continues the command if it was stopped by whom it is not to obey.
    ///
    /// Not after SIGTTIN and SIGTTOU: it would only be stopped again.
    fn let_go_on(&self) {
        if self.group == Group::Foreground {
            return;
        }
        let stops = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let stopped = waitid(WaitId::Pid(self.child), stops).ok().flatten();
        let signal = stopped.and_then(|status| status.stopping_signal());
        if matches!(signal, Some(libc::SIGSTOP | libc::SIGTSTP)) {
            let _ = kill_process(self.child, Signal::CONT);
        }
    }
}

/// Kills and buries all that is below this process.
fn clear(deaths: &Deaths) -> Result<(), SandboxError> {
    let clearing = Clearing::begin();
    loop {
        deaths.drain();
        while reap().is_some() {}
        let all = |snapshot: &Snapshot| snapshot.descendants(getpid());
        let Cleared::NotYet(look) = clearing.strike(all)? else {
            return Ok(());
        };
        let look = Timespec::try_from(look).ok();
        let _ = poll(
            &mut [PollFd::new(deaths.descriptor(), PollFlags::IN)],
            look.as_ref(),
        );
    }
}

/// The code a shell gives for a wait status.
fn exit_code(status: i32) -> u8 {
    let code = if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
