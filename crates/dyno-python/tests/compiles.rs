//! Which texts are Python, against what `compile` took (`tests/data/record_compiles.py`).

mod small_world;

use dyno_python::Module;
use serde_json::Value as Json;
use small_world::interpreter;
use std::path::Path;

#[test]
fn a_text_is_refused_where_cpython_refuses_it() {
    let recorded: Json = serde_json::from_str(include_str!("data/compiles.json")).unwrap();
    let interpreter = interpreter();
    let mut wrong = Vec::new();
    for case in recorded.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ours = Module::parse(Path::new("/p/m.py"), None, text.as_bytes(), &interpreter);
        if ours.is_ok() != case["compiles"].as_bool().unwrap() {
            wrong.push(format!("{text}{:?}", ours.err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
