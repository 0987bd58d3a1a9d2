//! Processes that are known by what they were started with.
//!
//! The last resort where neither a wall of processes nor a control group is round a unit: what its
//! worker starts inherits its environment, in which variables name the run and the worker. A
//! process that was started without them, or forked and never executed anything, is not found.

use crate::{Cleared, Clearing, Process, Snapshot, reap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Variables, each as `NAME=VALUE`, that all processes of a unit were started with.
#[derive(Debug, Clone, Default)]
pub struct Marks(Vec<OsString>);

impl Marks {
    /// These variables.
    pub fn new(variables: Vec<OsString>) -> Self {
        Self(variables)
    }

    /// The processes that bear all of them, if there are any to bear.
    pub(crate) fn bearers(&self, snapshot: &Snapshot) -> Vec<Process> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let bears = |process: &&Process| {
            let was_given = |variable: &OsString| process.was_given(variable.as_bytes());
            !process.zombie && self.0.iter().all(was_given)
        };
        snapshot.all().filter(bears).copied().collect()
    }

    /// Kills them all, and waits for their end.
    pub(crate) fn clear(&self) {
        let clearing = Clearing::begin();
        while let Ok(Cleared::NotYet(look)) = clearing.strike(|snapshot| self.bearers(snapshot)) {
            while reap().is_some() {}
            let left = Snapshot::take().map(|snapshot| self.bearers(&snapshot));
            if let Some(first) = left.unwrap_or_default().first() {
                first.wait(look);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_bears_all_marks_dies_and_no_other() {
        let start = |variables: &[(&str, &str)]| {
            let mut command = Command::new("sleep");
            command.arg("1000").env_clear().stdout(Stdio::null());
            command.envs(variables.iter().copied()).spawn().unwrap()
        };
        let run = std::process::id().to_string();
        let mut one = start(&[("MARKS_RUN", &run), ("MARKS_WORKER", "gw1")]);
        let mut other = start(&[("MARKS_RUN", &run), ("MARKS_WORKER", "gw10")]);
        let marks = [format!("MARKS_RUN={run}"), "MARKS_WORKER=gw1".to_owned()];
        let marks = Marks::new(marks.map(OsString::from).to_vec());
        let found = marks.bearers(&Snapshot::take().unwrap());
        let pids: Vec<u32> = found
            .iter()
            .map(|process| process.pid.as_raw_nonzero().get().cast_unsigned())
            .collect();
        assert_eq!(pids, [one.id()]);
        for process in found {
            process.signal(rustix::process::Signal::KILL).unwrap();
        }
        assert!(!one.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        let nobody = Marks::default().bearers(&Snapshot::take().unwrap());
        assert_eq!(nobody, [], "no mark is no reason to kill anybody");
    }
}
