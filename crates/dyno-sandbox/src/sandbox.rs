//! `dyno sandbox`: holds up the walls of one sandbox for as long as its owner wants them.
//!
//! The owner holds the other end of the *lifeline*, a socket. Over it the sandbox says, in lines,
//! which walls stand:
//!
//! ```text
//! missing WALL WHY       a wall that cannot be built here
//! ungrouped WHY          a control group was wanted, and could not be made
//! built NAMESPACES       the others stand. NAMESPACES are the flags of setns(2) by which another
//!                        process gets behind the same walls
//! ```
//!
//! With the first byte of this travels, as `SCM_RIGHTS`, the descriptor of the first process, if
//! walls stand. Then it does what the owner asks for, in lines ([`Request`]), one after the other:
//!
//! ```text
//! admit PID              let this process into the group, with all that it starts from then on
//!     admitted           it is in
//!     ungrouped WHY      it is not
//! look                   what is left behind the walls?
//!     leak KIND AGE WHAT see [`crate::leaks::Leak`]
//!     looked             that is all
//! ```
//!
//! When the owner's end is closed, by whatever road, the first process is killed, and the kernel
//! kills all that share its wall of processes. Then all that is left in the group is killed, and
//! the group removed. Where there is neither a wall of processes nor a group, those are killed that
//! bear the marks of the unit ([`crate::Marks`]).

use crate::cgroup::Group;
use crate::leaks::{Round, look, shares_namespace};
use crate::owned::{Deaths, close_all_but, hear_the_lifeline_alone};
use crate::walls::{Blueprint, Init, Missing, build_what_can_be};
use crate::{Marks, SandboxError, adopt, reap};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use rustix::thread::UnshareFlags;
use std::fmt;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Builds a sandbox and holds it up until the other end of `lifeline` is closed, or until its
/// first process has ended.
///
/// Call it from the main thread of a process that has no other and no child.
pub fn hold(lifeline: RawFd, wanted: Wanted) -> Result<(), SandboxError> {
    let Wanted {
        blueprint,
        group,
        marks,
    } = wanted;
    let lifeline = adopt(lifeline)?;
    hear_the_lifeline_alone()?;
    let deaths = Deaths::watch()?;
    close_all_but(&[&lifeline, deaths.descriptor()]);
    let (init, missing) = build_what_can_be(&blueprint, || bury_for_ever(&deaths));
    let mut sandbox = Sandbox {
        lifeline,
        init,
        group,
        marks,
        tmp: blueprint.folder.join("tmp"),
    };
    let done = sandbox.serve(&deaths, &missing);
    match &sandbox.group {
        Some(group) => group.clear(),
        None if sandbox.walled_in().is_none() => sandbox.marks.clear(),
        None => {}
    }
    done
}

/// A sandbox that is to be held up.
#[derive(Debug)]
pub struct Wanted {
    /// Its walls.
    pub blueprint: Blueprint,
    /// Its control group, if there can be one.
    pub group: Option<Group>,
    /// What its processes are known by, where neither stands.
    pub marks: Marks,
}

/// What the owner of a sandbox can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Let this process into the group. Whoever enters a group waits for the kernel, up to 20 ms
    /// (`cgroup_threadgroup_rwsem`), which is nothing that the process should wait for itself.
    Admit(Pid),
    /// Say what is left.
    Look,
}

/// One line.
impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit(pid) => writeln!(out, "admit {}", pid.as_raw_nonzero()),
            Self::Look => writeln!(out, "look"),
        }
    }
}

impl Request {
    /// Reads what [`fmt::Display`] writes; `None` for what it does not.
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "look" => Some(Self::Look),
            Some(("admit", pid)) => Pid::from_raw(pid.parse().ok()?).map(Self::Admit),
            _ => None,
        }
    }
}

/// What this process holds up.
struct Sandbox {
    lifeline: OwnedFd,
    init: Option<Init>,
    group: Option<Group>,
    marks: Marks,
    /// Its `/tmp`, outside.
    tmp: PathBuf,
}

