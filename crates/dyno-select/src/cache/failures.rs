//! `cache/lastfailed`: the tests that failed when they last ran.

use super::Reported;
use super::json::{Members, write_object};
use crate::doubts::Doubts;
use crate::verdict::Verdict;
use dyno_model::{Doubt, Phase, Test};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The ids of tests that failed, and of files that could not be collected, in the order
/// in which they came to be known.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    /// By age: the id and the value beside it, which is `true`.
    by_age: BTreeMap<u64, (String, Value)>,
    ages: HashMap<String, u64>,
    next: u64,
}

impl PartialEq for Failures {
    /// As Python compares dictionaries: the order is no matter.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.by_age.values().all(|(id, value)| {
                let age = other.ages.get(id);
                age.and_then(|age| other.by_age.get(age))
                    .is_some_and(|(_, theirs)| theirs == value)
            })
    }
}

impl Failures {
    /// Reads the content of `lastfailed`.
    pub fn read(text: &str) -> Self {
        let mut failures = Self::default();
        let members = serde_json::from_str(text).unwrap_or(Members(Vec::new()));
        for (id, value) in members.0 {
            failures.insert(id, value);
        }
        failures
    }

    /// What pytest would write.
    pub fn write(&self) -> String {
        let members = self.by_age.values();
        write_object(members.map(|(id, value)| (id.as_str(), value.to_string())))
    }

    /// What pytest would write at the end of a run that began with `saved`; absent where
    /// it writes nothing, as nothing changed.
    pub fn write_over(&self, saved: &Self) -> Option<String> {
        (self != saved).then(|| self.write())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Whether no failure is known.
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Whether this is the id of one.
    pub fn contains(&self, id: &str) -> bool {
        self.ages.contains_key(id)
    }

    /// The ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_age.values().map(|(id, _)| id.as_str())
    }

    /// Whether a test is one of them.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        let id = test.item.id.as_str();
        if !doubts.any(&[Doubt::Ids]) {
            return Verdict::certain(self.contains(id));
        }
        // Were it known without brackets, the test may still turn out to have some.
        let may_be = |failed: &str| {
            let rest = failed.strip_prefix(id);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        Verdict::seen(false, self.ids().any(may_be))
    }

    /// Takes note of what became of a phase of a test.
    pub fn record(&mut self, id: &str, phase: Phase, reported: Reported) {
        match reported {
            Reported::Failed => self.insert(id.to_owned(), Value::Bool(true)),
            Reported::Skipped => self.remove(id),
            Reported::Passed if phase == Phase::Call => self.remove(id),
            Reported::Passed => {}
        }
    }

    /// Takes note that a file, a class or a folder could not be collected.
    pub fn record_uncollected(&mut self, id: &str) {
        self.insert(id.to_owned(), Value::Bool(true));
    }

    /// Takes note that a file, a class or a folder was collected, with these nodes right
    /// below it: if it could not be last time, they are what is to be run again.
    pub fn record_collected<'a>(&mut self, id: &str, below: impl Iterator<Item = &'a str>) {
        if self.contains(id) {
            self.remove(id);
            for node in below {
                self.insert(node.to_owned(), Value::Bool(true));
            }
        }
    }

    /// `self[id] = value` of a Python dictionary: a member that is there keeps its place.
    fn insert(&mut self, id: String, value: Value) {
        let age = *self.ages.entry(id.clone()).or_insert(self.next);
        self.next = self.next.max(age + 1);
        self.by_age.insert(age, (id, value));
    }

    fn remove(&mut self, id: &str) {
        if let Some(age) = self.ages.remove(id) {
            self.by_age.remove(&age);
        }
    }
}
