//! What is told of the sandboxes of sealed tests.

use crate::{Bytes, TestId, micros};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Something that a sealed worker left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaked {
    /// `process`, `shm` (a file in `/dev/shm`) or `file` (something in `/tmp`).
    pub kind: String,
    /// A command line with its ports, or a name.
    pub what: String,
    /// The test that ran when it came to be; absent where none did, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestId>,
}

/// A wall of a sandbox that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingWall {
    /// Its name: `net`, `mount`, `pid`, `ipc`, `uts`, or `all`.
    pub wall: String,
    /// What was tried, and what the kernel said.
    pub why: String,
}

/// What becomes of a test that leaves something behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeakPolicy {
    /// It is named in the summary.
    #[default]
    Warn,
    /// It has an error, too.
    Fail,
}

/// What a sealed unit may have of the machine at most; without an end where it is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes together, with what it keeps in `/dev/shm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processes and threads at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

impl Limits {
    /// What holds where tests of both kinds are in one unit: the greater of each.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.zip(other.memory).map(|(one, two)| one.max(two)),
            processes: (self.processes.zip(other.processes)).map(|(one, two)| one.max(two)),
        }
    }

    /// What the kernel did for want of memory, in words; `None` where it killed nobody.
    pub fn killed(self, usage: &Usage) -> Option<String> {
        let processes = match usage.oom_kills {
            0 => return None,
            1 => "1 process".to_owned(),
            count => format!("{count} processes"),
        };
        let peak = usage.peak.map(|peak| format!(" (peak {peak})"));
        let peak = peak.unwrap_or_default();
        Some(match self.memory.filter(|_| usage.shortages > 0) {
            Some(limit) => format!(
                "killed by the kernel: memory limit of {limit} exceeded{peak}, {processes} killed"
            ),
            None => format!(
                "killed by the kernel: no memory was left outside the unit's own limit{peak}, \
                 {processes} killed"
            ),
        })
    }

    /// What the kernel refused for want of processes, in words; `None` where it refused nothing.
    pub fn refused(self, usage: &Usage) -> Option<String> {
        let times = match usage.refused_forks {
            0 => return None,
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let limit = self.processes?;
        Some(format!(
            "process limit of {limit} reached: a fork failed {times} (EAGAIN)"
        ))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// `memory-limit`
    Memory,
    /// `process-limit`
    Processes,
}

impl LimitKind {
    /// The key by which it is asked for.
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory-limit",
            Self::Processes => "process-limit",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.key())
    }
}

/// A limit that was asked for and cannot be held here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingLimit {
    /// Which.
    pub limit: LimitKind,
    /// What was tried, and what the kernel said.
    pub why: String,
}

/// What the processes of a sealed unit used, all together, as the kernel counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The most memory at one time, with the page cache that it filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Bytes>,
    /// What of it was page cache at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Bytes>,
    /// Processor time in programs.
    #[serde(
        default,
        with = "micros::maybe",
        rename = "user_us",
        skip_serializing_if = "Option::is_none"
    )]
    pub user: Option<Duration>,
    /// Processor time in the kernel.
    #[serde(
        default,
        with = "micros::maybe",
        rename = "system_us",
        skip_serializing_if = "Option::is_none"
    )]
    pub system: Option<Duration>,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u64,
    /// How often memory was wanted beyond the limit.
    pub shortages: u64,
    /// Processes and threads that were refused because of the limit.
    pub refused_forks: u64,
}

impl Usage {
    /// Processor time.
    pub fn cpu(&self) -> Option<Duration> {
        Some(self.user? + self.system?)
    }

    /// Memory without the page cache, which the kernel takes back as it likes: what it was is
    /// known of the end alone.
    pub fn own_memory(&self) -> Option<Bytes> {
        let cache = self.cache.map_or(0, |cache| cache.0);
        Some(Bytes(self.peak?.0.saturating_sub(cache)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        memory: Some(Bytes(512 << 20)),
        processes: Some(64),
    };

    #[test]
    fn who_was_out_of_memory_is_told() {
        let usage = |oom_kills, shortages| Usage {
            peak: Some(Bytes(511 << 20)),
            oom_kills,
            shortages,
            ..Usage::default()
        };
        assert_eq!(LIMITS.killed(&usage(0, 9)), None, "the kernel found some");
        assert_eq!(
            LIMITS.killed(&usage(2, 1)).unwrap(),
            "killed by the kernel: memory limit of 512 MiB exceeded (peak 511 MiB), 2 processes \
             killed"
        );
        for (limits, shortages) in [(Limits::default(), 1), (LIMITS, 0)] {
            let said = limits.killed(&usage(1, shortages)).unwrap();
            assert!(said.contains("no memory was left outside"), "{said}");
            assert!(said.ends_with(", 1 process killed"), "{said}");
        }
    }

    #[test]
    fn refused_forks_are_the_limits() {
        let usage = |refused_forks| Usage {
            refused_forks,
            ..Usage::default()
        };
        assert_eq!(LIMITS.refused(&usage(0)), None);
        assert_eq!(Limits::default().refused(&usage(3)), None, "it had none");
        let said = LIMITS.refused(&usage(3)).unwrap();
        assert_eq!(
            said,
            "process limit of 64 reached: a fork failed 3 times (EAGAIN)"
        );
    }

    #[test]
    fn a_unit_may_have_what_any_of_its_tests_may() {
        let other = Limits {
            memory: Some(Bytes(1 << 30)),
            processes: None,
        };
        let both = LIMITS.or(other);
        assert_eq!((both.memory, both.processes), (other.memory, None));
    }

    #[test]
    fn usage_is_kept_as_numbers_and_what_is_not_known_is_left_out() {
        let usage = Usage {
            user: Some(Duration::from_micros(2500)),
            refused_forks: 1,
            ..Usage::default()
        };
        let text = serde_json::to_string(&usage).unwrap();
        let expected = "{\"user_us\":2500,\"oom_kills\":0,\"shortages\":0,\"refused_forks\":1}";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), usage);
    }
}
