//! The lock of a blob, as Python's `filelock` takes it: `flock(2)` on a file that stays.

use crate::cache::{Repository, failed};
use crate::error::FetchError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Held while it lives. The kernel lets go of it when the process ends, by whatever road; the
/// file stays, because who removes it splits those who wait from those who come.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

/// How a model is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// To add to it, beside others that do.
    Beside,
    /// To remove something of it that nobody may be about to need.
    Alone,
}

/// How often a lock that somebody holds is tried: as often as `filelock` does.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Others of the group may wait for the lock too, as with `huggingface_hub`.
const MODE: u32 = 0o664;

impl Lock {
    /// What stands for a lock where there is nothing that anyone could hold.
    pub(crate) fn none() -> Self {
        Self { _file: None }
    }

    /// Takes the lock, or none where somebody holds it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>, FetchError> {
        Self::try_take_as(path, FlockOperation::NonBlockingLockExclusive)
    }

    fn try_take_as(path: &Path, how: FlockOperation) -> Result<Option<Self>, FetchError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("write", folder))?;
        }
        loop {
            let file = open(path).map_err(failed("lock", path))?;
            match flock(&file, how) {
                Ok(()) => {}
                Err(error) => {
                    let error = io::Error::from(error);
                    let held = matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::PermissionDenied
                    );
                    if held {
                        return Ok(None);
                    }
                    return Err(failed("lock", path)(error));
                }
            }
            // Removed while we opened it: such a lock guards no name.
            if file.metadata().map_err(failed("lock", path))?.nlink() > 0 {
                return Ok(Some(Self { _file: Some(file) }));
            }
        }
    }

    /// Takes the lock when it is free; `on_wait` hears once that somebody holds it.
    pub(crate) async fn take(path: &Path, on_wait: impl FnOnce()) -> Result<Self, FetchError> {
        let mut on_wait = Some(on_wait);
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
}

impl Repository {
    /// Says that the model is used; none where others use it in a way that does not go with this.
    pub(crate) fn use_it(&self, how: Use) -> Result<Option<Lock>, FetchError> {
        let how = match how {
            Use::Beside => FlockOperation::NonBlockingLockShared,
            Use::Alone => FlockOperation::NonBlockingLockExclusive,
        };
        Lock::try_take_as(&self.use_lock(), how)
    }

    /// As [`Repository::use_it`], beside others, once nobody uses it alone.
    pub(crate) async fn use_beside(&self) -> Result<Lock, FetchError> {
        loop {
            if let Some(lock) = self.use_it(Use::Beside)? {
                return Ok(lock);
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(MODE)
        .custom_flags(libc_flags());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // Whatever the umask; who may not is not the owner, and the owner has set it.
            let _ = file.set_permissions(std::fs::Permissions::from_mode(MODE));
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match options.open(path) {
            // Another user's: a lock needs no more than reading.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                OpenOptions::new().read(true).open(path)
            }
            // Removed in between.
            Err(error) if error.kind() == ErrorKind::NotFound => open(path),
            opened => opened,
        },
        Err(error) => Err(error),
    }
}

/// No link is followed that somebody laid in a shared cache.
fn libc_flags() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_lock_at_a_time_and_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/a.lock");
        let held = Lock::try_take(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn a_model_is_used_by_many_or_by_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::of(folder.path(), &"a/b".parse().unwrap());
        let (one, two) = (
            repository.use_it(Use::Beside),
            repository.use_it(Use::Beside),
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.is_some() && two.is_some());
        assert!(repository.use_it(Use::Alone).unwrap().is_none());
        drop((one, two));
        let alone = repository.use_it(Use::Alone).unwrap();
        assert!(alone.is_some() && repository.use_it(Use::Beside).unwrap().is_none());
    }

    #[test]
    fn a_link_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(Lock::try_take(&path).is_err());
    }
}
