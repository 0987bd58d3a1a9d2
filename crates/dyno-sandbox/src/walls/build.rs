//! Builds a sandbox around its first process.

use super::network::Failed;
use super::{Blueprint, Missing, Wall, mounts, network, users};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, set_parent_process_death_signal,
    waitpid,
};
use rustix::thread::UnshareFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::RawFd;

/// The first process of a sandbox.
#[derive(Debug)]
pub struct Init {
    /// Its id, outside.
    pub pid: Pid,
    /// Holds on to it. `setns(2)` takes it for all of its namespaces.
    pub pidfd: OwnedFd,
    /// Those that it does not share with its parent.
    pub namespaces: UnshareFlags,
}

/// Builds what the blueprint names, and lets the first process call `first` and end with what
/// that returns. It is killed when the calling *thread* dies.
///
/// Call it from a process with one thread: `first` runs in a copy of it, in which no other is.
pub fn build(blueprint: &Blueprint, first: impl FnOnce() -> u8) -> Result<Init, Missing> {
    let mut own_users = !users::is_root();
    loop {
        match attempt(blueprint, own_users) {
            // A root that may not build walls is, in a namespace of users, one that may.
            Err(Attempt::Refused) if !own_users => own_users = true,
            Err(Attempt::Refused) => return Err(refused(blueprint)),
            Err(Attempt::Missing(missing)) => return Err(missing),
            Ok(Side::Outside(init)) => return Ok(init),
            Ok(Side::Inside) => {
                let code = first();
                // SAFETY: it ends this process without what the caller has registered for its own
                // end, of which this is a copy.
                unsafe { libc::_exit(i32::from(code)) }
            }
        }
    }
}

/// As [`build`], without the walls that cannot be built here, which are named. No [`Init`] where
/// there is none that can.
pub fn build_what_can_be(
    blueprint: &Blueprint,
    first: impl Fn() -> u8,
) -> (Option<Init>, Vec<Missing>) {
    let mut blueprint = blueprint.clone();
    let mut missing: Vec<Missing> = Vec::new();
    if !can_be_entered() {
        let why = "setns(2) takes no descriptor of a process before Linux 5.8".to_owned();
        let none = |wall: Wall| Missing {
            wall,
            why: why.clone(),
        };
        return (None, blueprint.walls.into_iter().map(none).collect());
    }
    while !blueprint.walls.is_empty() {
        match build(&blueprint, &first) {
            Ok(init) => return (Some(init), missing),
            Err(one) => {
                let rest = blueprint.without(one.wall);
                for &wall in &blueprint.walls {
                    if wall != one.wall && !rest.has(wall) {
                        let why = format!("needs {}", one.wall);
                        missing.push(Missing { wall, why });
                    }
                }
                missing.push(one);
                blueprint = rest;
            }
        }
    }
    (None, missing)
}

/// Whether another process could get behind walls by the descriptor of the first one there.
fn can_be_entered() -> bool {
    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        return false;
    };
    // To where it is already. That it may not is an answer to another question.
    // SAFETY: a call of numbers alone, which changes nothing that Rust relies on.
    let moved = unsafe { libc::setns(own.as_raw_fd(), libc::CLONE_NEWUTS) };
    moved == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL)
}

enum Side {
    Inside,
    Outside(Init),
}

enum Attempt {
    /// No process with such namespaces could be made.
    Refused,
    /// It was made, and a wall could not be finished.
    Missing(Missing),
}

fn attempt(blueprint: &Blueprint, own_users: bool) -> Result<Side, Attempt> {
    let unexpected = |what: &'static str| {
        move |error: Errno| Attempt::Missing(because(blueprint, what, &error.into()))
    };
    let (go, may_go) = pipe_with(PipeFlags::CLOEXEC).map_err(unexpected("make a pipe"))?;
    let (said, say) = pipe_with(PipeFlags::CLOEXEC).map_err(unexpected("make a pipe"))?;
    let mut flags: UnshareFlags = blueprint.walls.iter().map(|wall| wall.flag()).collect();
    flags.set(UnshareFlags::NEWUSER, own_users);
    let outside = pidfd_open(getpid(), PidfdFlags::empty());
    let outside = outside.map_err(unexpected("open this process"))?;
    let Some(init) = clone_with(flags).map_err(|_| Attempt::Refused)? else {
        drop((may_go, said));
        match prepare(blueprint, &go, &outside) {
            // That it closes its end of the pipe is the news.
            Ok(()) => return Ok(Side::Inside),
            Err((wall, (what, error))) => {
                let said = format!("{wall} {what}: {error}");
                let _ = write(&say, said.as_bytes());
                // SAFETY: as in `build`.
                unsafe { libc::_exit(1) }
            }
        }
    };
    drop((go, say));
    let mapped = if own_users {
        users::keep_own_ids(init.pid)
    } else {
        Ok(())
    };
    // Without the byte it ends.
    if mapped.is_ok() {
        let _ = write(&may_go, b"g");
    }
    drop(may_go);
    let mut why = String::new();
    let _ = File::from(said).read_to_string(&mut why);
    if mapped.is_ok() && why.is_empty() {
        return Ok(Side::Outside(init));
    }
    let _ = waitpid(Some(init.pid), WaitOptions::empty());
    Err(Attempt::Missing(match mapped {
        Err(error) => because(blueprint, "give its ids to a user namespace", &error),
        Ok(()) => parse(&why),
    }))
}

