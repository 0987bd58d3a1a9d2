//! A group for the run's own processes, in version 2.
//!
//! There a group passes controllers on to groups below it only while it has no process itself
//! (*no internal processes*). Where all processes of our group are ours (`systemd-run --scope`,
//! a container whose command is dyno) they step into a group below, for as long as the run lasts.

use crate::{SandboxError, Snapshot};
use rustix::process::{Pid, getpid};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// While the processes of a group move, some start others in it.
const MOST_ROUNDS: usize = 100;

/// The file that says which controllers the groups below have.
pub(super) const PASSED_ON: &str = "cgroup.subtree_control";

/// Where the run's own processes are, until this is dropped.
#[derive(Debug)]
pub(super) struct Home {
    above: PathBuf,
    folder: PathBuf,
    /// What [`PASSED_ON`] was given.
    controllers: Vec<&'static str>,
}

impl Home {
    /// Moves this process, and all of its descendants that are in `above`, into `folder` below it,
    /// and lets `above` pass these controllers on. Nothing is changed where one of another's is
    /// there.
    pub(super) fn make(
        above: &Path,
        folder: PathBuf,
        controllers: &[&'static str],
    ) -> Result<Self, String> {
        ours_alone(above)?;
        fs::create_dir(&folder).map_err(|error| said(SandboxError::at("make", &folder)(error)))?;
        let home = Self {
            above: above.to_owned(),
            folder,
            controllers: controllers.to_vec(),
        };
        home.settle().map(|()| home)
    }

    /// Whether it is this folder.
    pub(super) fn is(&self, folder: &Path) -> bool {
        self.folder == folder
    }

    fn settle(&self) -> Result<(), String> {
        for _ in 0..MOST_ROUNDS {
            let members = ours_alone(&self.above)?;
            if members.is_empty() {
                return pass_on(&self.above, '+', &self.controllers).map_err(said);
            }
            move_all(&members, &self.folder).map_err(said)?;
        }
        Err(format!("{} does not become empty", self.above.display()))
    }
}

/// Everything is put back.
impl Drop for Home {
    fn drop(&mut self) {
        // Refused where another run has come to need them.
        let _ = pass_on(&self.above, '-', &self.controllers);
        if let Ok(members) = ours_alone(&self.folder) {
            let _ = move_all(&members, &self.above);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Lets a group pass controllers on (`+`), or no more (`-`).
pub(super) fn pass_on(group: &Path, sign: char, controllers: &[&str]) -> Result<(), SandboxError> {
    let file = group.join(PASSED_ON);
    let words: Vec<String> = controllers
        .iter()
        .map(|name| format!("{sign}{name}"))
        .collect();
    fs::write(&file, words.join(" ")).map_err(SandboxError::at("write to", &file))
}

/// The processes of a group, if all are this one and descendants of it.
fn ours_alone(group: &Path) -> Result<Vec<Pid>, String> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let snapshot = Snapshot::take().unwrap_or_default();
    let below = snapshot.descendants(getpid());
    let mut ours: HashSet<Pid> = below.iter().map(|process| process.pid).collect();
    ours.insert(getpid());
    // One of another namespace of processes is shown as 0.
    let pid = |line: &str| line.parse().ok().and_then(Pid::from_raw);
    let members: Option<Vec<Pid>> = text
        .lines()
        .map(|line| pid(line).filter(|pid| ours.contains(pid)))
        .collect();
    members.ok_or_else(|| {
        let group = group.display();
        format!(
            "{group} has processes of others in it, and a group with processes passes no \
             controllers on"
        )
    })
}

/// Moves processes into a group.
fn move_all(members: &[Pid], to: &Path) -> Result<(), SandboxError> {
    let door = to.join("cgroup.procs");
    for pid in members {
        match fs::write(&door, pid.as_raw_nonzero().to_string()) {
            // It has ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            done => done.map_err(SandboxError::at("write to", &door))?,
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn said(error: SandboxError) -> String {
    error.to_string()
}
