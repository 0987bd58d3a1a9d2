//! What is written to a cache: whole, or not at all.

use crate::cache::{Repository, failed};
use crate::checksum::Checksum;
use crate::error::FetchError;
use crate::listing::{Listing, Record};
use dyno_model::{ModelFiles, Revision};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What marks a folder as a cache that need not be backed up (bford.info/cachedir).
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                         # Models of the Hugging Face Hub, which can be fetched again.\n";

/// Writes a file under its name when it is whole. `beside` is a folder of the same file system
/// where a leftover does no harm.
pub(crate) fn whole_file(beside: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut file = tempfile::Builder::new()
        .prefix("tmp-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(beside)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

impl Repository {
    /// Makes the model's folders.
    pub(crate) fn make(&self) -> Result<(), FetchError> {
        for folder in [self.blobs(), self.snapshots(), self.refs(), self.own()] {
            std::fs::create_dir_all(&folder).map_err(failed("write", &folder))?;
        }
        let tag = self.cache().join("CACHEDIR.TAG");
        if !tag.exists() {
            // For backups alone; another tool may write it at the same time.
            let _ = whole_file(self.cache(), &tag, CACHE_TAG.as_bytes());
        }
        Ok(())
    }

    /// Keeps the listing of a commit.
    pub(crate) fn keep_listing(
        &self,
        listing: &Listing,
        files: ModelFiles,
    ) -> Result<(), FetchError> {
        let Some(record) = Record::of(listing) else {
            return Ok(());
        };
        let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
        let path = self.record(&listing.commit);
        whole_file(&self.own(), &path, &text).map_err(failed("write", &path))?;
        let tree = self.tree(&listing.commit);
        if files == ModelFiles::All && !tree.exists() {
            let written = std::fs::create_dir_all(tree.parent().unwrap_or(&tree))
                .and_then(|()| whole_file(&self.own(), &tree, &text));
            written.map_err(failed("write", &tree))?;
        }
        Ok(())
    }

    /// Lays the link of a snapshot to a blob, whatever is in its place.
    pub(crate) fn link(
        &self,
        commit: &str,
        path: &str,
        checksum: &Checksum,
    ) -> Result<(), FetchError> {
        let link = self.snapshot(commit).join(path);
        let folder = link.parent().unwrap_or(&link);
        std::fs::create_dir_all(folder).map_err(failed("write", folder))?;
        // Two up from the snapshot's folder to the model's, and one for each folder below it.
        let mut target: PathBuf =
            std::iter::repeat_n("..", 2 + path.matches('/').count()).collect();
        target.extend(["blobs", checksum.as_str()]);
        if std::fs::read_link(&link).is_ok_and(|there| there == target) {
            return Ok(());
        }
        let made = tempfile::Builder::new()
            .prefix("tmp-")
            .make_in(self.own(), |at| std::os::unix::fs::symlink(&target, at))
            .and_then(|made| made.into_temp_path().persist(&link).map_err(Into::into));
        made.map_err(failed("write", &link))
    }

    /// Notes that somebody uses a commit now, for disks that do not note who reads.
    pub(crate) fn mark_used(&self, commit: &str) {
        let record = std::fs::File::options()
            .write(true)
            .open(self.record(commit));
        // A cache that is only read has nobody who collects its garbage either.
        let _ = record.and_then(|record| record.set_modified(SystemTime::now()));
    }

    /// Says which commit a revision is.
    pub(crate) fn refer(&self, revision: &Revision, commit: &str) -> Result<(), FetchError> {
        let path = self.reference(revision);
        let there = std::fs::read_to_string(&path).is_ok_and(|there| there == commit);
        if revision.as_str() == commit || there {
            return Ok(());
        }
        let written = std::fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| whole_file(&self.own(), &path, commit.as_bytes()));
        written.map_err(failed("write", &path))
    }
}
