//! How a process ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessExit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It is gone, and nobody could say how.
    Unknown,
}

impl ProcessExit {
    /// Reads a raw wait status as `waitpid` gives it.
    pub fn from_wait_status(status: i32) -> Self {
        let signal = status & 0x7f;
        if signal == 0 {
            Self::Code((status >> 8) & 0xff)
        } else if signal == 0x7f {
            Self::Unknown
        } else {
            Self::Signal(signal)
        }
    }

    /// True for exit code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(to, "exit code {code}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(to, "{name}"),
                None => write!(to, "signal {number}"),
            },
            Self::Unknown => to.write_str("an unknown exit"),
        }
    }
}

/// Linux's names for the signals that end a process (`signal(7)`, x86 and Arm numbers).
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_is_read_as_linux_writes_it() {
        assert_eq!(ProcessExit::from_wait_status(0), ProcessExit::Code(0));
        assert_eq!(ProcessExit::from_wait_status(2 << 8), ProcessExit::Code(2));
        assert_eq!(ProcessExit::from_wait_status(11), ProcessExit::Signal(11));
        // A core dump sets bit 7.
        assert_eq!(ProcessExit::from_wait_status(0x8b), ProcessExit::Signal(11));
        assert_eq!(ProcessExit::Signal(11).to_string(), "SIGSEGV");
        assert_eq!(ProcessExit::Signal(63).to_string(), "signal 63");
    }
}
