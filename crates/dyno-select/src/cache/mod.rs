//! pytest's memory of earlier runs: `--lf`, `--ff`, `--nf` and `--sw`.
//!
//! pytest keeps three values as JSON below its cache folder, `v/cache/lastfailed`,
//! `v/cache/nodeids` and `v/cache/stepwise`. Whoever reads the files hands their text over
//! here; what is to be written comes back as the text that pytest would write. A text
//! that is missing or broken is an empty memory, as for pytest.
//!
//! The rules are those of `_pytest/cacheprovider.py`, the same from 8.0 to 9.2, and of
//! `_pytest/stepwise.py`, which changed with 8.4.
//!
//! Under `dyno test` pytest's own plugins select and write, in the template. What is here
//! serves `dyno collect`, and tells which files need not be imported.

mod choice;
mod collection;
mod failures;
mod json;
mod known_ids;
mod need;
mod stepwise;

pub use choice::{Candidate, Choice, choose};
pub use collection::{FailedPaths, FileOutcome, VisitedFile};
pub use failures::Failures;
pub use known_ids::{KnownIds, st_mtime};
pub use need::{LentFile, needs};
pub use stepwise::{Stepwise, StepwiseOptions, StepwiseStatus};

/// What pytest remembers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// `cache/lastfailed`
    pub failures: Failures,
    /// `cache/nodeids`
    pub known_ids: KnownIds,
    /// `cache/stepwise`
    pub stepwise: Stepwise,
}

/// What is asked of the memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryOptions {
    /// `--lf`: what failed, and no more.
    pub last_failed: bool,
    /// `--ff`: what failed, first.
    pub failed_first: bool,
    /// `--lfnf`: what `--lf` runs where no failure is known.
    pub no_failures: NoFailures,
    /// `--nf`: new tests first, then those of the files changed last.
    pub new_first: bool,
    /// `--sw`, `--sw-skip`, `--sw-reset`; each of the latter implies the first.
    pub stepwise: Option<StepwiseOptions>,
}

/// `report.outcome` of a phase of a test. An expected failure is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "pytest's own words")]
pub enum Reported {
    Passed,
    Failed,
    Skipped,
}

/// `--last-failed-no-failures`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoFailures {
    /// Every test.
    #[default]
    All,
    /// None.
    None,
}
