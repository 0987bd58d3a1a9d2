//! `dyno collect --verify`: a collection held against one of pytest's alone.

use crate::Collection;
use crate::difference::{Difference, differences};
use dyno_model::{CollectFailure, Item, RealCollection};
use std::collections::BTreeSet;
use std::fmt;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Everything in which the two differ.
    pub differences: Vec<Difference>,
    /// How many tests pytest lists.
    pub tests: usize,
    /// What pytest could not collect, in its order, so that it could confirm nothing of it.
    pub aside: Vec<Aside>,
    /// The functions that pytest itself tells otherwise each time, sorted: their parameters
    /// depend on a clock, on chance, on the order of a set. Their tests were not compared.
    pub unsure: Vec<String>,
}

/// A file or folder that was not compared, because pytest could not collect it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The node.
    pub node: String,
    /// How many tests dyno lists there.
    pub tests: usize,
    /// The line of pytest's error that says what it is.
    pub why: String,
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tests, s) = (self.tests, if self.tests == 1 { "" } else { "s" });
        let node = match self.node.as_str() {
            "" | "." => "the root directory",
            node => node,
        };
        write!(
            f,
            "{node}: {tests} test{s} not compared: pytest cannot collect it: {}",
            self.why
        )
    }
}

/// Compares with what pytest alone collects under the same arguments. `again` is a second
/// such answer; where pytest contradicts itself it can contradict nobody.
///
/// A file that cannot be imported is a failure of its node, a conftest that cannot be
/// imported one of its folder's (`pytest_make_collect_report` in `_pytest/runner.py`).
/// What dyno knows of those from the text pytest cannot confirm. A class that fails is no
/// such thing: its file was imported.
pub fn verify(
    collection: &Collection,
    real: &RealCollection,
    again: Option<&RealCollection>,
) -> Verification {
    let failures = real.failures.iter();
    let mut aside: Vec<Aside> = failures
        .filter(|failure| !failure.node.contains("::"))
        .map(|failure| Aside {
            node: failure.node.clone(),
            tests: 0,
            why: last_line(failure).to_owned(),
        })
        .collect();
    let mut mine: Vec<&Item> = Vec::with_capacity(collection.tests.len());
    for item in collection.items() {
        let id = item.id.as_str();
        let file = id.split_once("::").map_or(id, |(file, _)| file);
        match aside.iter_mut().find(|aside| holds(&aside.node, file)) {
            Some(aside) => aside.tests += 1,
            None => mine.push(item),
        }
    }
    let mut theirs = in_order(real);
    let tests = theirs.len();
    let unsure = again.map(|again| contradicted(&theirs, &in_order(again)));
    let unsure = unsure.unwrap_or_default();
    mine.retain(|item| !unsure.contains(function(item)));
    theirs.retain(|item| !unsure.contains(function(item)));
    Verification {
        differences: differences(&mine, &theirs),
        tests,
        aside,
        unsure: unsure.into_iter().map(str::to_owned).collect(),
    }
}

/// The functions whose tests two answers tell differently.
fn contradicted<'a>(one: &[&'a Item], other: &[&'a Item]) -> BTreeSet<&'a str> {
    let found = differences(one, other);
    let ids: BTreeSet<&str> = found.iter().flat_map(Difference::tests).collect();
    let items = one.iter().chain(other);
    items
        .filter(|item| ids.contains(item.id.as_str()))
        .map(|item| function(item))
        .collect()
}

/// A test's id without parameters.
fn function(item: &Item) -> &str {
    let id = item.id.as_str();
    id.split_once('[').map_or(id, |(function, _)| function)
}

/// pytest's tests, in the order in which they would run.
fn in_order(real: &RealCollection) -> Vec<&Item> {
    let of_files = real.files.iter().flat_map(|file| &file.tests);
    let tests: Vec<&Item> = of_files.chain(&real.late).map(|test| &test.item).collect();
    let places = real.order.iter();
    places
        .filter_map(|place| tests.get(usize::try_from(*place).ok()?).copied())
        .collect()
}

/// Whether the file is this node or stands in this folder.
pub(crate) fn holds(node: &str, file: &str) -> bool {
    matches!(node, "" | ".")
        || file
            .strip_prefix(node)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The line of an error that says what it is.
pub(crate) fn last_line(failure: &CollectFailure) -> &str {
    let lines = failure.longrepr.lines();
    let marked = lines
        .filter_map(|line| line.strip_prefix("E   "))
        .next_back();
    let line = marked.or(failure.longrepr.lines().next_back());
    line.unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{collected, collection};

    fn of(failures: &[(&str, &str)], tests: &[&str]) -> Verification {
        let mut real = collected(tests);
        real.failures = failures
            .iter()
            .map(|(node, longrepr)| CollectFailure {
                node: (*node).to_owned(),
                longrepr: (*longrepr).to_owned(),
                crash: None,
            })
            .collect();
        verify(&collection(), &real, None)
    }

    const OF_A: [&str; 3] = [
        "tests/test_a.py::test_one",
        "tests/test_a.py::TestX::test_two[1::a]",
        "tests/test_a.py::TestX::test_two[2]",
    ];

    #[test]
    fn a_file_and_a_folder_that_pytest_cannot_collect_are_left_aside_and_counted() {
        let error = "ImportError while importing test module\nE   No module named 'x'";
        let file = of(&[("tests/test_b.py", error)], &OF_A);
        assert_eq!(
            file.aside[0].to_string(),
            "tests/test_b.py: 1 test not compared: pytest cannot collect it: No module named 'x'"
        );
        assert!(!file.differences.iter().any(is_of_ids), "{file:?}");
        for (node, name) in [("tests", "tests"), (".", "the root directory")] {
            let folder = of(&[(node, "ImportError\nE   no")], &[]);
            let told = format!("{name}: 4 tests not compared: pytest cannot collect it: no");
            assert_eq!(folder.aside[0].to_string(), told);
            assert_eq!((folder.differences.len(), folder.tests), (0, 0));
        }
    }

    #[test]
    fn a_class_that_fails_and_a_folder_of_a_like_name_are_compared() {
        for node in ["tests/test_a.py::TestX", "test", "tests/test_b"] {
            let found = of(&[(node, "E   no")], &["tests/test_a.py::test_one"]);
            let missing = found.differences.iter().filter(|one| is_of_ids(one));
            assert_eq!(missing.count(), 3, "{node}");
        }
    }

    #[test]
    fn what_pytest_contradicts_itself_about_is_left_aside() {
        let now = collected(&[
            "a.py::t[1]",
            "a.py::t[2]",
            "a.py::u[x]",
            "a.py::u[y]",
            "a.py::v",
        ]);
        let then = collected(&[
            "a.py::t[1]",
            "a.py::t[3]",
            "a.py::u[y]",
            "a.py::u[x]",
            "a.py::v",
        ]);
        let found = verify(&collection(), &now, Some(&then));
        assert_eq!(found.unsure, ["a.py::t", "a.py::u"]);
        let missing = Difference::OnlyPytest("a.py::v".to_owned());
        let of_a = |one: &&Difference| one.tests().any(|test| test.starts_with("a.py"));
        let of_a: Vec<_> = found.differences.iter().filter(of_a).collect();
        assert_eq!(of_a, [&missing]);
        let same = verify(&collection(), &now, Some(&now));
        assert!(same.unsure.is_empty(), "{same:?}");
    }

    fn is_of_ids(difference: &Difference) -> bool {
        matches!(
            difference,
            Difference::OnlyDyno(_) | Difference::OnlyPytest(_)
        )
    }
}
