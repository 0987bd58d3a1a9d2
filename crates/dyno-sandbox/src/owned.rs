//! What a process needs that lives for an owner: it notices the owner's end and its children's.

use crate::signals::block;
use crate::{SandboxError, ignore_signals};
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::process::Signal;
use std::io;
use std::os::fd::RawFd;

/// Signals that a terminal or a supervisor sends to the whole group. The keeper's end
/// comes by the lifeline alone.
const UNHEARD: [Signal; 5] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::PIPE,
];

/// Goes on through what a terminal or a supervisor sends to the whole group.
pub(crate) fn hear_the_lifeline_alone() -> Result<(), SandboxError> {
    ignore_signals(&UNHEARD)
}

/// Tells of dead children.
pub(crate) struct Deaths(OwnedFd);

impl Deaths {
    /// Begins to watch. The signal is blocked from here on.
    pub(crate) fn watch() -> Result<Self, SandboxError> {
        let watch = || -> io::Result<OwnedFd> {
            let set = block(libc::SIGCHLD)?;
            // SAFETY: `set` is initialized, and -1 asks for a new descriptor.
            let fd = unsafe {
                libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
            };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a new descriptor that nobody else has.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        };
        let watching = watch().map_err(SandboxError::system("watch for SIGCHLD"))?;
        Ok(Self(watching))
    }

    /// Readable while a child is dead and not yet asked for.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// Forgets what it has told. Call it before the dead are buried, so that none is missed.
    pub(crate) fn drain(&self) {
        // A whole `signalfd_siginfo` has 128 bytes, and SIGCHLD is never queued twice.
        let mut info = [0_u8; 128];
        while matches!(read(self.0.as_fd(), &mut info[..]), Ok(1..)) {}
    }
}

/// Closes all but these and the standard streams. Whoever holds the other end of a socket that
/// was only passed on sees it closed when its user has ended, and not when this process has.
pub(crate) fn close_all_but(kept: &[&OwnedFd]) {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<RawFd> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers {
        let is_kept = kept.iter().any(|fd| fd.as_raw_fd() == number);
        if number > libc::STDERR_FILENO && !is_kept {
            // SAFETY: nothing here owns it but, for the folder that has been read, an
            // iterator that is gone: this process was started with it.
            unsafe { libc::close(number) };
        }
    }
}

/// Whether the other end is closed. What is written to a lifeline is of no interest.
pub(crate) fn has_ended(lifeline: &OwnedFd) -> bool {
    let mut rest = [0_u8; 256];
    !matches!(
        read(lifeline.as_fd(), &mut rest[..]),
        Ok(1..) | Err(Errno::AGAIN | Errno::INTR)
    )
}
