//! Outcomes, and the counts of a run.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of one test, in pytest's words.
///
/// A test can fail in `call` and again in `teardown`; pytest then counts it twice.
/// An `Outcome` is the graver of the two, [`Tally`] keeps pytest's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The test passed.
    Passed,
    /// It was skipped.
    Skipped,
    /// It was expected to fail and did.
    Xfailed,
    /// It was expected to fail and passed.
    Xpassed,
    /// Its set-up or its teardown failed.
    Error,
    /// It failed.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Xfailed => "xfailed",
            Self::Xpassed => "xpassed",
            Self::Error => "error",
            Self::Failed => "failed",
        })
    }
}

/// The category under which pytest counts a report (`pytest_report_teststatus`).
///
/// Plugins add their own (`rerun`, `subtests passed`), so the set is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Category {
    /// One of the six outcomes.
    Outcome(Outcome),
    /// It passed when it was tried again.
    Flaky,
    /// It failed and is tried again, so it does not count as a failure.
    Retried,
    /// A plugin's own.
    Other(String),
}

impl Category {
    /// The word that the summary line shows.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Outcome(Outcome::Passed) => "passed",
            Self::Outcome(Outcome::Skipped) => "skipped",
            Self::Outcome(Outcome::Xfailed) => "xfailed",
            Self::Outcome(Outcome::Xpassed) => "xpassed",
            Self::Outcome(Outcome::Error) => "error",
            Self::Outcome(Outcome::Failed) => "failed",
            Self::Flaky => "flaky",
            Self::Retried => "retried",
            Self::Other(word) => word,
        }
    }

    /// The outcome, where the category is one.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Outcome(outcome) => Some(*outcome),
            Self::Flaky => Some(Outcome::Passed),
            Self::Retried | Self::Other(_) => None,
        }
    }
}

impl From<String> for Category {
    fn from(word: String) -> Self {
        match word.as_str() {
            "passed" => Self::Outcome(Outcome::Passed),
            "skipped" => Self::Outcome(Outcome::Skipped),
            "xfailed" => Self::Outcome(Outcome::Xfailed),
            "xpassed" => Self::Outcome(Outcome::Xpassed),
            "error" => Self::Outcome(Outcome::Error),
            "failed" => Self::Outcome(Outcome::Failed),
            "flaky" => Self::Flaky,
            "retried" => Self::Retried,
            _ => Self::Other(word),
        }
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.as_str().to_owned()
    }
}

/// pytest's counts: by category, in the order in which each first appeared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(Vec<(Category, u64)>);

impl Tally {
    /// Adds `count` to `category`.
    pub fn add(&mut self, category: &Category, count: u64) {
        if let Some((_, sum)) = self.0.iter_mut().find(|(known, _)| known == category) {
            *sum += count;
        } else {
            self.0.push((category.clone(), count));
        }
    }

    /// How often `category` was counted.
    pub fn get(&self, category: &Category) -> u64 {
        self.0
            .iter()
            .find(|(known, _)| known == category)
            .map_or(0, |(_, sum)| *sum)
    }

    /// How often `outcome` was counted.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.get(&Category::Outcome(outcome))
    }

    /// Categories with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&Category, u64)> {
        self.0.iter().map(|(category, sum)| (category, *sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_survives_its_word() {
        for outcome in [
            Outcome::Passed,
            Outcome::Skipped,
            Outcome::Xfailed,
            Outcome::Xpassed,
            Outcome::Error,
            Outcome::Failed,
        ] {
            let category = Category::from(outcome.to_string());
            assert_eq!(category.outcome(), Some(outcome));
            assert_eq!(category.as_str(), outcome.to_string());
        }
        assert_eq!(Category::from("rerun".to_owned()).outcome(), None);
    }

    #[test]
    fn a_tally_counts_plugins_categories_too() {
        let mut tally = Tally::default();
        let rerun = Category::Other("rerun".to_owned());
        tally.add(&rerun, 1);
        tally.add(&Category::Outcome(Outcome::Passed), 2);
        tally.add(&rerun, 1);
        assert_eq!(tally.get(&rerun), 2);
        assert_eq!(tally.of(Outcome::Passed), 2);
        assert_eq!(tally.of(Outcome::Failed), 0);
    }
}
