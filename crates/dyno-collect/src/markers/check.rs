//! Whether tests follow the policy.

use super::{Policy, Registered};
use crate::{Collection, Listed};
use dyno_model::{Doubt, Unknown};
use std::collections::BTreeSet;
use std::fmt;

/// Something that the policy forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the root directory.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sorted by place. Of the many tests that one function makes, each thing once.
    pub violations: Vec<Violation>,
    /// What could not be decided, for a person.
    pub undecided: Vec<String>,
}

/// Checks every test of a collection.
pub fn check(collection: &Collection, policy: &Policy, registered: &Registered) -> Checked {
    let mut violations = BTreeSet::new();
    let mut undecided = BTreeSet::new();
    for listed in &collection.tests {
        of_test(collection, listed, policy, &mut violations, &mut undecided);
        if policy.registered && !registered.unsettled {
            of_names(listed, policy, registered, &mut violations);
        }
    }
    for file in &collection.files {
        for unknown in file
            .open
            .iter()
            .filter(|unknown| unknown.doubt == Doubt::Existence)
        {
            undecided.insert(format!(
                "{}: it may hold other tests: {}",
                file.id,
                told(unknown)
            ));
        }
    }
    if policy.registered && registered.unsettled {
        undecided.insert("a conftest registers markers that its text does not tell".to_owned());
    }
    Checked {
        violations: violations.into_iter().collect(),
        undecided: undecided.into_iter().collect(),
    }
}

fn of_test(
    collection: &Collection,
    listed: &Listed,
    policy: &Policy,
    violations: &mut BTreeSet<Violation>,
    undecided: &mut BTreeSet<String>,
) {
    let item = &listed.found.test.item;
    let function = name_of(item.id.as_str());
    let of_file = collection
        .files
        .get(listed.file)
        .map(|file| file.open.iter());
    let doubts = || {
        listed
            .found
            .unknown
            .iter()
            .chain(of_file.clone().into_iter().flatten())
    };
    for (group, names) in &policy.require {
        if item
            .markers
            .iter()
            .any(|marker| names.contains(&marker.name))
        {
            continue;
        }
        let may_bear = |unknown: &&Unknown| {
            let any =
                unknown.names.is_empty() || unknown.names.iter().any(|name| names.contains(name));
            unknown.doubt == Doubt::Markers && any
        };
        if let Some(unknown) = doubts().find(may_bear) {
            undecided.insert(format!("{function}: its {group} marker: {}", told(unknown)));
            continue;
        }
        violations.insert(Violation {
            file: item.location.file.clone(),
            line: line_of(listed),
            message: format!("`{function}` has no {group} marker ({})", names.join(", ")),
        });
    }
}

fn of_names(
    listed: &Listed,
    policy: &Policy,
    registered: &Registered,
    violations: &mut BTreeSet<Violation>,
) {
    let item = &listed.found.test.item;
    for marker in &item.markers {
        let name = &marker.name;
        if registered.names.contains(name) || policy.allow.contains(name) {
            continue;
        }
        let near = registered.names.iter().filter(|known| is_near(known, name));
        let hint = near
            .map(|known| format!("; did you mean `{known}`?"))
            .next();
        violations.insert(Violation {
            file: item.location.file.clone(),
            line: line_of(listed),
            message: format!(
                "`{}` has the marker `{name}`, which is not registered{}",
                name_of(item.id.as_str()),
                hint.unwrap_or_default()
            ),
        });
    }
}

fn line_of(listed: &Listed) -> u32 {
    let line = listed.found.test.item.location.line;
    line.map_or(1, |line| line.saturating_add(1))
}

/// Classes and function, without brackets.
fn name_of(id: &str) -> String {
    let names = id.split_once("::").map_or(id, |(_, names)| names);
    names.split('[').next().unwrap_or(names).to_owned()
}

fn told(unknown: &Unknown) -> String {
    if unknown.at.is_empty() {
        unknown.reason.clone()
    } else {
        format!("{} ({})", unknown.reason, unknown.at)
    }
}

/// One letter more, less or other, or two swapped.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (rest, others) = (
        one.get(same..).unwrap_or_default(),
        other.get(same..).unwrap_or_default(),
    );
    let after = |letters: &[char], count: usize| letters.get(count..).map(<[char]>::to_vec);
    after(rest, 1).is_some_and(|rest| rest == others)
        || after(others, 1).is_some_and(|others| others == rest)
        || matches!((after(rest, 1), after(others, 1)), (Some(a), Some(b)) if a == b)
        || matches!((rest, others), ([a, b, tail @ ..], [c, d, others @ ..]) if a == d && b == c && tail == others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::collection;

    #[test]
    fn what_is_missing_unknown_or_misspelled_is_told_with_its_place() {
        let mut registered = Registered::default();
        registered.add("slwo: misspelled [speed]");
        registered.add("fast: quick [speed]");
        let text = "[tool.dyno.markers]\nrequire = ['speed']";
        let policy = Policy::of(Some(text), &registered).unwrap();
        let checked = check(&collection(), &policy, &registered);
        let mut told: Vec<_> = checked.violations.iter().map(ToString::to_string).collect();
        told.push(String::from("undecided:"));
        told.extend(checked.undecided);
        insta::assert_snapshot!(told.join("\n"));
        registered.unsettled = true;
        let checked = check(&collection(), &policy, &registered);
        let of_names = |violation: &Violation| violation.message.contains("registered");
        assert!(!checked.violations.iter().any(of_names));
    }

    #[test]
    fn near_names() {
        for (one, other, near) in [
            ("slow", "slwo", true),
            ("slow", "slo", true),
            ("slow", "sloww", true),
            ("slow", "slaw", true),
            ("slow", "fast", false),
            ("slow", "slowest", false),
        ] {
            assert_eq!(is_near(one, other), near, "{one} {other}");
            assert_eq!(is_near(other, one), near, "{other} {one}");
        }
    }
}
