//! One group: its folders, who is in it, its limits, its end.

use super::account;
use crate::{Process, SandboxError, Strike, strike};
use dyno_model::{Bytes, LimitKind, Limits, MissingLimit, Usage};
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, getpid};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who is in a group; also the way into it.
const DOOR: &str = "cgroup.procs";

/// How long the killed may take to be gone: SIGKILL takes milliseconds. One in an uninterruptible
/// wait is left, with its group, to whoever sweeps next.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// Between two looks at a group that is being emptied, if no death comes earlier. A process leaves
/// its group a moment after its end is told.
const LOOK: Duration = Duration::from_millis(5);

/// The group of one sandbox: a folder in each tree that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// The group in these folders, which need not be there yet.
    pub fn at(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Makes the folders.
    pub fn create(&self) -> Result<(), SandboxError> {
        for folder in &self.folders {
            fs::create_dir(folder).map_err(SandboxError::at("make", folder))?;
        }
        Ok(())
    }

    /// Moves a process in. What it starts from then on is in, too.
    pub fn admit(&self, pid: Pid) -> Result<(), SandboxError> {
        let pid = pid.as_raw_nonzero().to_string();
        for folder in &self.folders {
            let door = folder.join(DOOR);
            fs::write(&door, &pid).map_err(SandboxError::at("write to", &door))?;
        }
        Ok(())
    }

    /// Sets the limits, and says of each that cannot be set what the kernel said. Nothing is
    /// swapped: what does not fit is killed, not slowed down.
    pub fn limit(&self, limits: &Limits) -> Vec<MissingLimit> {
        let memory = limits.memory.and_then(|memory| {
            let done = self.limit_memory(memory);
            Some((LimitKind::Memory, done.err()?))
        });
        let processes = limits.processes.and_then(|processes| {
            let done = self.write_first(&["pids.max"], processes);
            Some((LimitKind::Processes, done.err()?))
        });
        (memory.into_iter().chain(processes))
            .map(|(limit, error)| MissingLimit {
                limit,
                why: error.to_string(),
            })
            .collect()
    }

    fn limit_memory(&self, Bytes(memory): Bytes) -> Result<(), SandboxError> {
        self.write_first(&["memory.max", "memory.limit_in_bytes"], memory)?;
        // A kernel without swap lacks these files. `memory.memsw.limit_in_bytes` of version 1 would
        // do it too, but Linux 6.18 counts no failure of it.
        let _ = self.write_first(&["memory.swap.max", "memory.swappiness"], 0);
        Ok(())
    }

    /// What those that are or were in have used.
    pub fn usage(&self) -> Usage {
        account::usage(&self.folders)
    }

    /// Those that are in, and in groups that they made below it.
    pub fn processes(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        for folder in self.folders.iter().flat_map(|folder| below(folder)) {
            // One that is gone has none.
            let text = fs::read_to_string(folder.join(DOOR)).unwrap_or_default();
            // What is in another namespace of processes is shown as 0.
            let pids = text.lines().filter_map(|line| line.parse().ok());
            found.extend(pids.filter_map(Pid::from_raw));
        }
        found.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        found.dedup();
        found.retain(|pid| *pid != getpid());
        found
    }

    /// Kills all that are in, waits for their end and removes the group. What cannot be removed
    /// in time is left.
    pub fn clear(&self) {
        let deadline = Instant::now() + MOST_WAIT;
        while !self.remove() && Instant::now() < deadline {
            if self.kill() == Strike::Clear {
                let look = Timespec::try_from(LOOK).ok();
                let _ = poll(&mut [], look.as_ref());
            } else {
                self.wait_for_one();
            }
        }
    }

    /// Removes the folders; true once there is none.
    pub(super) fn remove(&self) -> bool {
        let mut is_gone = true;
        for folder in self.folders.iter().flat_map(|folder| below(folder)) {
            match fs::remove_dir(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => is_gone = false,
            }
        }
        is_gone
    }

    fn kill(&self) -> Strike {
        for folder in &self.folders {
            let file = folder.join("cgroup.kill");
            if file.exists() {
                let _ = fs::write(file, "1");
            }
        }
        // All of them, where the kernel cannot (before Linux 5.14, and in version 1).
        let choose = |snapshot: &crate::Snapshot| -> Vec<Process> {
            let live = |pid: &Pid| snapshot.get(*pid).copied();
            self.processes().iter().filter_map(live).collect()
        };
        strike(choose).unwrap_or(Strike::Clear)
    }

    fn wait_for_one(&self) {
        if let Some(first) = self.processes().into_iter().find_map(Process::read) {
            first.wait(LOOK);
        }
    }

    /// Writes a number into the first of these files that there is.
    fn write_first(&self, names: &[&str], number: u64) -> Result<(), SandboxError> {
        let places = names
            .iter()
            .flat_map(|name| self.folders.iter().map(move |folder| folder.join(name)));
        let there = places.clone().find(|file| file.exists());
        let Some(file) = there.or_else(|| places.clone().next()) else {
            return Err(SandboxError::NoGroup);
        };
        fs::write(&file, number.to_string()).map_err(SandboxError::at("write to", &file))
    }
}

/// A folder and those below it, the innermost first.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path()));
        }
    }
    found.push(folder.to_owned());
    found
}
