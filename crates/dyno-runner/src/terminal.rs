//! dyno's terminal, lent to a test for as long as a debugger asks in it.
//!
//! A run's processes have a process group of their own, so that Ctrl-C reaches dyno alone.
//! A debugger needs it otherwise: while it asks, that group is the terminal's foreground,
//! reads what is typed and is interrupted by Ctrl-C, and dyno is not.

use crate::RunRequest;
use crate::spawn::Stdio;
use dyno_wire::template::Input;
use rustix::process::{Pid, getpgid, getpgrp};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};
use std::io::stdin;

/// What tests may read. A terminal is not read by several, nor from its background.
pub(crate) fn input(request: &RunRequest) -> Input {
    let settings = &request.settings;
    if settings.slots(request.processors, None, false) > 1 {
        // An ini file may say `--pdb`, which is known only when pytest has read it.
        return if in_foreground() {
            Input::Lent
        } else {
            Input::None
        };
    }
    if !isatty(stdin()) {
        Input::Shared
    } else if in_foreground() {
        Input::Lent
    } else {
        Input::None
    }
}

fn in_foreground() -> bool {
    tcgetpgrp(stdin()) == Ok(getpgrp())
}

/// The template's standard streams.
pub(crate) fn stdio(request: &RunRequest) -> Stdio {
    match input(request) {
        Input::Shared => Stdio::Reading,
        // A terminal that cannot be lent is shared for good, and Ctrl-C with it.
        Input::None if request.settings.debugger => Stdio::Foreground,
        Input::None | Input::Lent => Stdio::Background,
    }
}

/// Where dyno's terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    Here,
    Lent,
}

impl Terminal {
    /// Makes the group of this process the terminal's foreground.
    pub(crate) fn lend(&mut self, process: u32) {
        // Without it this process would be stopped where it takes the terminal back. It
        // starts none after this that would inherit it.
        // SAFETY: SIG_IGN runs no code of ours.
        unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let group = process.and_then(|pid| getpgid(Some(pid)).ok());
        if let Some(group) = group
            && tcsetpgrp(stdin(), group).is_ok()
        {
            *self = Self::Lent;
        }
    }

    /// Makes the group of dyno the foreground again, if it is not.
    pub(crate) fn take_back(&mut self) {
        if *self == Self::Lent {
            let _ = tcsetpgrp(stdin(), getpgrp());
            *self = Self::Here;
        }
    }
}
