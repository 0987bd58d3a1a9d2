//! What a cache holds, as a list.

use crate::cache::look::{checksum_of_link, entries, listing_of};
use crate::cache::{Repository, failed};
use crate::checksum::Checksum;
use crate::error::FetchError;
use crate::listing::is_commit;
use crate::wanted::is_wanted;
use dyno_model::{ModelFiles, ModelName};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A model that a cache holds something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedModel {
    /// Its name.
    pub name: ModelName,
    /// Its folder, `models--org--name`.
    pub folder: PathBuf,
    /// Bytes of its blobs, each counted once.
    pub bytes: u64,
    /// Bytes of half-written files.
    pub half_written: u64,
    /// When a file of it was last read or written.
    pub used: Option<SystemTime>,
    /// By commit.
    pub revisions: Vec<CachedRevision>,
}

/// A commit that a cache holds something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRevision {
    /// The commit.
    pub commit: String,
    /// The branches and tags that are this commit, by what the cache knows.
    pub refs: Vec<String>,
    /// How many of its files are there.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// When a file of it was last read or written that no other commit has.
    pub used: Option<SystemTime>,
    /// How much of it is there.
    pub extent: Extent,
}

/// How much of a commit is there, by its listing; the bytes are not summed up for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is wanted by such a request.
    Whole(ModelFiles),
    /// Not even what the smallest request wants; so many files are missing of all.
    Part {
        /// How many.
        missing: usize,
    },
    /// The cache has no listing of it: an older tool or a person made it.
    Unknown,
}

/// The models of a cache, by name. A cache that is not there holds none.
pub fn inventory(cache: &Path) -> Result<Vec<CachedModel>, FetchError> {
    let mut models = Vec::new();
    for name in names(cache)? {
        let repository = Repository::of(cache, &name);
        models.push(describe(&repository, name).map_err(failed("read", repository.folder()))?);
    }
    Ok(models)
}

/// The models that a cache has a folder of.
pub(crate) fn names(cache: &Path) -> Result<BTreeSet<ModelName>, FetchError> {
    let folders = match std::fs::read_dir(cache) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed("read", cache)(error)),
    };
    let mut names = BTreeSet::new();
    for folder in folders {
        let folder = folder.map_err(failed("read", cache))?;
        let name = folder.file_name().to_str().and_then(ModelName::of_folder);
        names.extend(name.filter(|_| folder.path().is_dir()));
    }
    Ok(names)
}

fn describe(repository: &Repository, name: ModelName) -> io::Result<CachedModel> {
    let refs = refs(repository)?;
    let mut revisions = Vec::new();
    let commits = commits(repository)?;
    let shared = shared_blobs(repository, &commits)?;
    for commit in commits {
        let names = refs
            .iter()
            .filter(|(_, of)| **of == commit)
            .map(|(name, _)| name.clone());
        let refs = names.collect();
        revisions.push(revision(repository, commit, refs, &shared)?);
    }
    let (mut bytes, mut half_written) = (0, 0);
    for (name, path) in files_of(&repository.blobs())? {
        // A blob may be a link to the store that models share.
        let length = std::fs::metadata(&path).map_or(0, |about| about.len());
        if name.ends_with(".incomplete") {
            half_written += length;
        } else {
            bytes += length;
        }
    }
    Ok(CachedModel {
        used: revisions.iter().filter_map(|revision| revision.used).max(),
        folder: repository.folder().to_owned(),
        name,
        bytes,
        half_written,
        revisions,
    })
}

fn revision(
    repository: &Repository,
    commit: String,
    refs: Vec<String>,
    shared: &BTreeSet<Checksum>,
) -> io::Result<CachedRevision> {
    let entries = entries(&repository.snapshot(&commit))?;
    let mut there = BTreeMap::new();
    let (mut of_own, mut of_any) = (None, None);
    for (path, entry) in &entries {
        if let Ok(about) = std::fs::metadata(entry) {
            let used = about.accessed().ok().max(about.modified().ok());
            of_any = used.max(of_any);
            if checksum_of_link(entry).is_none_or(|blob| !shared.contains(&blob)) {
                of_own = used.max(of_own);
            }
            there.insert(path.as_str(), about.len());
        }
    }
    let extent = match listing_of(repository, &commit) {
        None => Extent::Unknown,
        Some(listing) => {
            let missing = |wanted: ModelFiles| {
                let files = listing.files.iter();
                files
                    .filter(|file| is_wanted(&file.path, wanted))
                    .filter(|file| {
                        let size = there.get(file.path.as_str());
                        size.is_none() || file.size.is_some_and(|listed| size != Some(&listed))
                    })
                    .count()
            };
            [
                ModelFiles::All,
                ModelFiles::Weightless,
                ModelFiles::Tokenizer,
            ]
            .into_iter()
            .find(|&wanted| missing(wanted) == 0)
            .map_or_else(
                || Extent::Part {
                    missing: missing(ModelFiles::All),
                },
                Extent::Whole,
            )
        }
    };
    let by_dyno = used_by_dyno(repository, &commit);
    Ok(CachedRevision {
        files: there.len(),
        bytes: there.values().sum(),
        commit,
        refs,
        used: of_own.or(of_any).max(by_dyno),
        extent,
    })
}

/// The blobs that several commits name: who reads one does not tell which of them is used.
fn shared_blobs(repository: &Repository, commits: &[String]) -> io::Result<BTreeSet<Checksum>> {
    let (mut named, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for commit in commits {
        let entries = entries(&repository.snapshot(commit))?;
        let blobs: BTreeSet<Checksum> = entries
            .values()
            .filter_map(|link| checksum_of_link(link))
            .collect();
        shared.extend(blobs.intersection(&named).cloned());
        named.extend(blobs);
    }
    Ok(shared)
}

/// When dyno last took it for a run, which counts where a disk does not note who reads.
fn used_by_dyno(repository: &Repository, commit: &str) -> Option<SystemTime> {
    let record = std::fs::metadata(repository.record(commit)).ok()?;
    record.modified().ok()
}

/// The commits that there are snapshots of.
pub(crate) fn commits(repository: &Repository) -> io::Result<Vec<String>> {
    let mut commits = Vec::new();
    for (name, path) in files_of(&repository.snapshots())? {
        if is_commit(&name) && path.is_dir() {
            commits.push(name);
        }
    }
    Ok(commits)
}

/// Branches and tags, and the commits that they are.
pub(crate) fn refs(repository: &Repository) -> io::Result<BTreeMap<String, String>> {
    let folder = repository.refs();
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut refs = BTreeMap::new();
    for (name, path) in entries(&folder)? {
        let commit = String::from_utf8_lossy(&std::fs::read(path)?)
            .trim()
            .to_owned();
        refs.insert(name, commit);
    }
    Ok(refs)
}

/// What a folder holds, by name, in order; nothing where there is no such folder.
pub(crate) fn files_of(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let found = match std::fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut files = BTreeMap::new();
    for entry in found {
        let entry = entry?;
        files.insert(
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        );
    }
    Ok(files)
}
