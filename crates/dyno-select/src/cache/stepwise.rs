//! `cache/stepwise`: the test at which `--sw` stopped.
//!
//! Up to pytest 8.3 the value is that test's id, `null`, or `[]`, which every run without
//! `--sw` writes. Since 8.4 it is an object that also holds how many tests there were,
//! without which the memory is stale, and when; a run without `--sw` leaves it.

use super::Reported;
use super::json::quote;
use dyno_model::{Phase, PytestVersion};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What `--sw` remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepwise {
    /// The test that failed.
    pub last_failed: Option<String>,
    /// How many tests there were, before any was deselected; since 8.4.
    pub test_count: Option<usize>,
    /// When it was written, in ISO 8601 without a zone; since 8.4.
    pub written: Option<String>,
    /// A run without `--sw` wrote the value last; up to 8.3.
    pub cleared: bool,
    /// What was wrong with the text that was read, in Python's words; since 8.4.
    pub discarded: Option<String>,
}

/// What is asked of `--sw` beside itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepwiseOptions {
    /// `--sw-skip`: the first failure does not stop the run.
    pub skip: bool,
    /// `--sw-reset`, since 8.4: what is remembered is forgotten.
    pub reset: bool,
}

/// What pytest says about it after collection. `Display` is its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepwiseStatus {
    /// The memory was unreadable.
    Discarded(String),
    /// `--sw-reset`
    Reset,
    /// No test is remembered.
    NoFailure,
    /// The memory is of another number of tests.
    CountChanged {
        /// Tests now.
        now: usize,
        /// Tests then.
        then: usize,
    },
    /// The test is not there.
    NotFound,
    /// Tests before it are deselected.
    Skipping {
        /// How many.
        count: usize,
        /// How old the memory is; absent up to 8.3, where the line does not tell.
        age: Option<Duration>,
    },
}

impl Stepwise {
    /// Reads the content of `stepwise`.
    pub fn read(text: &str, version: PytestVersion) -> Self {
        let value = serde_json::from_str(text).unwrap_or(Value::Null);
        let has_dates = has_dates(version);
        let as_text = |value: &Value| value.as_str().map(str::to_owned);
        match &value {
            Value::String(id) if !has_dates => Self {
                last_failed: Some(id.clone()),
                ..Self::default()
            },
            Value::Array(list) if !has_dates && list.is_empty() => Self {
                cleared: true,
                ..Self::default()
            },
            Value::Object(members) if has_dates && !members.is_empty() => {
                let names = ["last_failed", "last_test_count", "last_cache_date_str"];
                let missing = names.iter().find(|name| !members.contains_key(**name));
                if let Some(missing) = missing {
                    return Self::broken(format!("KeyError: '{missing}'"));
                }
                let member = |name| members.get(name).unwrap_or(&Value::Null);
                Self {
                    last_failed: as_text(member(names[0])),
                    test_count: (member(names[1]).as_u64()).and_then(|n| usize::try_from(n).ok()),
                    written: as_text(member(names[2])),
                    ..Self::default()
                }
            }
            // What an earlier pytest left. (Python 3.10 does not say "not 'str'".)
            Value::String(id) if !id.is_empty() => {
                Self::broken("TypeError: string indices must be integers, not 'str'".to_owned())
            }
            _ => Self::default(),
        }
    }

    fn broken(error: String) -> Self {
        Self {
            discarded: Some(error),
            ..Self::default()
        }
    }

    /// What pytest would write at the end of a run with `--sw`. `now` is the time in ISO
    /// 8601, as `datetime.now().isoformat()` gives it.
    pub fn write(&self, now: &str, version: PytestVersion) -> String {
        let last_failed = self.last_failed.as_deref().map_or("null".to_owned(), quote);
        if !has_dates(version) {
            let stays = self.cleared && self.last_failed.is_none();
            return if stays { "[]".to_owned() } else { last_failed };
        }
        let count = self.test_count.map_or("null".to_owned(), |n| n.to_string());
        format!(
            "{{\n  \"last_failed\": {last_failed},\n  \"last_test_count\": {count},\n  \
             \"last_cache_date_str\": {}\n}}",
            quote(now)
        )
    }

    /// What pytest would write at the end of a run without `--sw`.
    pub fn write_unused(version: PytestVersion) -> Option<&'static str> {
        (!has_dates(version)).then_some("[]")
    }

    /// How many of the collected tests are deselected from the front, and what pytest says.
    /// `age` is the time since [`Stepwise::written`].
    pub(super) fn skip<'a>(
        &mut self,
        options: StepwiseOptions,
        ids: impl ExactSizeIterator<Item = &'a str>,
        age: Option<Duration>,
        version: PytestVersion,
    ) -> (usize, Vec<StepwiseStatus>) {
        let mut said = Vec::new();
        said.extend(self.discarded.take().map(StepwiseStatus::Discarded));
        let now = ids.len();
        let then = self.test_count.replace(now);
        let counts = has_dates(version);
        let (count, status) = match (&self.last_failed, then) {
            _ if options.reset && counts => {
                self.last_failed = None;
                (0, StepwiseStatus::Reset)
            }
            (None, _) => (0, StepwiseStatus::NoFailure),
            (Some(id), _) if id.is_empty() => (0, StepwiseStatus::NoFailure),
            (Some(_), Some(then)) if counts && then != now => {
                self.last_failed = None;
                (0, StepwiseStatus::CountChanged { now, then })
            }
            (Some(failed), _) => match { ids }.position(|id| id == failed) {
                None => (0, StepwiseStatus::NotFound),
                Some(count) => {
                    let age = counts.then(|| age.unwrap_or_default());
                    (count, StepwiseStatus::Skipping { count, age })
                }
            },
        };
        said.push(status);
        (count, said)
    }

    /// Takes note of a phase of a test; true where the run stops.
    pub fn record(
        &mut self,
        options: &mut StepwiseOptions,
        id: &str,
        phase: Phase,
        reported: Reported,
    ) -> bool {
        let was_last = self.last_failed.as_deref() == Some(id);
        match reported {
            Reported::Failed if options.skip => {
                if was_last {
                    self.last_failed = None;
                }
                options.skip = false;
                false
            }
            Reported::Failed => {
                self.last_failed = Some(id.to_owned());
                self.cleared = false;
                true
            }
            _ => {
                if phase == Phase::Call && was_last {
                    self.last_failed = None;
                }
                false
            }
        }
    }
}

fn has_dates(version: PytestVersion) -> bool {
    (version.major, version.minor) >= (8, 4)
}

impl fmt::Display for StepwiseStatus {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("stepwise: ")?;
        match self {
            Self::Discarded(error) => write!(to, "error reading cache, discarding ({error})"),
            Self::Reset => to.write_str("resetting state, not skipping."),
            Self::NoFailure => to.write_str("no previously failed tests, not skipping."),
            Self::CountChanged { now, then } => write!(
                to,
                "test count changed, not skipping (now {now} tests, previously {then})."
            ),
            Self::NotFound => to.write_str("previously failed test not found, not skipping."),
            Self::Skipping { count, age: None } => {
                write!(to, "skipping {count} already passed items.")
            }
            Self::Skipping {
                count,
                age: Some(age),
            } => write!(
                to,
                "skipping {count} already passed items (cache from {} ago, use --sw-reset to discard).",
                timedelta(age.as_secs())
            ),
        }
    }
}

/// `str(timedelta(seconds=...))`
fn timedelta(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}
