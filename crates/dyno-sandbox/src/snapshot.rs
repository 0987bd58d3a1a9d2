//! All processes at one moment, and who descends from whom.

use crate::Process;
use rustix::process::Pid;
use std::collections::{HashMap, HashSet};
use std::{fs, io};

/// What `/proc` showed. Reading it takes a few milliseconds for a thousand processes,
/// in which some come and go: whoever needs to be sure looks again (see [`crate::strike()`]).
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    processes: HashMap<Pid, Process>,
}

impl Snapshot {
    /// Looks.
    pub fn take() -> io::Result<Self> {
        let mut processes = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            // An entry that cannot be read is a process that has just gone.
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            if let Some(process) = pid.and_then(Pid::from_raw).and_then(Process::read) {
                processes.insert(process.pid, process);
            }
        }
        Ok(Self { processes })
    }

    /// One process; `None` where it was not there.
    pub fn get(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Each, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// All that descend from `ancestor`, in the order of their ids; not itself.
    pub fn descendants(&self, ancestor: Pid) -> Vec<Process> {
        let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
        for process in self.processes.values() {
            if let Some(parent) = process.parent {
                children.entry(parent).or_default().push(process.pid);
            }
        }
        let mut found = HashSet::new();
        let mut open = vec![ancestor];
        while let Some(pid) = open.pop() {
            for &child in children.get(&pid).into_iter().flatten() {
                if child != ancestor && found.insert(child) {
                    open.push(child);
                }
            }
        }
        let mut found: Vec<Process> = found
            .iter()
            .filter_map(|pid| self.processes.get(pid).copied())
            .collect();
        found.sort_unstable_by_key(|process| process.pid.as_raw_nonzero());
        found
    }
}

impl FromIterator<Process> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Process>>(processes: I) -> Self {
        Self {
            processes: processes.into_iter().map(|one| (one.pid, one)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    fn below(parents: &[(i32, i32)], ancestor: i32) -> Vec<i32> {
        let snapshot: Snapshot = parents
            .iter()
            .map(|&(own, parent)| Process {
                pid: pid(own),
                parent: Pid::from_raw(parent),
                group: 1,
                session: 1,
                started: 0,
                zombie: false,
                stopped: false,
            })
            .collect();
        snapshot
            .descendants(pid(ancestor))
            .iter()
            .map(|process| process.pid.as_raw_nonzero().get())
            .collect()
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_no_others() {
        let table = [(1, 0), (10, 1), (11, 10), (12, 11), (20, 1), (21, 20)];
        assert_eq!(below(&table, 10), [11, 12]);
        assert_eq!(below(&table, 12), [0; 0]);
        assert_eq!(below(&table, 1), [10, 11, 12, 20, 21]);
    }

    #[test]
    fn a_ring_that_a_torn_look_can_show_does_not_hang() {
        assert_eq!(below(&[(10, 11), (11, 10)], 10), [11]);
    }
}
