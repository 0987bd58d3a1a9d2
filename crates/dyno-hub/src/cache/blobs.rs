//! Blobs: whether their bytes are those that their names promise.

use crate::cache::Repository;
use crate::checksum::Checksum;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// The bytes that were announced; so many.
    Right(u64),
    /// Others.
    Wrong,
}

/// Whether bytes that were summed up before are summed up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not where the file is the one that was summed up.
    Checked,
    /// In any case.
    Nothing,
}

impl Repository {
    /// What `path` holds, which is to have this checksum, and this size where it is known. The
    /// bytes are summed up once; as long as the file is the same one (its size, its number, the
    /// times of its last changes), that is remembered.
    pub(crate) fn look_at(
        &self,
        path: &Path,
        checksum: &Checksum,
        size: Option<u64>,
        trust: Trust,
    ) -> io::Result<Found> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        if !about.is_file() || size.is_some_and(|size| size != about.len()) {
            return Ok(Found::Wrong);
        }
        let stamp = stamp(&about);
        let kept = self.checked(checksum.as_str());
        let known = || std::fs::read_to_string(&kept).is_ok_and(|kept| kept == stamp);
        if trust == Trust::Checked && known() {
            return Ok(Found::Right(about.len()));
        }
        if summed(file, checksum, about.len())? != checksum.as_str() {
            return Ok(Found::Wrong);
        }
        self.remember(checksum, &stamp);
        Ok(Found::Right(about.len()))
    }

    /// Remembers that the bytes of a file have been summed up. Where nothing can be written, they
    /// are summed up again the next time.
    pub(crate) fn remember_file(&self, checksum: &Checksum, file: &File) {
        if let Ok(about) = file.metadata() {
            self.remember(checksum, &stamp(&about));
        }
    }

    fn remember(&self, checksum: &Checksum, stamp: &str) {
        let kept = self.checked(checksum.as_str());
        let written = || -> io::Result<()> {
            std::fs::create_dir_all(kept.parent().unwrap_or(&kept))?;
            crate::cache::write::whole_file(&self.own(), &kept, stamp.as_bytes())
        };
        let _ = written();
    }
}

/// What changes when a file's bytes do.
fn stamp(about: &Metadata) -> String {
    format!(
        "{} {} {}.{:09} {}.{:09}\n",
        about.len(),
        about.ino(),
        about.mtime(),
        about.mtime_nsec(),
        about.ctime(),
        about.ctime_nsec()
    )
}

/// The checksum of `size` bytes of a file.
pub(crate) fn summed(file: impl Read, checksum: &Checksum, size: u64) -> io::Result<String> {
    let mut sum = checksum.begin(size);
    add_all(file.take(size), &mut sum)?;
    Ok(sum.finish())
}

/// Adds all that can be read to a sum.
pub(crate) fn add_all(mut file: impl Read, sum: &mut crate::checksum::Sum) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => sum.add(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
