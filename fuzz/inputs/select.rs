//! An expression, read as `-m` and as `-k` by the rules of both ends of the supported
//! versions, and held against a test. The first line is the expression, the rest names the
//! test's id and, by lines, its markers.

use dyno_model::{Doubt, FileTests, FoundTest, PytestVersion, Unknown};
use dyno_select::Selection;

/// Reads and evaluates; panics are what is looked for.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let expression = lines.next().unwrap_or_default();
    let id = lines
        .next()
        .filter(|id| !id.is_empty())
        .unwrap_or("test_a.py::test_b");
    let markers: Vec<_> = lines
        .filter(|name| !name.is_empty())
        .map(|name| serde_json::json!({"name": name, "args": ["1"], "kwargs": [["x", "'y'"], ["z", null]]}))
        .collect();
    let described = serde_json::json!({
        "id": id,
        "location": {"file": "test_a.py", "line": 1, "domain": "test_b"},
        "markers": markers,
        "keywords": ["attribute"],
    });
    let Ok(sure) = serde_json::from_value::<FoundTest>(described) else {
        return;
    };
    let mut doubted = sure.clone();
    doubted.unknown = [
        Doubt::Existence,
        Doubt::Ids,
        Doubt::Markers,
        Doubt::Keywords,
    ]
    .into_iter()
    .map(|doubt| Unknown::new(doubt, "fuzzed"))
    .collect();
    let file = FileTests {
        shared: dyno_model::Shared::default(),
        file: "test_a.py".to_owned(),
        tests: vec![sure, doubted],
        unknown: Vec::new(),
    };
    for version in [
        PytestVersion { major: 8, minor: 0 },
        PytestVersion { major: 9, minor: 2 },
    ] {
        for (keyword, mark) in [(expression, ""), ("", expression)] {
            match Selection::new(version, keyword, mark, vec![id.to_owned()]) {
                Ok(selection) => drop(selection.file(&file, &[], None)),
                Err(errors) => {
                    for error in errors {
                        assert!(!error.to_string().is_empty());
                    }
                }
            }
        }
    }
}
