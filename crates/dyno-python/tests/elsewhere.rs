//! What one module changes of another, against what Python made of it
//! (`tests/data/record_elsewhere.py`).

mod small_world;

use serde_json::Value as Json;
use small_world::{files, world};
use std::path::Path;

#[test]
fn a_change_concerns_whoever_imports_what_is_changed() {
    let recorded: Json = serde_json::from_str(include_str!("data/elsewhere.json")).unwrap();
    let mut wrong = Vec::new();
    for case in recorded.as_array().unwrap() {
        let files = files(case);
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
