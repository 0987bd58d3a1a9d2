//! Small projects against what Python made of them (`tests/data/record_modules.py`).

mod small_world;

use dyno_python::{Ancestor, Value, World, python_repr, python_str};
use serde_json::Value as Json;
use small_world::{files, world};
use std::path::Path;

fn recorded() -> Json {
    serde_json::from_str(include_str!("data/modules.json")).unwrap()
}

/// A value as the recorder shows it.
fn shown(world: &World<'_>, value: &Value) -> Option<String> {
    match value {
        Value::EnumMember(_) => Some(format!("enum {}", python_str(value)?)),
        Value::Class(class) => {
            let mro = world.mro(class).ok()?;
            let names: Vec<String> = mro
                .iter()
                .map(|one| match one {
                    Ancestor::Class(class) => class.name.to_string(),
                    Ancestor::External(full) => full.rsplit('.').next().unwrap().to_owned(),
                })
                .collect();
            Some(format!("mro {}", names.join(" ")))
        }
        other => python_repr(other),
    }
}

#[test]
fn names_are_worth_what_cpython_says_or_are_not_settled() {
    let mut wrong = Vec::new();
    for case in recorded()["cases"].as_array().unwrap() {
        let files = files(case);
        let world = world(&files);
        let module = world.load(Path::new("/p/m.py")).unwrap();
        for (name, theirs) in case["values"].as_object().unwrap() {
            let theirs = theirs.as_str().unwrap();
            let settled = case["settled"][name].as_bool().unwrap();
            let value = world.resolve(&module, name);
            match shown(&world, &value) {
                Some(ours) if ours != theirs => {
                    wrong.push(format!("{}\n{name}: {ours} is not {theirs}", case["files"]));
                }
                None if settled => {
                    wrong.push(format!("{}\n{name}: not settled: {value:?}", case["files"]));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn names_come_in_the_order_of_vars() {
    for case in recorded()["orders"].as_array().unwrap() {
        let files = files(case);
        let world = world(&files);
        let module = world.load(Path::new("/p/m.py")).unwrap();
        let names = world.names(&module);
        assert!(names.doubts.is_empty(), "{case}: {:?}", names.doubts);
        let sure = names.entries.iter().filter(|entry| entry.maybe.is_none());
        let ours: Vec<&str> = sure.map(|entry| &*entry.name).collect();
        let theirs: Vec<&str> = (case["names"].as_array().unwrap().iter())
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(ours, theirs, "{case}");
    }
}
