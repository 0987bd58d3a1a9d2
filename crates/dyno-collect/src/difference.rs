//! In what two listings of tests differ.

use crate::why::written;
use dyno_model::{Item, Marker};
use std::collections::HashMap;
use std::fmt;

/// One thing in which dyno's listing and pytest's differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// dyno lists a test that pytest does not.
    OnlyDyno(String),
    /// pytest lists a test that dyno does not.
    OnlyPytest(String),
    /// Of the tests that both list, another stands at this place.
    Order {
        /// dyno's.
        dyno: String,
        /// pytest's.
        pytest: String,
    },
    /// A test's markers, as dyno and as pytest have them.
    Markers {
        /// The test.
        test: String,
        /// dyno's.
        dyno: String,
        /// pytest's.
        pytest: String,
    },
}

impl Difference {
    /// The tests that it is about.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::OnlyDyno(test) | Self::OnlyPytest(test) | Self::Markers { test, .. } => {
                (test, None)
            }
            Self::Order { dyno, pytest } => (dyno, Some(pytest)),
        };
        std::iter::once(one).chain(other).map(String::as_str)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyDyno(test) => write!(f, "only dyno lists {test}"),
            Self::OnlyPytest(test) => write!(f, "only pytest lists {test}"),
            Self::Order { dyno, pytest } => {
                write!(
                    f,
                    "the order differs: dyno has {dyno} where pytest has {pytest}"
                )
            }
            Self::Markers { test, dyno, pytest } => {
                write!(
                    f,
                    "the markers of {test} differ: dyno has {dyno}, pytest {pytest}"
                )
            }
        }
    }
}

/// Everything in which the two differ: ids (each as often as it is listed), order, markers
/// with the arguments that both know. Of a misplaced run of tests each is told.
pub(crate) fn differences(dyno: &[&Item], pytest: &[&Item]) -> Vec<Difference> {
    let mut found = Vec::new();
    let (common_dyno, more) = without(dyno, pytest);
    found.extend(more.into_iter().map(|item| Difference::OnlyDyno(id(item))));
    let (common_pytest, more) = without(pytest, dyno);
    found.extend(
        more.into_iter()
            .map(|item| Difference::OnlyPytest(id(item))),
    );
    for (one, other) in common_dyno.iter().zip(&common_pytest) {
        if one.id != other.id {
            found.push(Difference::Order {
                dyno: id(one),
                pytest: id(other),
            });
        }
    }
    let mut by_id: HashMap<&str, Vec<&Item>> = HashMap::new();
    for item in common_pytest.iter().rev() {
        by_id.entry(item.id.as_str()).or_default().push(item);
    }
    for item in common_dyno {
        let Some(other) = by_id.get_mut(item.id.as_str()).and_then(Vec::pop) else {
            continue;
        };
        if !same_markers(&item.markers, &other.markers) {
            found.push(Difference::Markers {
                test: id(item),
                dyno: listed(&item.markers),
                pytest: listed(&other.markers),
            });
        }
    }
    found
}

/// The items that the others have too, each as often as they do, and the rest.
fn without<'a>(items: &[&'a Item], others: &[&Item]) -> (Vec<&'a Item>, Vec<&'a Item>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for other in others {
        *counts.entry(other.id.as_str()).or_default() += 1;
    }
    items.iter().copied().partition(|item| {
        counts
            .get_mut(item.id.as_str())
            .is_some_and(|count| match count.checked_sub(1) {
                Some(left) => {
                    *count = left;
                    true
                }
                None => false,
            })
    })
}

fn id(item: &Item) -> String {
    item.id.as_str().to_owned()
}

fn same_markers(dyno: &[Marker], pytest: &[Marker]) -> bool {
    dyno.len() == pytest.len() && dyno.iter().zip(pytest).all(|(one, other)| same(one, other))
}

fn same(one: &Marker, other: &Marker) -> bool {
    let agrees = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    one.name == other.name
        && one.args.len() == other.args.len()
        && one.kwargs.len() == other.kwargs.len()
        && one.args.iter().zip(&other.args).all(|(a, b)| agrees(a, b))
        && one
            .kwargs
            .iter()
            .zip(&other.kwargs)
            .all(|(a, b)| a.0 == b.0 && agrees(&a.1, &b.1))
}

fn listed(markers: &[Marker]) -> String {
    let markers: Vec<_> = markers.iter().map(written).collect();
    format!("[{}]", markers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::item;

    #[test]
    fn each_kind_is_told_and_equals_are_not() {
        let a = item("a.py::a", &["slow(1)"]);
        let a_unknown = item("a.py::a", &["slow(?)"]);
        let a_other = item("a.py::a", &["slow(2)"]);
        let b = item("a.py::b", &[]);
        let told = |dyno: &[&Item], pytest: &[&Item]| {
            let found = differences(dyno, pytest);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(told(&[&a, &b], &[&a, &b]).is_empty());
        assert!(told(&[&a, &b], &[&a_unknown, &b]).is_empty());
        assert_eq!(
            told(&[&a], &[&a_other]),
            ["the markers of a.py::a differ: dyno has [slow(1)], pytest [slow(2)]"]
        );
        assert_eq!(
            told(&[&a, &b], &[&b, &a]),
            [
                "the order differs: dyno has a.py::a where pytest has a.py::b",
                "the order differs: dyno has a.py::b where pytest has a.py::a",
            ]
        );
        assert_eq!(
            told(&[&a, &b, &b], &[&b]),
            ["only dyno lists a.py::a", "only dyno lists a.py::b"]
        );
        assert_eq!(told(&[], &[&b]), ["only pytest lists a.py::b"]);
    }
}
