//! The names of groups, which tell whose they are.

use crate::Process;
use rustix::process::{Pid, getpid};
use std::fmt;
use std::fs;

/// What each name begins with.
const FIRST: &str = "dyno";

/// Who makes groups: a run, and the process that drives it, told from any later one of the same
/// id and from those of other namespaces of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    run: String,
    /// The inode of its namespace of processes.
    world: u64,
    pid: Pid,
    /// [`Process::started`].
    started: u64,
}

impl Maker {
    /// This process, for a run of this name.
    pub fn this(run: &str) -> Self {
        let pid = getpid();
        Self {
            run: run.to_owned(),
            world: world(),
            pid,
            started: Process::read(pid).map_or(0, |process| process.started),
        }
    }

    /// The name of a group of its own.
    pub fn name(&self, what: &str) -> String {
        format!("{self}.{what}")
    }

    /// Who made a group of this name; `None` for one that is not dyno's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut fields = name.split('.');
        if fields.next()? != FIRST {
            return None;
        }
        Some(Self {
            run: fields.next()?.to_owned(),
            world: fields.next()?.parse().ok()?,
            pid: Pid::from_raw(fields.next()?.parse().ok()?)?,
            started: fields.next()?.parse().ok()?,
        })
    }

    /// Whether the process is known to have ended. One of another namespace is not to be seen.
    pub(super) fn is_dead(&self) -> bool {
        let is_alive = || Process::read(self.pid).is_some_and(|now| now.started == self.started);
        self.world == world() && !is_alive()
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            world,
            pid,
            started,
        } = self;
        let pid = pid.as_raw_nonzero();
        write!(to, "{FIRST}.{run}.{world}.{pid}.{started}")
    }
}

/// The number of `pid:[4026531836]`; 0 where it cannot be read.
fn world() -> u64 {
    let link = fs::read_link("/proc/self/ns/pid").ok();
    let number = link.as_deref().and_then(|link| {
        let (_, number) = link.to_str()?.split_once('[')?;
        number.strip_suffix(']')?.parse().ok()
    });
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_it_is_and_whether_that_is_dead() {
        let own = Maker::this("20261122-084500-0f3a");
        assert_eq!(Maker::parse(&own.name("gw3")), Some(own.clone()));
        assert!(!own.is_dead());
        let dead = Maker {
            started: own.started + 1,
            ..own.clone()
        };
        assert!(dead.is_dead(), "its id is another process's now");
        let elsewhere = Maker {
            world: own.world + 1,
            ..dead
        };
        assert!(!elsewhere.is_dead(), "nobody can tell from here");
    }

    #[test]
    fn what_is_not_dynos_is_nobodys() {
        for name in [
            "",
            "dyno",
            "dyno.run",
            "docker.run.1.2.3.gw0",
            "dyno.run.1.x.3.gw0",
        ] {
            assert_eq!(Maker::parse(name), None, "{name}");
        }
    }
}
