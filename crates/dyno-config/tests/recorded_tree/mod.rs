//! The trees that `record_pytest.py` recorded; dyno-discover's tests lay them out.

#![allow(unreachable_pub, reason = "tests of two crates take it in")]

use dyno_model::{FilesInMemory, PytestVersion};
use serde_json::Value;

/// `8.0` and the like.
pub fn version(text: &str) -> PytestVersion {
    let (major, minor) = text.split_once('.').unwrap();
    PytestVersion::new(major.parse().unwrap(), minor.parse().unwrap())
}

/// The files and links of a case, below `/`.
pub fn files(case: &Value) -> FilesInMemory {
    let mut files = FilesInMemory::new();
    for (path, content) in case["files"].as_object().unwrap() {
        files = files.with(format!("/{path}"), content.as_str().unwrap());
    }
    for (path, target) in case["links"].as_object().unwrap() {
        files = files.with_link(format!("/{path}"), target.as_str().unwrap());
    }
    files
}
