//! Signal dispositions: what a keeper does not hear, and what its child must hear again.

use crate::SandboxError;
use rustix::process::Signal;
use std::io;

/// Lets this process go on through these signals.
///
/// `SIG_IGN` survives `exec`: what is spawned from here calls [`default_signals`].
pub fn ignore_signals(signals: &[Signal]) -> Result<(), SandboxError> {
    for &signal in signals {
        // SAFETY: SIG_IGN is a disposition, no function: nothing of ours will run in a
        // signal handler.
        if unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) } == libc::SIG_ERR {
            let error = io::Error::last_os_error();
            return Err(SandboxError::system("ignore a signal")(error));
        }
    }
    Ok(())
}

/// Gives every signal its default disposition and unblocks all. For use between `fork`
/// and `exec`: it makes nothing but async-signal-safe calls (`signal-safety(7)`).
pub fn default_signals() -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a disposition, no function. SIGKILL, SIGSTOP and the two
        // that libc keeps for itself refuse, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    set_mask(&empty_mask()).map(drop)
}

/// Blocks one signal, for `signalfd`.
pub(crate) fn block(signal: i32) -> io::Result<libc::sigset_t> {
    let mut set = empty_mask();
    // SAFETY: `set` is an initialized set, and the number is checked by the call.
    if unsafe { libc::sigaddset(&raw mut set, signal) } != 0 {
        return Err(io::Error::last_os_error());
    }
    set_mask(&set)?;
    Ok(set)
}

fn empty_mask() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset initializes the set that it is given, and cannot fail.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn set_mask(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is an initialized set; the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) };
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}