/// What the first process does before it is let go on.
fn prepare(blueprint: &Blueprint, go: &OwnedFd, outside: &OwnedFd) -> Result<(), (Wall, Failed)> {
    let orphaned = || (any_of(blueprint), ("wait to be let in", Errno::PIPE.into()));
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    bound.map_err(|error| (any_of(blueprint), ("be bound to its parent", error.into())))?;
    // A parent that died before the line above sends nothing any more, and behind a wall of
    // processes it has no id to be known by.
    let mut parent = [PollFd::new(outside, PollFlags::IN)];
    if !matches!(poll(&mut parent, Some(&Timespec::default())), Ok(0)) {
        return Err(orphaned());
    }
    if !matches!(read(go, &mut [0_u8; 1]), Ok(1)) {
        return Err(orphaned());
    }
    if blueprint.has(Wall::Mount) {
        mounts::set_up(blueprint).map_err(|failed| (Wall::Mount, failed))?;
    }
    if blueprint.has(Wall::Pid) {
        mounts::show_processes().map_err(|failed| (Wall::Pid, failed))?;
    }
    if blueprint.has(Wall::Net) {
        network::set_up().map_err(|failed| (Wall::Net, failed))?;
    }
    Ok(())
}

fn because(blueprint: &Blueprint, what: &str, error: &io::Error) -> Missing {
    let wall = any_of(blueprint);
    let why = format!("{what}: {error}");
    Missing { wall, why }
}

/// Which wall is blamed for what is no wall's.
fn any_of(blueprint: &Blueprint) -> Wall {
    blueprint.walls.first().copied().unwrap_or(Wall::Pid)
}

/// The wall for which no process can be made, out of several.
fn refused(blueprint: &Blueprint) -> Missing {
    let mut tried = blueprint
        .walls
        .iter()
        .map(|&wall| (wall, try_clone(wall.flag())));
    let (wall, error) = tried
        .find_map(|(wall, tried)| Some((wall, tried.err()?)))
        // Each alone can be had: there are too many of them, then.
        .unwrap_or((any_of(blueprint), Errno::NOSPC));
    let why = format!("make a process in a namespace of its own: {error}");
    Missing { wall, why }
}

/// Makes a process in a namespace of users, which ends at once.
pub(crate) fn try_users() -> Result<(), Errno> {
    try_once(UnshareFlags::NEWUSER)
}

/// Makes a process in such namespaces, which ends at once.
fn try_clone(flags: UnshareFlags) -> Result<(), Errno> {
    if users::is_root() && try_once(flags).is_ok() {
        return Ok(());
    }
    try_once(flags | UnshareFlags::NEWUSER)
}

fn try_once(flags: UnshareFlags) -> Result<(), Errno> {
    match clone_with(flags)? {
        Some(init) => waitpid(Some(init.pid), WaitOptions::empty()).map(drop),
        // SAFETY: as in `build`.
        None => unsafe { libc::_exit(0) },
    }
}

/// Forks into new namespaces. `None` in the child.
fn clone_with(flags: UnshareFlags) -> Result<Option<Init>, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all zeros is a valid value of this struct of numbers, and asks for nothing.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.bits()) | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: `args` is initialized, of the size that is given, and outlives the call. Without
    // CLONE_VM and with one thread this is a fork: the child has a copy of all memory.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    if pid < 0 {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOSYS));
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    // SAFETY: a new descriptor that nobody else has.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Some(Init {
        pid,
        pidfd,
        namespaces: flags,
    }))
}

/// What the first process could not do, as it said it: `WALL WHAT`.
fn parse(said: &str) -> Missing {
    let (wall, why) = said.split_once(' ').unwrap_or(("", said));
    Missing {
        wall: wall.parse().unwrap_or(Wall::Pid),
        why: why.to_owned(),
    }
}
