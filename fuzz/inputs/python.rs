//! A module: parsed, and every name of it resolved. Further modules follow lines of
//! `#=== path`.

#[path = "files.rs"]
mod files;

use dyno_python::{Context, Interpreter, SearchPath, World};
use std::path::Path;

/// Reads, resolves and evaluates; panics, endless loops and overflows are what is looked for.
pub(crate) fn run(data: &[u8]) {
    let files = files::read(data, "test_a.py");
    let search = SearchPath {
        project: vec!["/p".into()],
        installed: Vec::new(),
    };
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
    let world = World::new(&files, search, interpreter);
    let Ok(module) = world.load(Path::new("/p/test_a.py")) else {
        return;
    };
    for entry in world.names(&module).entries {
        let value = world.lookup(&Context::after(&module), &entry.name);
        let _ = dyno_python::python_repr(&value);
        let _ = dyno_python::python_str(&value);
    }
    let _ = world.closure(&module);
}
