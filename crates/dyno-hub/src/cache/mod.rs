//! The cache that all tools share, as `huggingface_hub` lays it out (checked on 2.4).
//!
//! ```text
//! CACHE/models--org--name/
//!     blobs/CHECKSUM                  the bytes of a file, checked
//!     blobs/CHECKSUM.incomplete       half of them
//!     snapshots/COMMIT/PATH           a relative link to a blob
//!     refs/REVISION                   the commit that it is
//!     trees/COMMIT.json               the files of a commit that is wanted whole
//!     .dyno/COMMIT.json               the same, of any commit that dyno fetched something of
//!     .dyno/checked/CHECKSUM          which bytes dyno has summed up
//!     .dyno/use.lock                  who uses the model, beside others or alone
//! CACHE/.locks/models--org--name/CHECKSUM.lock
//! ```
//!
//! `.dyno` is dyno's own, and no tool minds it. Two reasons for the second copy of a listing:
//! `huggingface_hub` takes one in `trees` for a promise that all of it is there, which it is not
//! of a model without its weights; and dyno has to know what is missing without asking the Hub.

pub(crate) mod blobs;
pub(crate) mod gc;

pub(crate) mod half;
pub(crate) mod inventory;

pub(crate) mod lock;
pub(crate) mod look;
pub(crate) mod open_files;
pub(crate) mod verify;

pub(crate) mod write;

use crate::checksum::Checksum;
use crate::error::FetchError;
use dyno_model::{ModelName, Revision};
use std::io;
use std::path::{Path, PathBuf};

/// A model's place in a cache.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    cache: PathBuf,
    folder: PathBuf,
    locks: PathBuf,
}

impl Repository {
    pub(crate) fn of(cache: &Path, name: &ModelName) -> Self {
        Self {
            cache: cache.to_owned(),
            folder: cache.join(name.folder()),
            locks: cache.join(".locks").join(name.folder()),
        }
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    pub(crate) fn blob(&self, checksum: &Checksum) -> PathBuf {
        self.blobs().join(checksum.as_str())
    }

    /// The half-written file. Versions of `huggingface_hub` before 2 use the same and continue it;
    /// 2.x writes to `CHECKSUM.RANDOM.incomplete`, with holes where it fetches parts by Xet, so
    /// that nothing of that is taken up.
    pub(crate) fn half(&self, checksum: &Checksum) -> PathBuf {
        self.blobs()
            .join(format!("{}.incomplete", checksum.as_str()))
    }

    /// The lock that whoever writes the blob holds, with `flock(2)`.
    pub(crate) fn lock(&self, blob: &str) -> PathBuf {
        self.locks.join(format!("{blob}.lock"))
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.folder.join("snapshots")
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.snapshots().join(commit)
    }

    pub(crate) fn refs(&self) -> PathBuf {
        self.folder.join("refs")
    }

    pub(crate) fn reference(&self, revision: &Revision) -> PathBuf {
        self.refs().join(revision.as_str())
    }

    pub(crate) fn tree(&self, commit: &str) -> PathBuf {
        self.folder.join("trees").join(format!("{commit}.json"))
    }

    /// What is dyno's own.
    pub(crate) fn own(&self) -> PathBuf {
        self.folder.join(".dyno")
    }

    pub(crate) fn record(&self, commit: &str) -> PathBuf {
        self.own().join(format!("{commit}.json"))
    }

    pub(crate) fn use_lock(&self) -> PathBuf {
        self.own().join("use.lock")
    }

    pub(crate) fn checked(&self, blob: &str) -> PathBuf {
        self.own().join("checked").join(blob)
    }
}

/// Whether a name among the blobs is one that `huggingface_hub` gives to what it is about to rename
/// or remove (`_chmod_and_move`, `_make_temporary_symlink`).
pub(crate) fn is_in_passing(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("tmp_")
}

/// What the kernel said of a path of the cache.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |error| FetchError::Cache {
        doing,
        path,
        why: in_words(&error),
    }
}

/// The kernel's words without the number: `permission denied`.
pub(crate) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
