//! The folder of one build or run.

use crate::error::ContainerError;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that only its owner may enter, in memory where there is a place for it, gone with
/// this value.
#[derive(Debug)]
pub(super) struct PrivateFolder(TempDir);

/// A place in the folder.
pub(super) fn place(name: &str) -> PathBuf {
    PathBuf::from(name)
}

impl PrivateFolder {
    pub(super) fn make() -> Result<Self, ContainerError> {
        let of_user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let candidates = of_user
            .into_iter()
            .filter(|folder| folder.is_absolute() && is_plain(folder))
            .chain([PathBuf::from("/dev/shm"), std::env::temp_dir()]);
        let mut last = None;
        for parent in candidates {
            let made = tempfile::Builder::new()
                .prefix("dyno-container-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(&parent);
            match made {
                Ok(folder) => return Ok(Self(folder)),
                Err(source) => last = Some(failed("make a folder in", &parent)(source)),
            }
        }
        Err(last.unwrap_or_else(|| {
            ContainerError::System(
                "find a place for files",
                std::io::ErrorKind::NotFound.into(),
            )
        }))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that only its owner may read, and makes its folders.
    pub(super) fn write(&self, name: &Path, content: &[u8]) -> Result<(), ContainerError> {
        let path = self.made_for(name)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.map_err(failed("make", &path))?;
        file.write_all(content).map_err(failed("write", &path))
    }

    /// Copies a file.
    pub(super) fn copy(&self, from: &Path, name: &Path) -> Result<(), ContainerError> {
        let path = self.made_for(name)?;
        fs::copy(from, &path)
            .map(drop)
            .map_err(failed("copy", from))
    }

    fn made_for(&self, name: &Path) -> Result<PathBuf, ContainerError> {
        let path = self.path().join(name);
        let folder = path.parent().unwrap_or(self.path());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed("make", folder))?;
        Ok(path)
    }
}

/// Whether engines take the path as it is, in every place.
fn is_plain(path: &Path) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    path.to_str().is_some_and(|text| text.chars().all(fits))
}

fn failed<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> ContainerError + 'a {
    move |source| ContainerError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}
