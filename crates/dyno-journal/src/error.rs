//! What can go wrong with a journal on disk.

use std::io;
use std::path::{Path, PathBuf};

/// A journal or a folder of runs that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or folder refused.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk or the quota is full, and an event could not be appended.
    #[error("no space is left for the journal {}", path.display())]
    Full {
        /// The journal.
        path: PathBuf,
    },
    /// Somebody removed the file while it was written.
    #[error("the journal {} was removed while the run was on", path.display())]
    Removed {
        /// Where it was.
        path: PathBuf,
    },
    /// The file does not begin as a journal does.
    #[error("{} is not a journal of dyno", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal's format is newer than this dyno.
    #[error(
        "{} has journal format {found}, and this dyno reads up to {known}: use the dyno that wrote it",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// No run is recorded under the root directory.
    #[error("no run is recorded in {}", path.display())]
    NoRuns {
        /// Where runs would be.
        path: PathBuf,
    },
    /// No run has this name.
    #[error("no run {run} is recorded in {}", path.display())]
    NoSuchRun {
        /// The name.
        run: String,
        /// Where it was looked for.
        path: PathBuf,
    },
}

impl JournalError {
    pub(crate) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { verb, path, source }
    }

    /// An event that could not be appended.
    pub(crate) fn append(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                path: path.to_owned(),
            },
            _ => Self::io("write", path)(source),
        }
    }
}
