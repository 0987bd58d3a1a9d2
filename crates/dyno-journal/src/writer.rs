//! Appending to a journal.
//!
//! At power loss, or when the machine itself dies, the kernel may not have written the
//! last seconds to the disk (`vm.dirty_expire_centisecs`, 30 s by default): the journal
//! then ends early or in a torn line, and reads back as a prefix of the run. A sync for
//! each event would close that gap at the price of a disk's latency for each, thousands
//! of times a run; a run whose machine died is run again. [`Journal::finish`] syncs once.

use crate::error::JournalError;
use dyno_model::{Event, Stamped};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The format of a journal. It changes when an older dyno could not read a newer
/// journal; an added event or field does not change it.
pub const FORMAT: u32 = 1;

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) dyno_journal: u32,
}

/// The one writer of a run's journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    began: Instant,
    next: u64,
    /// Bytes of whole lines in the file.
    length: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Writing,
    /// A write failed, and the caller was told.
    GivenUp,
}

/// An event that was stamped and could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotWritten {
    /// The event, for whoever shows it.
    pub stamped: Stamped,
    /// Why.
    #[source]
    pub error: JournalError,
}

impl Journal {
    /// Makes the journal file, which must not exist, takes its lock and writes its
    /// header. Events are stamped with the time since `began`.
    pub(crate) fn create(path: &Path, began: Instant) -> Result<Self, JournalError> {
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(JournalError::io("create", path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .map_err(JournalError::io("lock", path))?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            began,
            next: 0,
            length: 0,
            state: State::Writing,
        };
        journal
            .write_line(&Header {
                dyno_journal: FORMAT,
            })
            .map_err(JournalError::io("write", path))?;
        Ok(journal)
    }

    /// The file was moved, with its lock on.
    pub(crate) fn moved_to(mut self, path: PathBuf) -> Self {
        self.path = path;
        self
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stamps the event and appends it as one line by one write.
    ///
    /// The first failure (a full disk) is told, with the event, and takes back a line
    /// that was half written. From then on events are stamped and not written: the run
    /// is worth more than its record, and one message is enough.
    pub fn append(&mut self, event: Event) -> Result<Stamped, Box<NotWritten>> {
        let stamped = Stamped {
            seq: self.next,
            at: self.began.elapsed(),
            event,
        };
        self.next += 1;
        if self.state == State::GivenUp {
            return Ok(stamped);
        }
        match self.write_line(&stamped) {
            Ok(()) => Ok(stamped),
            Err(source) => {
                self.state = State::GivenUp;
                // If this fails too, the reader sees a torn last line.
                let _ = self.file.set_len(self.length);
                let error = JournalError::append(&self.path, source);
                Err(Box::new(NotWritten { stamped, error }))
            }
        }
    }

    /// Stamps an event that is not appended, for a text that is kept in a file of its own:
    /// it has the place of the event before it.
    pub fn stamp(&self, event: Event) -> Stamped {
        Stamped {
            seq: self.next.saturating_sub(1),
            at: self.began.elapsed(),
            event,
        }
    }

    fn write_line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let written = loop {
            match self.file.write(&bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        if written < bytes.len() {
            // A regular file takes less than it is given only where it cannot grow.
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Ends the journal: what was appended is on the disk when this returns, and the
    /// lock is free. An error if the file is no longer there for anybody to read.
    pub fn finish(self) -> Result<(), JournalError> {
        self.file
            .sync_data()
            .map_err(JournalError::io("sync", &self.path))?;
        match rustix::fs::fstat(&self.file) {
            Ok(stat) if stat.st_nlink == 0 => Err(JournalError::Removed { path: self.path }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_once_with_the_event_and_the_run_goes_on() {
        let path = PathBuf::from("/dev/full");
        let mut journal = Journal {
            file: File::options().write(true).open(&path).unwrap(),
            path,
            began: Instant::now(),
            next: 0,
            length: 0,
            state: State::Writing,
        };
        let event = |text: &str| Event::Output {
            text: text.to_owned(),
        };
        let failed = journal.append(event("one")).unwrap_err();
        assert_eq!(failed.stamped.event, event("one"));
        assert!(matches!(failed.error, JournalError::Full { .. }));
        assert_eq!(
            failed.to_string(),
            "no space is left for the journal /dev/full"
        );
        let stamped = journal.append(event("two")).unwrap();
        assert_eq!((stamped.seq, stamped.event), (1, event("two")));
    }
}
