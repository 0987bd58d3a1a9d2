//! The runs under a root directory: making, listing and pruning them.

use crate::error::JournalError;
use crate::writer::Journal;
use dyno_model::RunId;
use jiff::Timestamp;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How many runs are kept. Two weeks at five runs a day. A run of 10,000 tests that
/// pass writes 10 MB of journal, 2 µs an event (2026-11), so 50 of them take 0.5 GB; a run of 50
/// tests with its servers' logs takes about 1 MB.
pub const KEPT_RUNS: usize = 50;

/// The runs of one root directory.
#[derive(Debug, Clone)]
pub struct Runs {
    home: PathBuf,
}

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    id: RunId,
    path: PathBuf,
}

/// Whether a run is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Its writer is alive.
    Live,
    /// Its writer is gone, whether it came to its end or not.
    Ended,
}

/// What [`Runs::prune`] did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Runs that are gone.
    pub removed: Vec<RunId>,
    /// Runs of which something could not be removed.
    pub failed: Vec<JournalError>,
}

/// The id of a run that began at `began`: UTC to the second, so that ids sort by time,
/// then four hexadecimal digits that tell runs of one second apart.
///
/// `20261122-084500-0f3a`
#[expect(
    clippy::missing_panics_doc,
    reason = "every timestamp is written in characters that a run id may hold"
)]
pub fn run_id(began: Timestamp, entropy: u16) -> RunId {
    let text = format!("{}-{entropy:04x}", began.strftime("%Y%m%d-%H%M%S"));
    RunId::new(text).expect("digits, hyphens and hexadecimal digits")
}

impl Runs {
    /// The runs of the project at `rootdir`. Touches nothing.
    pub fn of(rootdir: &Path) -> Self {
        Self {
            home: rootdir.join(".dyno"),
        }
    }

    /// What is kept of what tests took.
    pub(crate) fn history_file(&self) -> PathBuf {
        self.home.join("history.json")
    }

    /// The folder that holds one folder a run.
    fn folder(&self) -> PathBuf {
        self.home.join("runs")
    }

    /// Makes a run that begins now. See [`Self::create`].
    pub fn start(&self) -> Result<(RunDir, Journal), JournalError> {
        let entropy = RandomState::new().hash_one(std::process::id());
        let entropy = entropy.to_le_bytes();
        let entropy = u16::from_le_bytes([entropy[0], entropy[1]]);
        self.create(Timestamp::now(), entropy)
    }

    /// Makes the folder of a run that began at `began`, with its journal and `logs`,
    /// and points `latest` at it. Where the id is taken, the next free one is used.
    pub fn create(
        &self,
        began: Timestamp,
        entropy: u16,
    ) -> Result<(RunDir, Journal), JournalError> {
        self.prepare()?;
        let mut id = run_id(began, entropy);
        for step in 1..=u16::MAX {
            let made = self.try_create(&id)?;
            if let Some(made) = made {
                self.point_latest_at(&made.0.id);
                return Ok(made);
            }
            id = run_id(began, entropy.wrapping_add(step));
        }
        Err(JournalError::Io {
            verb: "create",
            path: self.folder().join(id.as_str()),
            source: io::ErrorKind::AlreadyExists.into(),
        })
    }

