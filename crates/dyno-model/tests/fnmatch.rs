//! Patterns, compared with what Python's `fnmatch` said of them (`record_fnmatch.py`).

use dyno_model::Fnmatch;

#[test]
fn patterns_match_as_in_python() {
    let cases: Vec<(String, String, bool)> =
        serde_json::from_str(include_str!("fnmatch.json")).unwrap();
    assert!(cases.len() > 1000);
    for (pattern, text, expected) in cases {
        assert_eq!(
            Fnmatch::new(&pattern).matches(&text),
            expected,
            "{pattern:?} on {text:?}"
        );
    }
}
