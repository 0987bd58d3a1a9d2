//! Puts the files of a model into a directory: whole or not at all, and over nothing
//! that someone else put there.
//!
//! A missing directory is made under a hidden name beside its place and renamed, which
//! is one step. An existing one (it may be a mount, a symlink or someone's working
//! directory) is filled in place, file by file, each by a rename, with [`LAST`] last.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::Builder;

use super::ModelFile;

/// The file without which no engine takes a directory for a model.
pub(super) const LAST: &str = "config.json";

/// Starts the names of what a run has not finished; a later run ignores them.
const UNFINISHED: &str = ".dyno-";

/// What to do where the directory holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfOccupied {
    /// Refuse.
    Refuse,
    /// Replace the files that the model has; leave the others.
    Replace,
}

/// What became of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The model is new there.
    New,
    /// The very same model was there before.
    AlreadyThere,
}

/// Why no model was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The place is taken by something that is no directory.
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The directory holds something that is not this model's.
    #[error("`{}` already holds `{entry}`, which is not of this model", .dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
        /// One entry in the way.
        entry: String,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Puts `files` into `dir`.
pub(super) fn put(
    dir: &Path,
    files: &[ModelFile],
    occupied: IfOccupied,
) -> Result<Written, WriteError> {
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => return Err(WriteError::NotADirectory(dir.to_owned())),
        Ok(_) => return fill(dir, files, occupied),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("look at", dir)(error)),
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(failed("make", parent))?;
    let unfinished = unfinished()
        .permissions(fs::Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(failed("make a folder in", parent))?;
    for file in files {
        place(unfinished.path(), file, IfOccupied::Refuse)?;
    }
    match fs::rename(unfinished.path(), dir) {
        Ok(()) => {
            // Nothing is left under its name to remove.
            let _gone = unfinished.keep();
            Ok(Written::New)
        }
        // Another run was first.
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => fill(dir, files, occupied),
        Err(error) => Err(failed("make", dir)(error)),
    }
}

/// Fills the directory `dir`, which exists.
fn fill(dir: &Path, files: &[ModelFile], occupied: IfOccupied) -> Result<Written, WriteError> {
    if files.iter().all(|file| is_there(dir, file)) {
        return Ok(Written::AlreadyThere);
    }
    match occupied {
        IfOccupied::Refuse => refuse_what_is_not_of(dir, files)?,
        IfOccupied::Replace => {
            let last = dir.join(LAST);
            match fs::remove_file(&last) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed("remove", &last)(error));
                }
                _ => {}
            }
        }
    }
    for file in files {
        place(dir, file, occupied)?;
    }
    Ok(Written::New)
}

/// Whether `dir` has `file`, byte for byte.
fn is_there(dir: &Path, file: &ModelFile) -> bool {
    fs::read(dir.join(file.name)).is_ok_and(|found| found == file.content)
}

fn refuse_what_is_not_of(dir: &Path, files: &[ModelFile]) -> Result<(), WriteError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let name = entry.map_err(failed("list", dir))?.file_name();
        entries.push(name.to_string_lossy().into_owned());
    }
    entries.sort();
    let foreign = entries.into_iter().find(|name| {
        !name.starts_with(UNFINISHED)
            && !files
                .iter()
                .any(|file| file.name == name && is_there(dir, file))
    });
    foreign.map_or(Ok(()), |entry| Err(occupied_by(dir, entry)))
}

/// Puts one file in its place in a single step.
fn place(dir: &Path, file: &ModelFile, occupied: IfOccupied) -> Result<(), WriteError> {
    let path = dir.join(file.name);
    let mut unfinished = unfinished()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .map_err(failed("make a file in", dir))?;
    unfinished
        .write_all(&file.content)
        .map_err(failed("write", &path))?;
    let placed = match occupied {
        IfOccupied::Replace => unfinished.persist(&path),
        IfOccupied::Refuse => unfinished.persist_noclobber(&path),
    };
    match placed.map_err(|refused| refused.error) {
        Ok(_) => Ok(()),
        // Another run was first; it may have put the same there.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_there(dir, file) {
                Ok(())
            } else {
                Err(occupied_by(dir, file.name.to_owned()))
            }
        }
        Err(error) => Err(failed("write", &path)(error)),
    }
}

/// A builder of hidden files and folders, whose modes are cut by the umask as usual.
fn unfinished() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    builder
}

fn occupied_by(dir: &Path, entry: String) -> WriteError {
    WriteError::Occupied {
        dir: dir.to_owned(),
        entry,
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    move |source| WriteError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
