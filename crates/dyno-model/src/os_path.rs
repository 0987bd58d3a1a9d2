//! Paths as text, as Python's `os.path` takes them: no file is looked at.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;
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

/// A name of a file as Python's text for it crosses dyno's wire (`_wire.as_sent`): each byte
/// that is no UTF-8 is the lone surrogate of `os.fsdecode`, written out.
pub fn python_text(name: &OsStr) -> Cow<'_, str> {
    if let Some(text) = name.to_str() {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\udc{byte:02x}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_written_out() {
        use std::os::unix::ffi::OsStrExt;
        // `os.fsdecode` of these, by Python 3.11 with `backslashreplace`.
        for (bytes, expected) in [
            (&b"test_\xc3\xa9.py"[..], "test_\u{e9}.py"),
            (b"test_\xff.py", "test_\\udcff.py"),
            (b"a\xe2\x82b\xc3", "a\\udce2\\udc82b\\udcc3"),
            (b"\xed\xa0\x80", "\\udced\\udca0\\udc80"),
        ] {
            assert_eq!(python_text(OsStr::from_bytes(bytes)), expected);
        }
    }

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