impl Sandbox {
    fn serve(&mut self, deaths: &Deaths, missing: &[Missing]) -> Result<(), SandboxError> {
        let formed = self.form_group();
        self.tell(missing, formed.err())?;
        let mut is_wanted = true;
        loop {
            let mut watched = [
                PollFd::new(deaths.descriptor(), PollFlags::IN),
                PollFd::new(&self.lifeline, PollFlags::IN),
            ];
            // A lifeline that has ended is always readable.
            let watched = &mut watched[..if is_wanted { 2 } else { 1 }];
            match poll(watched, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(SandboxError::system("wait for the owner")(error)),
            }
            if is_wanted && !watched[1].revents().is_empty() {
                if let Some(requests) = self.hear() {
                    for request in requests {
                        self.answer(request);
                    }
                } else {
                    let Some(init) = &self.init else {
                        return Ok(());
                    };
                    is_wanted = false;
                    // It may have ended already.
                    let _ = pidfd_send_signal(&init.pidfd, Signal::KILL);
                }
            }
            deaths.drain();
            // Its end comes when all behind its wall of processes are dead.
            if reap().is_some_and(|(pid, _)| self.init.as_ref().is_some_and(|init| init.pid == pid))
            {
                return Ok(());
            }
        }
    }

    /// The first process, if a wall of processes is round it.
    fn walled_in(&self) -> Option<&Init> {
        let is_wall = |init: &&Init| init.namespaces.contains(UnshareFlags::NEWPID);
        self.init.as_ref().filter(is_wall)
    }

    /// Makes the group, if one is wanted. The first process stays out of it: it does nothing that
    /// counts, and is killed by its own descriptor.
    fn form_group(&mut self) -> Result<(), SandboxError> {
        let formed = self.group.as_ref().map_or(Ok(()), Group::create);
        if formed.is_err()
            && let Some(group) = self.group.take()
        {
            group.clear();
        }
        formed
    }

    /// What the owner asks for; `None` once it is gone. A line is written in one piece.
    fn hear(&self) -> Option<Vec<Request>> {
        let mut bytes = [0_u8; 256];
        match read(self.lifeline.as_fd(), &mut bytes[..]) {
            Ok(count @ 1..) => {
                let text = String::from_utf8_lossy(&bytes[..count]);
                Some(text.lines().filter_map(Request::parse).collect())
            }
            Err(Errno::AGAIN | Errno::INTR) => Some(Vec::new()),
            Ok(0) | Err(_) => None,
        }
    }

    fn answer(&self, request: Request) {
        match request {
            Request::Admit(pid) => {
                let admitted = self.admit(pid);
                self.say(&admitted.map_or_else(ungrouped, |()| "admitted\n".to_owned()));
            }
            Request::Look => self.tell_what_is_left(),
        }
    }

    fn admit(&self, pid: Pid) -> Result<(), SandboxError> {
        let (Some(group), walled_in) = (&self.group, self.walled_in()) else {
            return Err(SandboxError::NoGroup);
        };
        // Not one that has its number since it ended.
        if walled_in.is_some_and(|init| !shares_namespace(init.pid, pid)) {
            return Err(SandboxError::Outside(pid.as_raw_nonzero().get()));
        }
        group.admit(pid)
    }

    fn tell_what_is_left(&self) {
        let first = self.init.as_ref().map(|init| init.pid);
        let round = match (self.walled_in(), &self.group) {
            (Some(init), _) => Round::Wall(init.pid),
            (None, Some(group)) => Round::Group(group, first),
            (None, None) => Round::Nothing(&self.marks),
        };
        let leaks = look(first, &self.tmp, &round);
        let mut lines: Vec<String> = leaks.iter().map(|leak| format!("leak {leak}\n")).collect();
        lines.push("looked\n".to_owned());
        self.say(&lines.concat());
    }

    /// Whoever asked may be gone, or not read: then nobody is told.
    fn say(&self, lines: &str) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let _ = send(&self.lifeline, lines.as_bytes(), flags);
    }

    fn tell(
        &self,
        missing: &[Missing],
        no_group: Option<SandboxError>,
    ) -> Result<(), SandboxError> {
        let mut lines: Vec<String> = missing
            .iter()
            .map(|Missing { wall, why }| format!("missing {wall} {}\n", why.replace('\n', " ")))
            .collect();
        lines.extend(no_group.map(ungrouped));
        let mut descriptors = Vec::new();
        if let Some(init) = &self.init {
            lines.push(format!("built {}\n", init.namespaces.bits()));
            descriptors.push(init.pidfd.as_fd());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let lines = lines.concat();
        let whole = [IoSlice::new(lines.as_bytes())];
        sendmsg(&self.lifeline, &whole, &mut ancillary, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(SandboxError::system("tell the owner which walls stand"))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `Option::map`")]
fn ungrouped(error: SandboxError) -> String {
    format!("ungrouped {error}\n")
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
