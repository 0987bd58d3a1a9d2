//! Paths as text, as Python's `os.path` takes them: no file is looked at.

use std::path::{Component, Path, PathBuf};

/// `os.path.abspath` of `path` seen from `folder`, which is absolute: `.` and `..` are
/// resolved in the text, links are not.
pub fn absolute_path(folder: &Path, path: impl AsRef<Path>) -> PathBuf {
    let mut result = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_in_the_text() {
        for (path, expected) in [
            ("", "/a/b"),
            (".", "/a/b"),
            ("../c/./d/", "/a/c/d"),
            ("/x/../../y", "/y"),
            ("../../..", "/"),
        ] {
            assert_eq!(absolute_path(Path::new("/a/b"), path), Path::new(expected));
        }
    }
}