    fn prepare(&self) -> Result<(), JournalError> {
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(JournalError::io("create", &folder))?;
        let ignore = self.home.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(JournalError::io("write", &ignore))?;
        }
        Ok(())
    }

    /// `None` where the id is taken. The folder gets its name when its journal is locked:
    /// nobody sees a run without one.
    fn try_create(&self, id: &RunId) -> Result<Option<(RunDir, Journal)>, JournalError> {
        let path = self.folder().join(id.as_str());
        let unnamed = self
            .folder()
            .join(format!("{COMING}{}-{}", std::process::id(), id.as_str()));
        let logs = unnamed.join("logs");
        let made = fs::create_dir_all(&logs)
            .map_err(JournalError::io("create", &logs))
            .and_then(|()| Journal::create(&unnamed.join(JOURNAL), Instant::now()));
        let journal = match made {
            Ok(journal) => journal,
            Err(error) => {
                let _ = fs::remove_dir_all(&unnamed);
                return Err(error);
            }
        };
        match fs::rename(&unnamed, &path) {
            Ok(()) => {}
            Err(error) if is_taken(&error) => {
                drop(journal);
                fs::remove_dir_all(&unnamed).map_err(JournalError::io("remove", &unnamed))?;
                return Ok(None);
            }
            Err(error) => return Err(JournalError::io("create", &path)(error)),
        }
        let run = RunDir {
            id: id.clone(),
            path,
        };
        let journal = journal.moved_to(run.journal());
        Ok(Some((run, journal)))
    }

    /// A symlink for people and their shells; where it cannot be made, nothing is lost.
    fn point_latest_at(&self, id: &RunId) {
        let unnamed = self.home.join(format!(".latest-{}", std::process::id()));
        let target = Path::new("runs").join(id.as_str());
        if symlink(target, &unnamed).is_ok()
            && fs::rename(&unnamed, self.home.join("latest")).is_err()
        {
            let _ = fs::remove_file(&unnamed);
        }
    }

    /// All runs, the oldest first.
    pub fn list(&self) -> Result<Vec<RunDir>, JournalError> {
        let folder = self.folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io("list", &folder)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(JournalError::io("list", &folder))?;
            // Names that are no run ids are not ours, or are runs that come or go.
            let id = entry.file_name().into_string().ok();
            if let Some(id) = id.and_then(|name| RunId::new(name).ok()) {
                let path = entry.path();
                runs.push(RunDir { id, path });
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// The run that began last.
    pub fn latest(&self) -> Result<RunDir, JournalError> {
        self.list()?.pop().ok_or_else(|| JournalError::NoRuns {
            path: self.folder(),
        })
    }

    /// The run with this id.
    pub fn find(&self, id: &RunId) -> Result<RunDir, JournalError> {
        let path = self.folder().join(id.as_str());
        if path.is_dir() {
            let id = id.clone();
            return Ok(RunDir { id, path });
        }
        Err(JournalError::NoSuchRun {
            run: id.to_string(),
            path: self.folder(),
        })
    }

    /// Removes all but the newest `keep` runs, and never one that is being written.
    pub fn prune(&self, keep: usize) -> Result<Pruned, JournalError> {
        let runs = self.list()?;
        let mut pruned = Pruned::default();
        for run in runs.iter().take(runs.len().saturating_sub(keep)) {
            match self.remove(run) {
                Ok(RunState::Ended) => pruned.removed.push(run.id.clone()),
                Ok(RunState::Live) => {}
                Err(error) => pruned.failed.push(error),
            }
        }
        self.remove_leavings(&mut pruned);
        Ok(pruned)
    }

    fn remove(&self, run: &RunDir) -> Result<RunState, JournalError> {
        // Held until the folder is gone.
        let lock = match File::open(run.journal()) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(JournalError::io("open", &run.journal())(error)),
        };
        if let Some(file) = &lock
            && !try_lock(file, FlockOperation::NonBlockingLockExclusive)
        {
            return Ok(RunState::Live);
        }
        let unnamed = self.folder().join(format!("{LEAVING}{}", run.id));
        fs::rename(&run.path, &unnamed).map_err(JournalError::io("remove", &run.path))?;
        fs::remove_dir_all(&unnamed).map_err(JournalError::io("remove", &unnamed))?;
        Ok(RunState::Ended)
    }

    /// Goes on where an earlier removal was cut off, and removes what is left of a run that was
    /// killed before it had its name.
    fn remove_leavings(&self, pruned: &mut Pruned) {
        let Ok(entries) = fs::read_dir(self.folder()) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let leaving = name.starts_with(LEAVING) || never_came(&path, &name);
            if leaving && fs::remove_dir_all(&path).is_err() && path.exists() {
                let source = io::Error::other("an earlier removal was cut off, and so is this one");
                pruned
                    .failed
                    .push(JournalError::io("remove", &path)(source));
            }
        }
    }
}

const JOURNAL: &str = "journal.jsonl";
/// A run that is being made, with the process that does it: no run id, so nobody lists it.
const COMING: &str = ".new-";
/// A run that is being removed: no run id, either.
const LEAVING: &str = ".old-";

/// Whether this is a run that nobody makes any more: its process is gone, and, should that be
/// one of another namespace, its journal is not locked.
fn never_came(path: &Path, name: &str) -> bool {
    let Some((pid, _)) = name
        .strip_prefix(COMING)
        .and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    let is_free = |file: File| try_lock(&file, FlockOperation::NonBlockingLockExclusive);
    !Path::new("/proc").join(pid).exists() && File::open(path.join(JOURNAL)).map_or(true, is_free)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
    )
}

fn try_lock(file: &File, operation: FlockOperation) -> bool {
    rustix::fs::flock(file, operation).is_ok()
}

impl RunDir {
    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The folder for what the run's processes write.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Whether the run is being written: whether its journal's lock is held.
    pub fn state(&self) -> Result<RunState, JournalError> {
        let path = self.journal();
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        if try_lock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(RunState::Ended)
        } else {
            Ok(RunState::Live)
        }
    }
}
