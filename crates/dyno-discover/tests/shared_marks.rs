//! A mark that several functions share keeps the ids that were made for the first: pytest
//! 8.0 to 9.2 name the tests of a class that is parametrized with `ids=["é"]` `[\xe9]` in the
//! first method and `[\\xe9]` in the next; what a generator gave the first, the next lacks.

use dyno_discover::mark::{Mark, MarkList};
use dyno_discover::parametrize::{Expansion, FunctionFacts, expand};
use dyno_discover::rules::{EmptySet, LongStrings, Objects, Place, Rules};
use dyno_model::PytestVersion;
use dyno_python::{Call, ClassRef, Reason, Value};
use std::sync::Arc;

struct Nothing;

impl Objects for Nothing {
    fn call(&self, _: &Value, _: &Value) -> Value {
        Value::None
    }
    fn outside(&self, _: &str) -> Option<Value> {
        None
    }

    fn iterate(&self, _: &Value) -> Result<Arc<[Value]>, Reason> {
        Ok(Arc::from([]))
    }
    fn is_plain(&self, _: &ClassRef) -> Result<(), Reason> {
        Ok(())
    }
}

fn place() -> Place {
    Place {
        file: "test_a.py".into(),
        line: 1,
    }
}

fn marks(values: Value, ids: Value) -> MarkList {
    let call = Value::Call(Arc::new(Call {
        function: Value::External("pytest.mark.parametrize".into()),
        args: vec![Value::str("a"), values],
        kwargs: vec![("ids".into(), ids)],
        more: None,
    }));
    let mark = Mark::from_value(&call, &place()).unwrap().unwrap();
    MarkList {
        marks: vec![mark],
        ..MarkList::default()
    }
}

/// What stands in brackets; nothing where that is not known.
fn brackets(marks: &MarkList, is_marked_alone: bool) -> Option<Vec<String>> {
    let argnames = [Arc::from("a")];
    let facts = FunctionFacts {
        argnames: Ok(&argnames),
        marks,
        above: &[],
        layers: &[],
        is_unittest: false,
        is_marked_alone,
        listed: 0,
        place: place(),
    };
    let rules = Rules {
        version: PytestVersion { major: 9, minor: 2 },
        python: (3, 11),
        disable_id_escaping: false,
        long_strings: LongStrings::Short,
        strict_ids: false,
        empty_set: EmptySet::Skip,
        usefixtures: Vec::new(),
        id_hook: None,
    };
    match expand(&facts, &rules, &Nothing) {
        Expansion::Tests(tests) => tests.into_iter().map(|test| test.brackets).collect(),
        Expansion::Unknown(_) => None,
        Expansion::Fails(reason) => panic!("{reason}"),
    }
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| Value::str(*text)).collect())
}

#[test]
fn ids_that_are_escaped_again_are_known_of_the_first_only() {
    let escaped = marks(list(&["x"]), list(&["é"]));
    assert_eq!(brackets(&escaped, true).unwrap(), [r"\xe9"]);
    assert_eq!(brackets(&escaped, false), None);
    let by_value = marks(list(&["é"]), Value::None);
    assert_eq!(brackets(&by_value, true).unwrap(), [r"\xe9"]);
    assert_eq!(brackets(&by_value, false), None);
}

#[test]
fn plain_ids_are_known_of_all() {
    let plain = marks(list(&["x", "y", "z"]), list(&["a", "b", "b"]));
    for is_marked_alone in [true, false] {
        assert_eq!(
            brackets(&plain, is_marked_alone).unwrap(),
            ["a", "b0", "b1"]
        );
    }
}

#[test]
fn a_generator_is_known_of_the_first_only() {
    let items = Arc::from([Value::str("x"), Value::str("y")]);
    let generator = marks(Value::Iterator(items), Value::None);
    assert_eq!(brackets(&generator, true).unwrap(), ["x", "y"]);
    assert_eq!(brackets(&generator, false), None);
}
