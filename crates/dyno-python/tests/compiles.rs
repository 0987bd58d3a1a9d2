//! Which texts are Python, against what `compile` took (`tests/data/record_compiles.py`).

use dyno_python::{Interpreter, Module};
use serde_json::Value as Json;
use std::path::Path;

#[test]
fn a_text_is_refused_where_cpython_refuses_it() {
    let recorded: Json = serde_json::from_str(include_str!("data/compiles.json")).unwrap();
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
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
