//! `dyno sandbox`: holds up the walls of one sandbox for as long as its owner wants them.
//!
//! The owner holds the other end of the *lifeline*, a socket. Over it the sandbox says, in lines,
//! which walls stand:
//!
//! ```text
//! missing WALL WHY       a wall that cannot be built here
//! built NAMESPACES       the others stand; with the line's first byte travels, as SCM_RIGHTS, the
//!                        descriptor of the first process. NAMESPACES are the flags of setns(2)
//!                        by which another process gets behind the same walls
//! ```
//!
//! Any byte that the owner writes asks what is left behind the walls. The answer:
//!
//! ```text
//! leak KIND AGE WHAT     see [`crate::leaks::Leak`]
//! looked                 that is all
//! ```
//!
//! When the owner's end is closed, by whatever road, the first process is killed, and the kernel
//! kills all that share its wall of processes.

use crate::leaks::look;
use crate::owned::{Deaths, close_all_but, has_ended, hear_the_lifeline_alone};
use crate::walls::{Blueprint, Init, Missing, build_what_can_be};
use crate::{SandboxError, adopt, reap};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::thread::UnshareFlags;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::path::Path;

/// Builds a sandbox and holds it up until the other end of `lifeline` is closed, or until its
/// first process has ended.
///
/// Call it from the main thread of a process that has no other and no child.
pub fn hold(lifeline: RawFd, blueprint: &Blueprint) -> Result<(), SandboxError> {
    let lifeline = adopt(lifeline)?;
    hear_the_lifeline_alone()?;
    let deaths = Deaths::watch()?;
    close_all_but(&[&lifeline, deaths.descriptor()]);
    let (init, missing) = build_what_can_be(blueprint, || bury_for_ever(&deaths));
    tell(&lifeline, init.as_ref(), &missing)?;
    let Some(init) = init else {
        return Ok(());
    };
    loop {
        let mut watched = [
            PollFd::new(&lifeline, PollFlags::IN),
            PollFd::new(deaths.descriptor(), PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(SandboxError::system("wait for the owner")(error)),
        }
        if !watched[0].revents().is_empty() {
            if has_ended(&lifeline) {
                // It may have ended already.
                let _ = pidfd_send_signal(&init.pidfd, Signal::KILL);
            } else {
                tell_what_is_left(&lifeline, &init, &blueprint.folder);
            }
        }
        deaths.drain();
        // Its end comes when all behind its wall of processes are dead.
        if reap().is_some_and(|(pid, _)| pid == init.pid) {
            return Ok(());
        }
    }
}

/// Whoever asked may be gone, or not read: then nobody is told.
fn tell_what_is_left(lifeline: &OwnedFd, init: &Init, folder: &Path) {
    let has_own_processes = init.namespaces.contains(UnshareFlags::NEWPID);
    let leaks = look(init.pid, &folder.join("tmp"), has_own_processes);
    let mut lines: Vec<String> = leaks.iter().map(|leak| format!("leak {leak}\n")).collect();
    lines.push("looked\n".to_owned());
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = send(lifeline, lines.concat().as_bytes(), flags);
}

/// The life of the first process: what loses its parent behind the walls falls to it.
fn bury_for_ever(deaths: &Deaths) -> u8 {
    close_all_but(&[deaths.descriptor()]);
    loop {
        deaths.drain();
        while reap().is_some() {}
        let mut watched = [PollFd::new(deaths.descriptor(), PollFlags::IN)];
        if !matches!(poll(&mut watched, None), Ok(_) | Err(Errno::INTR)) {
            return 1;
        }
    }
}

fn tell(lifeline: &OwnedFd, init: Option<&Init>, missing: &[Missing]) -> Result<(), SandboxError> {
    let told = SandboxError::system("tell the owner which walls stand");
    let said = |Missing { wall, why }: &Missing| {
        let why = why.replace('\n', " ");
        format!("missing {wall} {why}\n")
    };
    let mut lines: Vec<String> = missing.iter().map(said).collect();
    let Some(init) = init else {
        return send(lifeline, lines.concat().as_bytes(), SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(told);
    };
    lines.push(format!("built {}\n", init.namespaces.bits()));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [init.pidfd.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let lines = lines.concat();
    let whole = [IoSlice::new(lines.as_bytes())];
    sendmsg(lifeline, &whole, &mut ancillary, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(told)
}
