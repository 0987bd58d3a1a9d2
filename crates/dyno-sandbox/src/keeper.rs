//! `dyno keeper`: runs one command, and lets nothing of it outlive its owner.
//!
//! The owner holds the other end of the *lifeline*, a pipe or socket. When that end is
//! closed, by whatever road the owner died, the keeper kills every process below it,
//! daemons included, and ends. When the command ends first, what it left behind is
//! killed and the keeper ends as the command did.
//!
//! One thread, so that `PR_SET_PDEATHSIG` of the command holds as long as the keeper.

use crate::signals::block;
use crate::{
    Group, SandboxError, Strike, adopt, become_subreaper, bind_to_parent, ignore_signals, reap,
    strike,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::process::{Pid, Signal, getpid};
use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a killed tree may take to be gone. SIGKILL takes milliseconds; a process in
/// an uninterruptible wait (a dead network mount, a driver) takes as long as it likes,
/// and the owner is not made to wait for that one.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// Between two looks at a tree that is being killed: a death wakes the keeper earlier.
const LOOK: Duration = Duration::from_millis(20);

/// Signals that a terminal or a supervisor sends to the whole group. The keeper's end
/// comes by the lifeline alone.
const UNHEARD: [Signal; 5] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::PIPE,
];

/// The exit code where the owner died: that of a process killed by SIGKILL.
pub const OWNER_DIED: u8 = 128 + 9;

/// What to keep.
#[derive(Debug)]
pub struct Keeper {
    /// The descriptor whose end of file means that the owner died.
    pub lifeline: RawFd,
    /// Where the command stands towards the terminal.
    pub group: Group,
    /// Program and arguments.
    pub command: Vec<OsString>,
}

/// Runs the command and returns the keeper's exit code: the command's own, 128 plus the
/// number of the signal that ended it, or [`OWNER_DIED`].
///
/// Call it from the main thread of a process that has no other and no child.
pub fn keep(keeper: Keeper) -> Result<u8, SandboxError> {
    let lifeline = adopt(keeper.lifeline)?;
    become_subreaper()?;
    ignore_signals(&UNHEARD)?;
    let deaths = watch_deaths()?;
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
    let code = match wait(&lifeline, &deaths, child)? {
        End::Command(status) => exit_code(status),
        End::Owner => OWNER_DIED,
    };
    clear(&deaths)?;
    Ok(code)
}

/// What ended the watch.
enum End {
    /// The command, with this wait status.
    Command(i32),
    /// The owner.
    Owner,
}

fn wait(lifeline: &OwnedFd, deaths: &OwnedFd, child: Pid) -> Result<End, SandboxError> {
    loop {
        // Not told about a death twice: the descriptor is emptied before the reaping.
        drain(deaths);
        while let Some((pid, status)) = reap() {
            if pid == child {
                return Ok(End::Command(status));
            }
        }
        let mut watched = [
            PollFd::new(lifeline, PollFlags::IN),
            PollFd::new(deaths, PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(SandboxError::system("wait for the command")(error)),
        }
        if !watched[0].revents().is_empty() && ended(lifeline) {
            return Ok(End::Owner);
        }
    }
}

/// Kills and buries all that is below this process.
fn clear(deaths: &OwnedFd) -> Result<(), SandboxError> {
    let deadline = Instant::now() + MOST_WAIT;
    loop {
        drain(deaths);
        while reap().is_some() {}
        let found = strike(|snapshot| snapshot.descendants(getpid()))?;
        if found == Strike::Clear || Instant::now() >= deadline {
            return Ok(());
        }
        let look = Timespec::try_from(LOOK).ok();
        let _ = poll(&mut [PollFd::new(deaths, PollFlags::IN)], look.as_ref());
    }
}

/// A descriptor that is readable while a child is dead and not yet asked for.
fn watch_deaths() -> Result<OwnedFd, SandboxError> {
    let watch = || -> io::Result<OwnedFd> {
        let set = block(libc::SIGCHLD)?;
        // SAFETY: `set` is initialized, and -1 asks for a new descriptor.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    watch().map_err(SandboxError::system("watch for SIGCHLD"))
}

fn drain(deaths: &OwnedFd) {
    // A whole `signalfd_siginfo` has 128 bytes, and SIGCHLD is never queued twice.
    let mut info = [0_u8; 128];
    while matches!(read(deaths.as_fd(), &mut info[..]), Ok(1..)) {}
}

/// Whether the other end is closed. What is written to a lifeline is of no interest.
fn ended(lifeline: &OwnedFd) -> bool {
    let mut rest = [0_u8; 256];
    !matches!(
        read(lifeline.as_fd(), &mut rest[..]),
        Ok(1..) | Err(Errno::AGAIN | Errno::INTR)
    )
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
