//! The tree of files that is read, as whoever holds it lends it out.
//!
//! The crates that understand Python and pytest read files only through [`Files`], so
//! they stay pure: the disk is one implementation, [`FilesInMemory`] is the other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and folders, by absolute path.
///
/// An answer holds for as long as the value lives: asked twice, it says the same.
pub trait Files: Sync {
    /// What is at `path`, symbolic links followed; absent where nothing is.
    fn kind(&self, path: &Path) -> Option<FileKind>;

    /// The content of a file; absent where there is none that can be read.
    fn read(&self, path: &Path) -> Option<Arc<[u8]>>;

    /// What a folder holds, sorted by name as bytes; absent where it cannot be listed.
    fn list(&self, folder: &Path) -> Option<Arc<[FolderEntry]>>;

    /// The path with every symbolic link resolved, as `os.path.realpath`; the path itself
    /// where it cannot be.
    fn canonical(&self, path: &Path) -> PathBuf;
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A socket, a pipe, a device.
    Other,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its name.
    pub name: OsString,
    /// What it leads to; absent for a link to nowhere.
    pub kind: Option<FileKind>,
    /// Whether it is a symbolic link.
    pub is_link: bool,
}

/// A tree of files that is nowhere but in memory.
#[derive(Debug, Clone, Default)]
pub struct FilesInMemory {
    files: BTreeMap<PathBuf, Arc<[u8]>>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl FilesInMemory {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at an absolute path, and with it the folders above.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), content.as_ref().into());
        self
    }

    /// Puts a symbolic link at an absolute path; where it leads is seen from its folder.
    #[must_use]
    pub fn with_link(mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.links.insert(path.into(), target.into());
        self
    }

    /// The path without links; absent where more than 40 are on the way, as on Linux.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut left = 40;
        let mut done = PathBuf::new();
        let mut rest: Vec<OsString> = Vec::new();
        let push = |rest: &mut Vec<OsString>, path: &Path| {
            rest.extend(
                path.components()
                    .rev()
                    .map(|part| part.as_os_str().to_owned()),
            );
        };
        push(&mut rest, path);
        while let Some(part) = rest.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            if part != "." {
                done.push(part);
            }
            if let Some(target) = self.links.get(&done) {
                if left == 0 {
                    return None;
                }
                left -= 1;
                done.pop();
                push(&mut rest, target);
            }
        }
        Some(done)
    }

    fn entries(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys().chain(self.links.keys())
    }
}

impl Files for FilesInMemory {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        let path = self.resolve(path)?;
        if self.files.contains_key(&path) {
            Some(FileKind::File)
        } else {
            let below = |file: &PathBuf| file.starts_with(&path);
            self.entries().any(below).then_some(FileKind::Folder)
        }
    }

    fn read(&self, path: &Path) -> Option<Arc<[u8]>> {
        self.files.get(&self.resolve(path)?).cloned()
    }

    fn list(&self, folder: &Path) -> Option<Arc<[FolderEntry]>> {
        let real = self.resolve(folder)?;
        let names: BTreeSet<_> = self
            .entries()
            .filter_map(|file| file.strip_prefix(&real).ok()?.components().next())
            .map(|first| first.as_os_str().to_owned())
            .collect();
        (!names.is_empty()).then(|| {
            let entry = |name: OsString| FolderEntry {
                kind: self.kind(&folder.join(&name)),
                is_link: self.links.contains_key(&real.join(&name)),
                name,
            };
            names.into_iter().map(entry).collect()
        })
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        self.resolve(path).unwrap_or_else(|| path.to_path_buf())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_brings_its_folders() {
        let files = FilesInMemory::new()
            .with("/p/tests/test_b.py", "b")
            .with("/p/tests/a/test_a.py", "a");
        assert_eq!(files.kind(Path::new("/p")), Some(FileKind::Folder));
        assert_eq!(
            files.kind(Path::new("/p/tests/test_b.py")),
            Some(FileKind::File)
        );
        assert_eq!(files.kind(Path::new("/q")), None);
        let listed = files.list(Path::new("/p/tests")).unwrap();
        let names: Vec<_> = listed
            .iter()
            .map(|entry| (entry.name.to_str().unwrap(), entry.kind))
            .collect();
        assert_eq!(
            names,
            [
                ("a", Some(FileKind::Folder)),
                ("test_b.py", Some(FileKind::File))
            ]
        );
    }
}
