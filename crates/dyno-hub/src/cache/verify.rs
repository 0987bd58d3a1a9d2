//! Whether a cache holds what its names promise.

use crate::cache::blobs::{Found, Trust, summed};
use crate::cache::inventory::{commits, files_of, names, refs};
use crate::cache::lock::{Lock, Use};
use crate::cache::look::{checksum_of_link, entries, listing_of};
use crate::cache::{Repository, failed, is_in_passing};
use crate::checksum::Checksum;
use crate::error::FetchError;
use dyno_model::ModelName;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many models.
    pub models: usize,
    /// How many blobs were summed up.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something in a cache that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The model.
    pub name: ModelName,
    /// What it is.
    pub kind: FaultKind,
    /// Where.
    pub path: PathBuf,
    /// What was done about it.
    pub done: Done,
}

/// What was done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing: it was only looked for.
    Nothing,
    /// It is removed.
    Removed,
    /// It is left, because somebody works on it.
    InUse,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A blob's bytes have another checksum than its name.
    WrongBytes {
        /// The checksum that they have.
        got: String,
    },
    /// A blob's name is no checksum: nothing can be told of its bytes.
    NoChecksum,
    /// A snapshot's link leads to no blob.
    DeadLink,
    /// A file that is no link has other bytes than the model's listing says.
    WrongFile,
    /// A branch or tag is a commit that there is no snapshot of.
    NoSnapshot {
        /// The branch or tag.
        revision: String,
    },
    /// A file that has been begun, and nobody writes it: what is got is continued.
    HalfWritten {
        /// How much of it is there.
        bytes: u64,
    },
}

impl FaultKind {
    /// Whether something is damaged, and not only unfinished or of a kind that cannot be told.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::HalfWritten { .. } | Self::NoChecksum)
    }
}

/// Sums up every blob of the models (all where none is named), and follows every link. With
/// `remove`, what is damaged is removed under its lock, so that it can be fetched again.
pub fn verify(
    cache: &Path,
    models: &[ModelName],
    remove: bool,
    mut on_model: impl FnMut(&ModelName),
) -> Result<Verification, FetchError> {
    let mut verification = Verification::default();
    for name in names(cache)? {
        if !models.is_empty() && !models.contains(&name) {
            continue;
        }
        on_model(&name);
        let repository = Repository::of(cache, &name);
        let alone = if remove {
            repository.use_it(Use::Alone)?
        } else {
            None
        };
        let mut looking = Looking {
            removes: alone.is_some(),
            refuses: remove && alone.is_none(),
            repository,
            name,
            verification: &mut verification,
        };
        looking.look()?;
        verification.models += 1;
    }
    Ok(verification)
}

struct Looking<'a> {
    repository: Repository,
    name: ModelName,
    removes: bool,
    refuses: bool,
    verification: &'a mut Verification,
}

impl Looking<'_> {
    fn look(&mut self) -> Result<(), FetchError> {
        let folder = self.repository.folder().to_owned();
        let unreadable = failed("read", &folder);
        // Blobs first: a link to one that is removed is dead.
        let looked = self.look_at_blobs().and_then(|()| {
            let known = self.look_at_snapshots()?;
            self.look_at_refs(&known)
        });
        match looked {
            Ok(()) => Ok(()),
            Err(Failure::Io(error)) => Err(unreadable(error)),
            Err(Failure::Fetch(error)) => Err(error),
        }
    }

    fn look_at_blobs(&mut self) -> Result<(), Failure> {
        for (name, path) in files_of(&self.repository.blobs())? {
            if let Some((blob, _)) = name.split_once('.')
                && name.ends_with(".incomplete")
            {
                if self.is_free(blob)?.is_some() {
                    let bytes = std::fs::symlink_metadata(&path).map_or(0, |about| about.len());
                    self.tell(FaultKind::HalfWritten { bytes }, path, Done::Nothing);
                }
                continue;
            }
            if is_in_passing(&name) {
                continue;
            }
            let Some(checksum) = Checksum::new(&name) else {
                self.tell(FaultKind::NoChecksum, path, Done::Nothing);
                continue;
            };
            let about = match std::fs::metadata(&path) {
                Ok(about) => about,
                // A link to the store that models share, and nothing there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let done = self.remove_blob(&name, &path)?;
                    self.tell(FaultKind::DeadLink, path, done);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let found = self
                .repository
                .look_at(&path, &checksum, None, Trust::Nothing)?;
            self.verification.blobs += 1;
            self.verification.bytes += about.len();
            if found == Found::Wrong {
                let got = summed(File::open(&path)?, &checksum, about.len())?;
                let done = self.remove_blob(&name, &path)?;
                self.tell(FaultKind::WrongBytes { got }, path, done);
            }
        }
        Ok(())
    }

    /// The commits that there are snapshots of.
    fn look_at_snapshots(&mut self) -> Result<Vec<String>, Failure> {
        let commits = commits(&self.repository)?;
        for commit in &commits {
            let listing = listing_of(&self.repository, commit);
            let listed: BTreeMap<&str, &Checksum> = listing
                .iter()
                .flat_map(|listing| &listing.files)
                .filter_map(|file| Some((file.path.as_str(), file.checksum.as_ref()?)))
                .collect();
            for (path, entry) in entries(&self.repository.snapshot(commit))? {
                let is_link = entry.is_symlink();
                if is_link && !entry.exists() {
                    let done = self.remove(&entry)?;
                    self.tell(FaultKind::DeadLink, entry, done);
                    continue;
                }
                let Some(&checksum) = listed.get(path.as_str()) else {
                    continue;
                };
                // A link's blob has been summed up; it may be another file's.
                let wrong = if let Some(of_link) = checksum_of_link(&entry) {
                    of_link != *checksum
                } else {
                    let repository = &self.repository;
                    repository.look_at(&entry, checksum, None, Trust::Nothing)? == Found::Wrong
                };
                if wrong {
                    let done = self.remove(&entry)?;
                    self.tell(FaultKind::WrongFile, entry, done);
                }
            }
        }
        Ok(commits)
    }

    fn look_at_refs(&mut self, commits: &[String]) -> Result<(), Failure> {
        for (revision, commit) in refs(&self.repository)? {
            if !commits.contains(&commit) {
                let path = self.repository.refs().join(&revision);
                let done = self.remove(&path)?;
                self.tell(FaultKind::NoSnapshot { revision }, path, done);
            }
        }
        Ok(())
    }

    fn is_free(&self, blob: &str) -> Result<Option<Lock>, FetchError> {
        let path = self.repository.lock(blob);
        // Nobody has ever locked it; a cache that cannot be written is looked at all the same.
        if !path.exists() && !self.removes {
            return Ok(Some(Lock::none()));
        }
        Lock::try_take(&path)
    }

    fn remove_blob(&self, blob: &str, path: &Path) -> Result<Done, FetchError> {
        if !self.removes {
            return self.remove(path);
        }
        match self.is_free(blob)? {
            Some(_lock) => self.remove(path),
            None => Ok(Done::InUse),
        }
    }

    fn remove(&self, path: &Path) -> Result<Done, FetchError> {
        if self.removes {
            std::fs::remove_file(path).map_err(failed("remove", path))?;
            return Ok(Done::Removed);
        }
        Ok(if self.refuses {
            Done::InUse
        } else {
            Done::Nothing
        })
    }

    fn tell(&mut self, kind: FaultKind, path: PathBuf, done: Done) {
        let name = self.name.clone();
        self.verification.faults.push(Fault {
            name,
            kind,
            path,
            done,
        });
    }
}

enum Failure {
    Io(io::Error),
    Fetch(FetchError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}
