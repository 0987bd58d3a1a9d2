//! The disk, as [`Files`] lends it out.
//!
//! Each answer is kept, so that one run sees one state of each file however often it asks,
//! and several threads share what one has read. Folders are listed once with the kinds of
//! their entries, and a listed folder answers for what it holds without another call to
//! the kernel.

use crate::Fingerprint;
use dyno_model::{FileKind, Files, FolderEntry};
use rustix::fs::{Dir, FileType, Mode, OFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Locks are spread over this many maps, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Answers by path, letter by letter: `a//b` is asked again where `a/b` is known, which is
/// right too, and taking each path apart to compare it would cost more.
#[derive(Debug)]
struct Kept<V> {
    shards: [Mutex<HashMap<Box<OsStr>, V>>; SHARDS],
    hasher: RandomState,
}

impl<V> Default for Kept<V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl<V: Clone> Kept<V> {
    fn shard(&self, path: &Path) -> &Mutex<HashMap<Box<OsStr>, V>> {
        let hash = self.hasher.hash_one(path.as_os_str());
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        &self.shards[index]
    }

    fn get(&self, path: &Path) -> Option<V> {
        let shard = self.shard(path).lock();
        shard
            .unwrap_or_else(PoisonError::into_inner)
            .get(path.as_os_str())
            .cloned()
    }

    /// The kept answer, else that of `ask`. Where two threads ask at once, the first
    /// answer that is kept counts for both.
    fn get_or(&self, path: &Path, ask: impl FnOnce() -> V) -> V {
        if let Some(known) = self.get(path) {
            return known;
        }
        let answer = ask();
        let shard = self.shard(path).lock();
        shard
            .unwrap_or_else(PoisonError::into_inner)
            .entry(path.as_os_str().into())
            .or_insert(answer)
            .clone()
    }
}

/// What was read of a file: its content, and the fingerprint of just that content.
type Read = Option<(Arc<[u8]>, Fingerprint)>;

/// The disk.
#[derive(Debug, Default)]
pub struct Disk {
    kinds: Kept<Option<FileKind>>,
    texts: Kept<Read>,
    listings: Kept<Option<Arc<[FolderEntry]>>>,
    canonical: Kept<PathBuf>,
}

impl Disk {
    /// A disk of which nothing has been read.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fingerprint of a file's content; absent where there is none that can be read.
    pub fn fingerprint(&self, path: &Path) -> Option<Fingerprint> {
        self.read_both(path).map(|(_, fingerprint)| fingerprint)
    }

    /// The fingerprint of the names that a folder holds, and of what they are.
    pub fn listing_fingerprint(&self, folder: &Path) -> Option<Fingerprint> {
        let entries = self.list(folder)?;
        let mut parts: Vec<&[u8]> = Vec::with_capacity(entries.len() * 2);
        for entry in entries.iter() {
            parts.push(entry.name.as_bytes());
            parts.push(match (entry.kind, entry.is_link) {
                (Some(FileKind::File), false) => b"f",
                (Some(FileKind::File), true) => b"lf",
                (Some(FileKind::Folder), false) => b"d",
                (Some(FileKind::Folder), true) => b"ld",
                (Some(FileKind::Other), _) => b"o",
                (None, _) => b"",
            });
        }
        Some(Fingerprint::of_parts(parts))
    }

    fn read_both(&self, path: &Path) -> Read {
        self.texts.get_or(path, || {
            // A pipe or a device would block, or never end.
            if self.kind(path) != Some(FileKind::File) {
                return None;
            }
            let content: Arc<[u8]> = std::fs::read(path).ok()?.into();
            let fingerprint = Fingerprint::of(&content);
            Some((content, fingerprint))
        })
    }

    /// What a listed folder says of the path; absent where the folder was not listed, or
    /// the path's last part is no name.
    #[expect(
        clippy::option_option,
        reason = "not listed, nothing there, something there"
    )]
    fn kind_from_listing(&self, path: &Path) -> Option<Option<FileKind>> {
        let (folder, name) = (path.parent()?, path.file_name()?);
        let entries = self.listings.get(folder)??;
        Some(find(&entries, name).and_then(|entry| entry.kind))
    }
}

impl Files for Disk {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        if let Some(known) = self.kind_from_listing(path) {
            return known;
        }
        self.kinds.get_or(path, || {
            std::fs::metadata(path).ok().map(|found| {
                if found.is_file() {
                    FileKind::File
                } else if found.is_dir() {
                    FileKind::Folder
                } else {
                    FileKind::Other
                }
            })
        })
    }

    fn read(&self, path: &Path) -> Option<Arc<[u8]>> {
        self.read_both(path).map(|(content, _)| content)
    }

    fn list(&self, folder: &Path) -> Option<Arc<[FolderEntry]>> {
        self.listings
            .get_or(folder, || list(folder).ok().map(Into::into))
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        self.canonical.get_or(path, || canonical(path))
    }
}

