//! What a sandbox leaves of its folder.

use std::fs;
use std::path::Path;

/// Removes what was left in `/tmp`, or keeps it for somebody to look at, without the places
/// where something shared was mounted.
pub(super) fn put_away(folder: &Path, keeps: bool) {
    if keeps {
        remove_empty(folder);
    } else {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Removes empty files and folders; a folder is empty if it holds nothing but such.
fn remove_empty(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(kind) if kind.is_dir() => remove_empty(&entry.path()),
            Ok(kind) if kind.is_file() && kind.len() == 0 => {
                let _ = fs::remove_file(entry.path());
            }
            _ => {}
        }
    }
    // It stays if something is in it.
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_in_a_folder_stays_and_mount_points_go() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("gw0");
        fs::create_dir_all(own.join("tmp/a/b")).unwrap();
        fs::write(own.join("tmp/a/empty"), "").unwrap();
        remove_empty(&own);
        assert!(!own.exists());
        fs::create_dir_all(own.join("tmp/a")).unwrap();
        fs::write(own.join("tmp/left"), "x").unwrap();
        remove_empty(&own);
        assert!(own.join("tmp/left").exists() && !own.join("tmp/a").exists());
    }
}
