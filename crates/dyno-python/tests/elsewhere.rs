//! What one module changes of another, against what Python made of it
//! (`tests/data/record_elsewhere.py`).

use dyno_model::FilesInMemory;
use dyno_python::{Interpreter, SearchPath, World};
use serde_json::Value as Json;
use std::path::Path;

fn world(files: &FilesInMemory) -> World<'_> {
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
    let search = SearchPath {
        project: vec!["/p".into()],
        installed: Vec::new(),
    };
    World::new(files, search, interpreter)
}

#[test]
fn a_change_concerns_whoever_imports_what_is_changed() {
    let recorded: Json = serde_json::from_str(include_str!("data/elsewhere.json")).unwrap();
    let mut wrong = Vec::new();
    for case in recorded.as_array().unwrap() {
        let mut files = FilesInMemory::new();
        for (name, text) in case["files"].as_object().unwrap() {
            files = files.with(format!("/p/{name}.py"), text.as_str().unwrap());
        }
        let world = world(&files);
        let writer = world.load(Path::new("/p/c.py")).unwrap();
        let importer = world.load(Path::new("/p/t.py")).unwrap();
        let source = world.load(Path::new("/p/k.py")).unwrap();
        let changes = world.changes(&writer);
        let seen =
            (changes.iter()).any(|change| change.concerns(&importer) || change.concerns(&source));
        let is_other = case["changes"].as_bool().unwrap();
        let is_kept = case["kept"].as_bool().unwrap();
        if (is_other && !seen) || (is_kept && seen) {
            wrong.push(format!("{case}\n{changes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
