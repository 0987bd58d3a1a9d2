//! An expression, read as `-m` and as `-k` by the rules of both ends of the supported
//! versions, and held against a test. The first line is the expression, the rest names the
//! test's id and, by lines, its markers.

use dyno_model::{Doubt, FileTests, FoundTest, PytestVersion, Unknown};
use dyno_select::{Expr, Selection, Verdict, parse_for};

const VERSIONS: [PytestVersion; 2] = [PytestVersion::new(8, 0), PytestVersion::new(9, 2)];

/// Reads and evaluates. A tree that is printed reads as the same tree; an error has a place
/// in the text; what is certain of a test in doubt is so of the test that it may turn out to
/// be; `not` turns a verdict round.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let expression = lines.next().unwrap_or_default();
    let id = lines
        .next()
        .filter(|id| !id.is_empty())
        .unwrap_or("test_a.py::test_b");
    let Some(file) = tests(id, lines) else {
        return;
    };
    for version in VERSIONS {
        let tree = read(expression, version);
        for option in ["-k", "-m"] {
            verdicts(&file, version, option, expression, vec![id.to_owned()]);
            // A blank expression is none, and keeps everything.
            let Some(tree) = tree.as_ref().filter(|tree| **tree != Expr::Nothing) else {
                continue;
            };
            let contrary = format!("not ({tree})");
            let printed = verdicts(&file, version, option, &tree.to_string(), Vec::new());
            let turned = verdicts(&file, version, option, &contrary, Vec::new());
            if parse_for(&contrary, version).is_ok() {
                let expected = printed.map(|both| both.map(Verdict::negated));
                assert_eq!(turned, expected, "{contrary}");
            }
        }
    }
}

/// A test of which everything is known, and one that may turn out to be it.
fn tests<'a>(id: &str, markers: impl Iterator<Item = &'a str>) -> Option<FileTests> {
    let markers: Vec<_> = markers
        .filter(|name| !name.is_empty())
        .map(|name| serde_json::json!({"name": name, "args": ["1"], "kwargs": [["x", "'y'"], ["z", null]]}))
        .collect();
    let described = |id: &str| {
        serde_json::json!({
            "id": id,
            "location": {"file": "test_a.py", "line": 1, "domain": "test_b"},
            "markers": markers,
            "keywords": ["attribute"],
        })
    };
    let sure: FoundTest = serde_json::from_value(described(id)).ok()?;
    // Where ids are in doubt, the id is that of the function, without brackets.
    let of_function = id.split('[').next().unwrap_or_default();
    let mut doubted: FoundTest = serde_json::from_value(described(of_function)).ok()?;
    doubted.unknown = [
        Doubt::Existence,
        Doubt::Ids,
        Doubt::Markers,
        Doubt::Keywords,
    ]
    .into_iter()
    .map(|doubt| Unknown::new(doubt, "fuzzed"))
    .collect();
    Some(FileTests {
        shared: dyno_model::Shared::default(),
        file: "test_a.py".to_owned(),
        tests: vec![sure, doubted],
        unknown: Vec::new(),
    })
}

/// The tree of an expression.
fn read(expression: &str, version: PytestVersion) -> Option<Expr> {
    match parse_for(expression, version) {
        Ok(tree) => {
            let printed = tree.to_string();
            assert_eq!(
                parse_for(&printed, version).as_ref(),
                Ok(&tree),
                "{printed}"
            );
            Some(tree)
        }
        Err(error) => {
            assert!(expression.get(error.span()).is_some(), "{error:?}");
            assert!((1..=expression.chars().count() + 1).contains(&error.column()));
            assert!(error.render("-m").contains('^'));
            None
        }
    }
}

/// What is wanted of the test that is known, and of the other; nothing where the option is
/// refused.
fn verdicts(
    file: &FileTests,
    version: PytestVersion,
    option: &str,
    expression: &str,
    deselect: Vec<String>,
) -> Option<[Verdict; 2]> {
    let (keyword, mark) = match option {
        "-k" => (expression, ""),
        _ => ("", expression),
    };
    let selection = match Selection::new(version, keyword, mark, deselect) {
        Ok(selection) => selection,
        Err(errors) => {
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            return None;
        }
    };
    let selected = selection.file(file, &[], None);
    let [sure, doubted] = &*selected.tests else {
        panic!("two tests have two verdicts: {selected:?}");
    };
    if selected.misuse.is_some() {
        return None;
    }
    let certain = [Verdict::Ask, sure.verdict].contains(&doubted.verdict);
    assert!(certain, "{expression}: {selected:?}");
    Some([sure.verdict, doubted.verdict])
}
