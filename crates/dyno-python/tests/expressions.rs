//! Expressions against what Python made of them (`tests/data/record.py`).

mod small_world;

use dyno_model::FilesInMemory;
use dyno_python::{Context, Value, python_repr, python_str};
use small_world::world;
use std::path::Path;

#[derive(Debug)]
struct Row {
    expression: String,
    kind: String,
    repr: String,
    text: String,
}

fn rows() -> Vec<Row> {
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("data/expressions.json")).unwrap();
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = recorded.as_array().unwrap().iter();
    rows.map(|row| Row {
        expression: field(row, "expression"),
        kind: field(row, "type"),
        repr: field(row, "repr"),
        text: field(row, "str"),
    })
    .collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Complex(..) => "complex",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::Ellipsis => "ellipsis",
        Value::Range(..) => "range",
        Value::Tuple(_) => "tuple",
        Value::List(_) => "list",
        Value::Set(_) => "set",
        Value::FrozenSet(_) => "frozenset",
        Value::Dict(_) => "dict",
        _ => "other",
    }
}

/// The value of `X = expression` in a module.
fn value_of(expression: &str) -> Value {
    let source = format!("import itertools\nX = {expression}\n");
    let files = FilesInMemory::new().with("/p/m.py", source);
    let world = world(&files);
    let module = world.load(Path::new("/p/m.py")).unwrap();
    let context = Context::after(&module);
    world.lookup(&context, "X")
}

#[test]
fn what_is_settled_is_what_cpython_computes() {
    let mut wrong = Vec::new();
    let mut unknown = Vec::new();
    let rows = rows();
    for row in &rows {
        let value = value_of(&row.expression);
        if let Value::Unknown(reason) = &value {
            unknown.push(format!("{}: {reason}", row.expression));
            continue;
        }
        if kind(&value) != row.kind {
            wrong.push(format!("{}: {value:?} is no {}", row.expression, row.kind));
        }
        for (what, ours, theirs) in [
            ("repr", python_repr(&value), &row.repr),
            ("str", python_str(&value), &row.text),
        ] {
            match ours {
                Some(ours) if ours == *theirs => {}
                Some(ours) => wrong.push(format!("{} {what}: {ours} not {theirs}", row.expression)),
                None => unknown.push(format!("{} {what}", row.expression)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Not knowing is honest, and yet nearly all of these are followed.
    assert!(unknown.len() * 20 < rows.len(), "{}", unknown.join("\n"));
    println!("{}", unknown.join("\n"));
}
