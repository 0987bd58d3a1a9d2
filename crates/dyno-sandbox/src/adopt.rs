//! Descriptors that the starting process passed on by number.

use crate::SandboxError;
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::os::fd::RawFd;

/// Takes an inherited descriptor over, and keeps it from the processes to come. The
/// number is one that the command line was given, for this process to own.
pub fn adopt(fd: RawFd) -> Result<OwnedFd, SandboxError> {
    if fd < 0 {
        return Err(SandboxError::NotOpen(fd));
    }
    // SAFETY: it is only asked whether it is open; nothing else here knows the number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = fcntl_getfd(borrowed).map_err(|_| SandboxError::NotOpen(fd))?;
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).map_err(SandboxError::system(
        "keep a descriptor from other processes",
    ))?;
    // SAFETY: it is open, and was given to this process to own.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
