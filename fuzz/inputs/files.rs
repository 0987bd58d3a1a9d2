//! Several files in one input, apart by lines of `#=== path`.

use dyno_model::{Files, FilesInMemory};
use std::path::Path;

/// The files that the input holds, the first by that name.
pub fn read(data: &[u8], first: &str) -> FilesInMemory {
    let mut files = FilesInMemory::new();
    let mut path = first.to_owned();
    let mut content = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"#=== ") {
            files = files.with(format!("/p/{path}"), &content);
            content.clear();
            String::from_utf8_lossy(name).trim().clone_into(&mut path);
        } else {
            content.extend_from_slice(line);
        }
    }
    files.with(format!("/p/{path}"), &content)
}

/// The lines of a file, the one after its last end included, by whatever convention counts
/// the most of them.
pub fn lines(files: &FilesInMemory, path: &Path) -> Option<u32> {
    let content = files.read(path)?;
    let ends = content.iter().filter(|byte| b"\n\r\x0c".contains(byte));
    Some(u32::try_from(ends.count() + 1).unwrap_or(u32::MAX))
}
