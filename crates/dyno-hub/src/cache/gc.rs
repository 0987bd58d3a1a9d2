//! What can be removed from a cache without anybody missing it.

use crate::cache::inventory::{CachedModel, files_of, inventory, refs};
use crate::cache::lock::{Lock, Use};
use crate::cache::look::{checksum_of_link, entries};
use crate::cache::open_files::open_below;
use crate::cache::{Repository, failed};
use crate::error::FetchError;
use dyno_model::{Bytes, ModelName};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What, in the order of its removal.
    pub garbage: Vec<Garbage>,
    /// Models that were left alone, because somebody fetches or uses them, each with why.
    pub in_use: Vec<(ModelName, String)>,
}

/// Something that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// The model that it is of.
    pub name: ModelName,
    /// What it is.
    pub kind: GarbageKind,
    /// Where.
    pub path: PathBuf,
    /// The bytes that are free without it.
    pub bytes: Bytes,
}

/// Why nobody needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GarbageKind {
    /// A file that was begun, and nobody writes it.
    HalfWritten,
    /// A blob that no snapshot names.
    Unnamed,
    /// A commit that nobody has used for long.
    Unused,
    /// What a process left that was killed.
    Leftover,
}

/// Removes what nobody needs: half-written files that nobody writes, blobs that no snapshot
/// names, and with `unused_for` whole commits that nobody has read for so long. Whatever a process
/// has open stays, and whatever is being fetched. With `dry_run` nothing is removed.
pub fn collect_garbage(
    cache: &Path,
    unused_for: Option<Duration>,
    dry_run: bool,
    now: SystemTime,
) -> Result<Collected, FetchError> {
    let mut collected = Collected::default();
    let open = open_below(cache);
    for model in inventory(cache)? {
        let repository = Repository::of(cache, &model.name);
        let alone = if dry_run && !repository.own().exists() {
            Some(Lock::none())
        } else {
            repository.use_it(Use::Alone)?
        };
        let Some(_alone) = alone else {
            let why = "it is being fetched".to_owned();
            collected.in_use.push((model.name, why));
            continue;
        };
        let mut collecting = Collecting {
            unreadable: repository.folder().to_owned(),
            repository,
            model: &model,
            open: &open,
            dry_run,
            collected: &mut collected,
        };
        let before = unused_for.and_then(|unused_for| now.checked_sub(unused_for));
        collecting.collect(before)?;
    }
    Ok(collected)
}

struct Collecting<'a> {
    repository: Repository,
    unreadable: PathBuf,
    model: &'a CachedModel,
    /// Files of the cache that processes have open, and by which process.
    open: &'a BTreeMap<PathBuf, u32>,
    dry_run: bool,
    collected: &'a mut Collected,
}

