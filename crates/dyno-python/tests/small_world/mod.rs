//! A project in memory, below `/p`, as one interpreter sees it.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use dyno_model::FilesInMemory;
use dyno_python::{Interpreter, SearchPath, World};
use serde_json::Value as Json;

/// The interpreter that the recordings were made by.
pub fn interpreter() -> Interpreter {
    Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    }
}

/// The modules below `/p`, and none that is installed.
pub fn world(files: &FilesInMemory) -> World<'_> {
    let search = SearchPath {
        project: vec!["/p".into()],
        installed: Vec::new(),
    };
    World::new(files, search, interpreter())
}

/// The modules of a recorded case, by name.
pub fn files(case: &Json) -> FilesInMemory {
    let mut files = FilesInMemory::new();
    for (name, text) in case["files"].as_object().unwrap() {
        files = files.with(format!("/p/{name}.py"), text.as_str().unwrap());
    }
    files
}
