//! What pytest keeps of a run: reports by category, counts, and the run's main colour.

use crate::canvas::Ink;
use dyno_model::{
    Category, CollectFailure, Outcome, Phase, PhaseReport, Section, Skip, Tally, TestId, Warning,
};
use std::collections::{BTreeMap, BTreeSet};

/// pytest's `KNOWN_TYPES`: what the closing line counts, in its order. Categories of
/// plugins come behind, each where it first appeared.
pub(crate) const KNOWN: [&str; 11] = [
    "failed",
    "passed",
    "skipped",
    "deselected",
    "xfailed",
    "xpassed",
    "warnings",
    "error",
    "subtests passed",
    "subtests failed",
    "subtests skipped",
];

/// Something that pytest lists under `ERRORS`.
#[derive(Debug)]
pub(crate) enum Trouble {
    Collect(CollectFailure),
    Test(Box<PhaseReport>),
}

/// A skip, of a test or of a whole file.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) word: String,
    pub(crate) skip: Skip,
}

/// Reports by category, as far as a section shows them.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    tally: Tally,
    /// Categories that appeared, those that the summary does not count too.
    seen: BTreeSet<String>,
    pub(crate) failed: Vec<PhaseReport>,
    pub(crate) errors: Vec<Trouble>,
    pub(crate) passed: Vec<PhaseReport>,
    pub(crate) xfailed: Vec<PhaseReport>,
    pub(crate) xpassed: Vec<PhaseReport>,
    /// Failures after which the test was tried again.
    pub(crate) retried: Vec<PhaseReport>,
    /// Tests that passed when they were tried again.
    pub(crate) flaky: Vec<PhaseReport>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) warnings: Vec<Warning>,
    /// Failures that the debugger has shown.
    debugged: BTreeSet<(TestId, Phase)>,
    /// What was captured in teardowns that went well, by test.
    teardowns: BTreeMap<TestId, Vec<Section>>,
}

/// Whether the reports of tests that passed are shown again at the end (`-rp`, `-rP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    Counted,
    Kept,
}

impl Stats {
    pub(crate) fn report(&mut self, report: &PhaseReport, passes: Passes) {
        let Some(category) = &report.status.category else {
            self.keep_teardown(report);
            return;
        };
        self.see(category, u64::from(report.counts));
        match category {
            Category::Retried => self.retried.push(report.clone()),
            Category::Flaky => self.flaky.push(report.clone()),
            Category::Outcome(_) | Category::Other(_) => {}
        }
        match category.outcome() {
            Some(Outcome::Failed) => self.failed.push(report.clone()),
            Some(Outcome::Error) => self.errors.push(Trouble::Test(Box::new(report.clone()))),
            Some(Outcome::Xfailed) => self.xfailed.push(report.clone()),
            Some(Outcome::Xpassed) => self.xpassed.push(report.clone()),
            Some(Outcome::Passed) if passes == Passes::Kept => self.passed.push(report.clone()),
            Some(Outcome::Skipped) => {
                if let Some(skip) = report.skip.clone() {
                    let word = report.status.word.clone();
                    self.skipped.push(Skipped { word, skip });
                }
            }
            Some(Outcome::Passed) | None => {}
        }
    }

    fn keep_teardown(&mut self, report: &PhaseReport) {
        let of_teardown = |section: &&Section| section.title.contains("teardown");
        if report.phase == Phase::Teardown {
            let sections: Vec<Section> = report
                .sections
                .iter()
                .filter(of_teardown)
                .cloned()
                .collect();
            if !sections.is_empty() {
                let kept = self.teardowns.entry(report.test.clone()).or_default();
                kept.extend(sections);
            }
        }
    }

    pub(crate) fn collect_failed(&mut self, failure: &CollectFailure) {
        self.see(&Category::Outcome(Outcome::Error), 1);
        self.errors.push(Trouble::Collect(failure.clone()));
    }

    pub(crate) fn collect_skipped(&mut self, skip: &Skip) {
        self.see(&Category::Outcome(Outcome::Skipped), 1);
        self.skipped.push(Skipped {
            word: "SKIPPED".to_owned(),
            skip: skip.clone(),
        });
    }

    pub(crate) fn warned(&mut self, warning: &Warning) {
        self.see(&Category::Other("warnings".to_owned()), 1);
        self.warnings.push(warning.clone());
    }

    pub(crate) fn deselected(&mut self, count: u64) {
        if count > 0 {
            self.see(&Category::Other("deselected".to_owned()), count);
        }
    }

    pub(crate) fn debugged(&mut self, test: &TestId, phase: Phase) {
        self.debugged.insert((test.clone(), phase));
    }

    /// Failures that were not shown yet.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &PhaseReport> {
        self.failed.iter().filter(|report| !self.was_shown(report))
    }

    /// Errors that were not shown yet.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.errors.iter().filter(|trouble| match trouble {
            Trouble::Collect(_) => true,
            Trouble::Test(report) => !self.was_shown(report),
        })
    }

    fn was_shown(&self, report: &PhaseReport) -> bool {
        self.debugged.contains(&(report.test.clone(), report.phase))
    }

    fn see(&mut self, category: &Category, count: u64) {
        self.seen.insert(category.as_str().to_owned());
        self.tally.add(category, count);
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn teardown_sections(&self, test: &TestId) -> &[Section] {
        self.teardowns.get(test).map_or(&[], Vec::as_slice)
    }

    /// The colour of the progress and of the closing line. `over` when every test has
    /// been reported.
    pub(crate) fn main_color(&self, over: Over) -> Ink {
        let seen = |category: &str| self.seen.contains(category);
        let unknown = || self.seen.iter().any(|word| !KNOWN.contains(&word.as_str()));
        if seen("failed") || seen("error") {
            Ink::Red
        } else if seen("warnings") || seen("xpassed") || unknown() {
            Ink::Yellow
        } else if seen("passed") || over == Over::No {
            Ink::Green
        } else {
            Ink::Yellow
        }
    }
}

/// Whether every test has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Yes,
    No,
}

/// The colour of a category in the closing line and of its words in the short summary.
pub(crate) fn category_ink(category: &str) -> Ink {
    match category {
        "failed" | "error" | "subtests failed" => Ink::Red,
        "passed" | "subtests passed" => Ink::Green,
        _ => Ink::Yellow,
    }
}