impl Collecting<'_> {
    fn collect(&mut self, before: Option<SystemTime>) -> Result<(), FetchError> {
        let unused = self.unused(before)?;
        for commit in &unused {
            self.remove_commit(commit)?;
        }
        self.collect_blobs(&unused)?;
        self.collect_leftovers()?;
        if !self.dry_run {
            self.remove_if_empty();
        }
        Ok(())
    }

    /// The commits that nobody has used since, and that nobody has open.
    fn unused(&mut self, before: Option<SystemTime>) -> Result<BTreeSet<String>, FetchError> {
        let mut unused = BTreeSet::new();
        let Some(before) = before else {
            return Ok(unused);
        };
        for revision in &self.model.revisions {
            if revision.used.is_some_and(|used| used >= before) {
                continue;
            }
            let files = self.read(entries(&self.repository.snapshot(&revision.commit)))?;
            let holder = files.values().find_map(|file| self.holder(file));
            if let Some(process) = holder {
                let why = format!("process {process} has files of it open");
                self.collected.in_use.push((self.model.name.clone(), why));
            } else {
                unused.insert(revision.commit.clone());
            }
        }
        Ok(unused)
    }

    fn holder(&self, path: &Path) -> Option<u32> {
        let path = std::fs::canonicalize(path).ok()?;
        self.open.get(&path).copied()
    }

    /// Links before blobs and references before links, so that whoever looks meanwhile finds
    /// less, and nothing broken.
    fn remove_commit(&mut self, commit: &str) -> Result<(), FetchError> {
        let snapshot = self.repository.snapshot(commit);
        if !self.dry_run {
            for (name, of) in self.read(refs(&self.repository))? {
                if of == commit {
                    let path = self.repository.refs().join(name);
                    std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                }
            }
            std::fs::remove_dir_all(&snapshot).map_err(failed("remove", &snapshot))?;
            for listing in [self.repository.record(commit), self.repository.tree(commit)] {
                let _ = std::fs::remove_file(listing);
            }
        }
        // The bytes are those of its blobs, which are told one by one.
        self.tell(GarbageKind::Unused, snapshot, 0);
        Ok(())
    }

    fn collect_blobs(&mut self, without: &BTreeSet<String>) -> Result<(), FetchError> {
        let named = self.named(without)?;
        for (name, path) in self.read(files_of(&self.repository.blobs()))? {
            if name.starts_with('.') {
                // About to be renamed.
                continue;
            }
            let (blob, kind) = match name.split_once('.') {
                Some((blob, rest)) if rest.ends_with("incomplete") => {
                    (blob, GarbageKind::HalfWritten)
                }
                _ => (name.as_str(), GarbageKind::Unnamed),
            };
            if kind == GarbageKind::Unnamed && named.contains(&name) {
                continue;
            }
            let lock = self.repository.lock(blob);
            let free = if self.dry_run && !lock.exists() {
                Some(Lock::none())
            } else {
                Lock::try_take(&lock)?
            };
            let Some(_free) = free else {
                let why = format!("{name} is being fetched");
                self.collected.in_use.push((self.model.name.clone(), why));
                continue;
            };
            if let Some(process) = self.holder(&path) {
                let why = format!("process {process} has {name} open");
                self.collected.in_use.push((self.model.name.clone(), why));
                continue;
            }
            // A link to the store that models share frees nothing by itself.
            let bytes = std::fs::symlink_metadata(&path)
                .map_or(0, |about| if about.is_symlink() { 0 } else { about.len() });
            if !self.dry_run {
                std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                let _ = std::fs::remove_file(self.repository.checked(&name));
            }
            self.tell(kind, path, bytes);
        }
        Ok(())
    }

    /// The blobs that snapshots name, but for those of some commits.
    fn named(&self, without: &BTreeSet<String>) -> Result<BTreeSet<String>, FetchError> {
        let mut named = BTreeSet::new();
        for (commit, snapshot) in self.read(files_of(&self.repository.snapshots()))? {
            if without.contains(&commit) || !snapshot.is_dir() {
                continue;
            }
            for link in self.read(entries(&snapshot))?.values() {
                let target = std::fs::read_link(link).ok();
                let target = target.as_deref().and_then(Path::file_name);
                named.extend(target.map(|target| target.to_string_lossy().into_owned()));
                named.extend(checksum_of_link(link).map(|checksum| checksum.as_str().to_owned()));
            }
        }
        Ok(named)
    }

    /// Files of `.dyno` that were about to get their names.
    fn collect_leftovers(&mut self) -> Result<(), FetchError> {
        for (name, path) in self.read(files_of(&self.repository.own()))? {
            if name.starts_with("tmp-") {
                let bytes = std::fs::symlink_metadata(&path).map_or(0, |about| about.len());
                if !self.dry_run {
                    std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                }
                self.tell(GarbageKind::Leftover, path, bytes);
            }
        }
        Ok(())
    }

    /// A model of which nothing is left has no folder.
    fn remove_if_empty(&self) {
        let empty = |folder: PathBuf| files_of(&folder).is_ok_and(|files| files.is_empty());
        let repository = &self.repository;
        if empty(repository.blobs()) && empty(repository.snapshots()) {
            let _ = std::fs::remove_dir_all(repository.folder());
        }
    }

    fn read<T>(&self, read: io::Result<T>) -> Result<T, FetchError> {
        read.map_err(failed("read", &self.unreadable))
    }

    fn tell(&mut self, kind: GarbageKind, path: PathBuf, bytes: u64) {
        self.collected.garbage.push(Garbage {
            name: self.model.name.clone(),
            kind,
            path,
            bytes: Bytes(bytes),
        });
    }
}
