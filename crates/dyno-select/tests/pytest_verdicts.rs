//! pytest's own verdicts: what parses and to what tree, what is refused, with which
//! words and at which column. `data/generate.py` made the table by asking pytest.

use dyno_select::{Expr, Value, parse};
use serde_json::{Value as Json, json};

fn table() -> Vec<Json> {
    let table: Json = serde_json::from_str(include_str!("data/expressions.json")).unwrap();
    table["expressions"].as_array().unwrap().clone()
}

/// The tree in the table's terms: operators binary, leaning left.
fn tree(expr: &Expr) -> Json {
    match expr {
        Expr::Nothing => json!([]),
        Expr::Name(name) => json!(name.as_str()),
        Expr::Not(inner) => json!(["not", tree(inner)]),
        Expr::All(terms) => lean_left("and", terms),
        Expr::Any(terms) => lean_left("or", terms),
        Expr::Call(call) => {
            let arguments: Vec<Json> = call
                .arguments
                .iter()
                .map(|(name, value)| json!([name.as_str(), self::value(value)]))
                .collect();
            json!(["call", call.name.as_str(), arguments])
        }
    }
}

fn lean_left(word: &str, terms: &[Expr]) -> Json {
    terms
        .iter()
        .map(tree)
        .reduce(|left, right| json!([word, left, right]))
        .unwrap()
}

fn value(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(["str", text.as_str()]),
        Value::Integer(number) => json!(["int", number.as_str()]),
        Value::Bool(true) => json!(["bool", "True"]),
        Value::Bool(false) => json!(["bool", "False"]),
        Value::None => json!(["NoneType", "None"]),
    }
}

#[test]
fn every_verdict_is_pytests() {
    let mut wrong = Vec::new();
    for case in table() {
        let text = case["expression"].as_str().unwrap();
        let said = match parse(text) {
            Ok(expr) => json!({"expression": text, "tree": tree(&expr)}),
            Err(error) => json!({
                "expression": text,
                "message": error.to_string(),
                "column": error.column(),
            }),
        };
        if said != case {
            wrong.push(format!("pytest: {case}\n  dyno: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_both_verdicts() {
    let refused = table()
        .iter()
        .filter(|case| case.get("message").is_some())
        .count();
    assert!(refused > 50, "{refused}");
    assert!(table().len() - refused > 40, "{}", table().len() - refused);
}

#[test]
fn every_error_renders_its_caret_within_or_right_after_the_expression() {
    for case in table() {
        let text = case["expression"].as_str().unwrap();
        let Err(error) = parse(text) else { continue };
        let rendered = error.render("-k");
        assert!(rendered.starts_with("wrong expression passed to `-k`: "));
        assert!(error.span().end <= text.len());
        assert!(
            rendered
                .lines()
                .any(|line| line.trim().starts_with('^') && line.trim().chars().all(|c| c == '^')),
            "{rendered}"
        );
    }
}