fn find<'a>(entries: &'a [FolderEntry], name: &OsStr) -> Option<&'a FolderEntry> {
    let at = entries.binary_search_by(|entry| entry.name.as_os_str().cmp(name));
    at.ok().and_then(|index| entries.get(index))
}

/// Reads a folder. The kernel tells the kind with the name, so only links, and entries of
/// file systems that do not tell, cost a call each.
fn list(folder: &Path) -> rustix::io::Result<Vec<FolderEntry>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in Dir::new(opened)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let told = entry.file_type();
        let (kind, is_link) = match told {
            FileType::RegularFile => (Some(FileKind::File), false),
            FileType::Directory => (Some(FileKind::Folder), false),
            FileType::Symlink | FileType::Unknown => look(&folder.join(name)),
            _ => (Some(FileKind::Other), false),
        };
        entries.push(FolderEntry {
            name: name.to_owned(),
            kind,
            is_link,
        });
    }
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// What a path leads to, and whether it is a link.
fn look(path: &Path) -> (Option<FileKind>, bool) {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let kind = std::fs::metadata(path).ok().map(|found| {
        if found.is_file() {
            FileKind::File
        } else if found.is_dir() {
            FileKind::Folder
        } else {
            FileKind::Other
        }
    });
    (kind, is_link)
}

/// `os.path.realpath`: links are resolved as far as the path exists, and the rest stays.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(resolved) = std::fs::canonicalize(path) {
        return resolved;
    }
    for folder in path.ancestors().skip(1) {
        if let (Ok(resolved), Ok(rest)) = (std::fs::canonicalize(folder), path.strip_prefix(folder))
        {
            return resolved.join(rest);
        }
    }
    path.to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        fs::write(root.path().join("b.py"), "b").unwrap();
        fs::write(root.path().join("a.py"), "a").unwrap();
        symlink("a.py", root.path().join("link.py")).unwrap();
        symlink("nowhere", root.path().join("broken")).unwrap();
        symlink(".", root.path().join("cycle")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        root
    }

    #[test]
    fn a_listing_is_sorted_and_tells_kinds() {
        let root = tree();
        let disk = Disk::new();
        let listed = disk.list(root.path()).unwrap();
        let told: Vec<_> = listed
            .iter()
            .map(|entry| (entry.name.to_str().unwrap(), entry.kind, entry.is_link))
            .collect();
        let (file, folder) = (Some(FileKind::File), Some(FileKind::Folder));
        assert_eq!(
            told,
            [
                ("a.py", file, false),
                ("b.py", file, false),
                ("broken", None, true),
                ("cycle", folder, true),
                ("link.py", file, true),
                ("pipe", Some(FileKind::Other), false),
                ("sub", folder, false),
            ]
        );
        assert!(disk.list(&root.path().join("a.py")).is_none());
        assert!(disk.list(&root.path().join("absent")).is_none());
    }

    #[test]
    fn kinds_agree_whether_the_folder_was_listed_or_not() {
        let root = tree();
        let (asked, listed) = (Disk::new(), Disk::new());
        listed.list(root.path());
        for name in [
            "a.py", "link.py", "broken", "cycle", "pipe", "sub", "absent", "sub/..",
        ] {
            let path = root.path().join(name);
            assert_eq!(asked.kind(&path), listed.kind(&path), "{name}");
        }
    }

    #[test]
    fn a_pipe_is_not_read_and_an_answer_stays() {
        let root = tree();
        let disk = Disk::new();
        assert!(disk.read(&root.path().join("pipe")).is_none());
        let file = root.path().join("a.py");
        let before = disk.fingerprint(&file);
        fs::write(&file, "changed").unwrap();
        assert_eq!(disk.read(&file).as_deref(), Some(b"a".as_slice()));
        assert_eq!(disk.fingerprint(&file), before);
        assert_ne!(Disk::new().fingerprint(&file), before);
    }

    #[test]
    fn what_does_not_exist_is_resolved_as_far_as_it_does() {
        let root = tree();
        let real = fs::canonicalize(root.path()).unwrap();
        let disk = Disk::new();
        let path = root.path().join("cycle/cycle/none/x.py");
        assert_eq!(disk.canonical(&path), real.join("none/x.py"));
        assert_eq!(
            disk.canonical(&root.path().join("link.py")),
            real.join("a.py")
        );
    }

    #[test]
    fn a_listing_fingerprint_sees_names_and_kinds() {
        let root = tree();
        let before = Disk::new().listing_fingerprint(root.path());
        assert_eq!(Disk::new().listing_fingerprint(root.path()), before);
        fs::write(root.path().join("c.py"), "").unwrap();
        let more = Disk::new().listing_fingerprint(root.path());
        assert_ne!(more, before);
        fs::remove_file(root.path().join("c.py")).unwrap();
        fs::create_dir(root.path().join("c.py")).unwrap();
        assert_ne!(Disk::new().listing_fingerprint(root.path()), more);
    }
}
