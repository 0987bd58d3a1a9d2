//! What a crashed interpreter leaves behind.

use std::fs;
use std::path::PathBuf;

/// So much of a crashed interpreter's stacks is kept.
const CRASH_LOG: usize = 16 * 1024;

/// The stacks that a fatal signal left behind, if it left any.
pub(crate) fn take(path: &PathBuf) -> Option<String> {
    let text = fs::read(path).ok()?;
    if text.is_empty() {
        let _ = fs::remove_file(path);
        return None;
    }
    let head = &text[..text.len().min(CRASH_LOG)];
    Some(String::from_utf8_lossy(head).into_owned())
}
