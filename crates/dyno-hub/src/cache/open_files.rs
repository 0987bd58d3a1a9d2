//! Which files of a cache processes have open, or mapped into their memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files below a folder that processes have open or mapped, each with one of these processes.
/// Of processes whose files this user may not see, nothing is known.
pub(crate) fn open_below(folder: &Path) -> BTreeMap<PathBuf, u32> {
    let mut open = BTreeMap::new();
    let Ok(folder) = std::fs::canonicalize(folder) else {
        return open;
    };
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return open;
    };
    let own = std::process::id();
    for process in processes.flatten() {
        let id = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(id) = id.filter(|&id: &u32| id != own) else {
            continue;
        };
        let descriptors = std::fs::read_dir(process.path().join("fd"));
        for descriptor in descriptors.into_iter().flatten().flatten() {
            if let Ok(path) = std::fs::read_link(descriptor.path())
                && path.starts_with(&folder)
            {
                open.insert(path, id);
            }
        }
        let maps = std::fs::read(process.path().join("maps")).unwrap_or_default();
        for line in String::from_utf8_lossy(&maps).lines() {
            // `ADDRESSES MODE OFFSET DEVICE INODE    PATH`
            if let Some(at) = line.find('/')
                && let Some(path) = line.get(at..).map(Path::new)
                && path.starts_with(&folder)
            {
                open.insert(path.to_owned(), id);
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_file_that_a_process_reads_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::fs::canonicalize(folder.path()).unwrap().join("a b");
        std::fs::write(&path, "x").unwrap();
        assert!(open_below(folder.path()).is_empty());
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::options().append(true).open(&path).unwrap())
            .spawn()
            .unwrap();
        assert_eq!(open_below(folder.path()).get(&path), Some(&cat.id()));
        cat.kill().unwrap();
        cat.wait().unwrap();
    }
}
