//! One process, told from a later one of the same id.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A process as `/proc/PID/stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// Its parent's id; `None` for the first process of a namespace.
    pub parent: Option<Pid>,
    /// Its process group.
    pub group: i32,
    /// Its session: the id of the process that called `setsid`.
    pub session: i32,
    /// When it started, in clock ticks since boot. With the id this names one process.
    pub started: u64,
    /// Set where it has ended and waits to be reaped. Threads of it may live on.
    pub zombie: bool,
    /// Set where a signal or a tracer has stopped it.
    pub stopped: bool,
}

impl Process {
    /// Reads a process; `None` where it is gone.
    pub fn read(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        Self::parse(&stat)
    }

    /// Reads a line of `/proc/PID/stat` (`proc_pid_stat(5)`). The second field is the
    /// program's name in parentheses and may hold spaces, parentheses and line ends.
    pub(crate) fn parse(stat: &[u8]) -> Option<Self> {
        let name_starts = stat.iter().position(|&byte| byte == b'(')?;
        let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
        let pid = str::from_utf8(stat.get(..name_starts)?).ok()?.trim();
        let rest = str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of the manual, the state, is the first after the name.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            parent: Pid::from_raw(field(4)?.parse().ok()?),
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
            zombie: matches!(field(3)?, "Z" | "X"),
            stopped: matches!(field(3)?, "T" | "t"),
        })
    }

    /// Opens a descriptor of exactly this process, readable once it has ended;
    /// [`Errno::SRCH`] where it is gone.
    ///
    /// An id can be given to another process between a look at `/proc` and the call, so
    /// the start is compared once the descriptor holds on to the id.
    pub fn open(&self) -> Result<OwnedFd, Errno> {
        let fd = pidfd_open(self.pid, PidfdFlags::empty())?;
        if self.exists() {
            Ok(fd)
        } else {
            Err(Errno::SRCH)
        }
    }

    /// Waits until it has ended, and no longer than so long. For whoever is not told of its
    /// death, because it is another's child.
    pub(crate) fn wait(&self, most: Duration) {
        if let Ok(pidfd) = self.open() {
            let most = Timespec::try_from(most).ok();
            let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], most.as_ref());
        }
    }

    /// Whether it is still there, be it as a zombie.
    pub fn exists(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Sends a signal to exactly this process; nothing where it is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        let sent = match self.open() {
            Ok(fd) => pidfd_send_signal(&fd, signal),
            // Linux before 5.3, and containers whose seccomp profile is older than the
            // call (Docker 20.10 with an old libseccomp answers EPERM).
            Err(Errno::NOSYS | Errno::PERM) if self.exists() => kill_process(self.pid, signal),
            Err(error) => Err(error),
        };
        match sent {
            Err(Errno::SRCH) => Ok(()),
            other => other,
        }
    }

    /// Whether the process was started with `NAME=VALUE` (given whole) in its environment.
    /// False where that cannot be read.
    pub fn was_given(&self, variable: &[u8]) -> bool {
        fs::read(format!("/proc/{}/environ", self.pid.as_raw_nonzero()))
            .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|one| one == variable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let line = b"42 (a) Z 1 (b\n) S 7 41 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99 1 1\n";
        let process = Process::parse(line).unwrap();
        assert_eq!(process.pid, Pid::from_raw(42).unwrap());
        assert_eq!(process.parent, Pid::from_raw(7));
        assert_eq!((process.group, process.session), (41, 42));
        assert_eq!(process.started, 99);
        assert!(!process.zombie);
    }

    #[test]
    fn this_process_is_found_in_proc() {
        let own = Process::read(rustix::process::getpid()).unwrap();
        assert_eq!(own.parent, rustix::process::getppid());
        assert!(own.open().is_ok());
        let earlier = Process {
            started: own.started - 1,
            ..own
        };
        let error = earlier.open().unwrap_err();
        assert_eq!(error, Errno::SRCH, "another start is another process");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Process::parse(&line);
        }
    }
}
