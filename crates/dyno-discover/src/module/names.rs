//! Which names pytest looks at.

use dyno_model::Fnmatch;

/// Names of a module or class that pytest never looks at, whatever the patterns
/// (`_pytest.python.IGNORED_ATTRIBUTES`: `dir()` of an empty module, class and instance,
/// Python 3.10 to 3.13).
const IGNORED: &[&str] = &[
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__class__",
    "__delattr__",
    "__dict__",
    "__dir__",
    "__doc__",
    "__eq__",
    "__file__",
    "__firstlineno__",
    "__format__",
    "__ge__",
    "__getattribute__",
    "__getstate__",
    "__gt__",
    "__hash__",
    "__init__",
    "__init_subclass__",
    "__le__",
    "__loader__",
    "__lt__",
    "__module__",
    "__name__",
    "__ne__",
    "__new__",
    "__package__",
    "__reduce__",
    "__reduce_ex__",
    "__repr__",
    "__setattr__",
    "__sizeof__",
    "__spec__",
    "__static_attributes__",
    "__str__",
    "__subclasshook__",
    "__weakref__",
];

/// Whether a name is left out before anything is asked about its object.
pub(crate) fn is_ignored(name: &str) -> bool {
    name.starts_with("__") && IGNORED.contains(&name)
}

/// Whether one of the patterns of `python_functions` or `python_classes` matches: each is a
/// prefix, and a glob if it has the signs of one.
pub(crate) fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| {
        name.starts_with(pattern.as_str())
            || (pattern.contains(['*', '?', '[']) && Fnmatch::new(pattern).matches(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_prefix_or_a_glob() {
        let patterns = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, name, expected) in [
            ("test", "test_a", true),
            ("test", "testing", true),
            ("test", "a_test", false),
            ("Test", "TestA", true),
            ("Test *Suite", "MySuite", true),
            ("*_check", "a_check", true),
            ("*_check", "a_check_b", false),
            ("t?st", "tost", true),
            ("[tb]est", "best_a", false),
            ("", "anything", true),
        ] {
            assert_eq!(matches(&patterns(given), name), expected, "{given} {name}");
        }
        assert!(matches(&[String::new()], "x"));
        assert!(!matches(&[], "test_x"));
    }
}
