//! A half-written blob, and the sum of what is in it.

use crate::cache::blobs::add_all;
use crate::checksum::{Checksum, Sum};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A half-written blob, opened under its lock.
pub(crate) struct Half {
    path: PathBuf,
    file: File,
    checksum: Checksum,
    size: u64,
    /// How many bytes are in it, and in the sum.
    length: u64,
    sum: Sum,
}

impl Half {
    /// Opens it, or makes it, and sums up what is in it.
    pub(crate) fn open(path: &Path, checksum: &Checksum, size: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let opened = options.clone().custom_flags(flags).open(path);
        let file = match opened {
            Ok(file) if file.metadata()?.is_file() && file.metadata()?.nlink() == 1 => file,
            // A link, or one of several names: its bytes are somebody else's.
            _ => {
                std::fs::remove_file(path)?;
                options.create_new(true).custom_flags(flags).open(path)?
            }
        };
        let mut half = Self {
            path: path.to_owned(),
            sum: checksum.begin(size),
            checksum: checksum.clone(),
            size,
            length: 0,
            file,
        };
        let length = half.file.metadata()?.len();
        // More than there is to be: it is another file's, and cut to nothing by whoever asks.
        if length > size {
            half.length = length;
        } else {
            half.sum_up(length)?;
        }
        Ok(half)
    }

    /// How many bytes are in it.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Cuts it at `at`, which is not behind its end.
    pub(crate) fn cut(&mut self, at: u64) -> io::Result<()> {
        if at == self.length {
            return Ok(());
        }
        self.file.set_len(at)?;
        self.sum_up(at)
    }

    /// Writes at its end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.sum.add(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The checksum of what is in it, which is to be all.
    pub(crate) fn summed(&mut self) -> String {
        std::mem::replace(&mut self.sum, self.checksum.begin(self.size)).finish()
    }

    /// Gives it its name, once it is on the disk. The file again, for its stamp.
    pub(crate) fn keep(self, blob: &Path) -> io::Result<File> {
        self.file.sync_all()?;
        let about = self.file.metadata()?;
        let named = std::fs::symlink_metadata(&self.path)?;
        if about.len() != self.size || (named.ino(), named.dev()) != (about.ino(), about.dev()) {
            // Only where locks are not honoured, as on some network file systems.
            return Err(io::Error::other(
                "another process writes the same file, without its lock",
            ));
        }
        std::fs::rename(&self.path, blob)?;
        if let Some(folder) = blob.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(self.file)
    }

    fn sum_up(&mut self, length: u64) -> io::Result<()> {
        self.sum = self.checksum.begin(self.size);
        self.file.seek(SeekFrom::Start(0))?;
        add_all(std::io::Read::take(&self.file, length), &mut self.sum)?;
        self.length = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `printf hello | git hash-object --stdin`
    const HELLO: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";

    #[test]
    fn what_is_there_counts_and_what_is_cut_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, blob) = (folder.path().join("a.incomplete"), folder.path().join("a"));
        let checksum = Checksum::new(HELLO).unwrap();
        std::fs::write(&path, "hexx").unwrap();
        let mut half = Half::open(&path, &checksum, 5).unwrap();
        assert_eq!(half.length(), 4);
        half.cut(2).unwrap();
        half.append(b"llo").unwrap();
        assert_eq!(half.summed(), HELLO);
        half.keep(&blob).unwrap();
        assert_eq!(std::fs::read(&blob).unwrap(), b"hello");
        assert!(!path.exists());
    }

    #[test]
    fn nobody_writes_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (
            folder.path().join("a.incomplete"),
            folder.path().join("other"),
        );
        std::fs::write(&other, "mine").unwrap();
        let checksum = Checksum::new(HELLO).unwrap();
        for hard in [false, true] {
            if hard {
                std::fs::remove_file(&path).unwrap();
                std::fs::hard_link(&other, &path).unwrap();
            } else {
                std::os::unix::fs::symlink(&other, &path).unwrap();
            }
            let mut half = Half::open(&path, &checksum, 5).unwrap();
            half.append(b"hello").unwrap();
            assert_eq!(std::fs::read(&other).unwrap(), b"mine");
        }
    }

    #[test]
    fn what_took_the_files_place_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.incomplete");
        let checksum = Checksum::new(HELLO).unwrap();
        let mut half = Half::open(&path, &checksum, 5).unwrap();
        half.append(b"hello").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "jello").unwrap();
        assert!(half.keep(&folder.path().join("a")).is_err());
    }
}
