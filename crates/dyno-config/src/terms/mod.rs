//! On what terms a test runs: what it may take of the machine, how long it may last, how
//! often it is tried.
//!
//! `[tool.dyno]` in `pyproject.toml` says it by rules:
//!
//! ```toml
//! [tool.dyno]
//! workers = "auto"              # where the command line has no -n
//! timeout = "10m"               # of each phase of a test: setup, call, teardown
//! slow = "60s"                  # a phase that takes longer is named while it runs
//! deadline = "2h"               # of the whole run
//! retries = 0
//! leaks = "warn"               # or "fail"
//! models = "fetch"             # or "cached", "ignore": those that tests name
//! memory-limit = "8 GiB"        # of a sealed unit; none where nothing is said
//! process-limit = 4096          # the same for its processes and threads
//! tokens = { etcd = 1, gpu = 2 } # how many there are; of others there is one
//!
//! [[tool.dyno.rules]]
//! filter = "e2e and not gpu_0"  # as for -m; `name` as for -k, `path` a pattern of the file
//! timeout = { setup = "5m", call = "1m" }
//! retries = 2
//! tokens = ["gpu"]
//! slots = 2
//! cpu = 1.5
//! memory = "8 GiB"
//! exclusive = false
//! lane = "own"                   # or "shared", "sealed"
//! env = { HF_HUB_OFFLINE = "1" }
//!
//! [tool.dyno.profiles.ci]       # dyno test --profile ci
//! retries = 1
//! ```
//!
//! A test's own markers come first, then the first rule that says a thing (those of the
//! profile before the others), then what the profile says of every test, then the table.

mod declared;
mod quantity;
mod rule;
mod table;

pub(crate) use quantity::length;

use crate::{Models, Workers};
use dyno_model::{Claim, Item, Lane, LeakPolicy, Limits, Marker, Test, TokenName};
use rule::Rule;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// A test that has run so long is named, where nothing else is said.
const SLOW: Duration = Duration::from_secs(60);

/// What holds for a run and for each of its tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How many workers may run, where the command line says nothing.
    pub workers: Option<Workers>,
    /// How long the run may take.
    pub deadline: Option<Duration>,
    /// A phase of a test that takes longer is named, and again after each such time.
    pub slow: Duration,
    /// What is done about the models that tests name, where the command line says nothing.
    pub models: Models,
    /// How many of each token there are.
    pub tokens: BTreeMap<TokenName, u32>,
    timeout: Timeouts,
    retries: u32,
    leaks: LeakPolicy,
    limits: Limits,
    /// In the order in which they are asked.
    ordered: Vec<Rule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            workers: None,
            deadline: None,
            slow: SLOW,
            models: Models::default(),
            tokens: BTreeMap::new(),
            timeout: Timeouts::default(),
            retries: 0,
            leaks: LeakPolicy::Warn,
            limits: Limits::default(),
            ordered: Vec::new(),
        }
    }
}

/// On what terms one test runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// What it takes of the machine.
    pub claim: Claim,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How often it is tried again when it fails.
    pub retries: u32,
    /// In which processes it runs.
    pub lane: Lane,
    /// What becomes of it if it leaves something behind its walls.
    pub leaks: LeakPolicy,
    /// What it may have of the machine at most, if it is sealed.
    pub limits: Limits,
    /// Variables that are set while it runs.
    pub env: BTreeMap<String, String>,
}

/// How long each phase of a test may take; without an end where it is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of its fixtures' set-up.
    pub setup: Option<Duration>,
    /// Of its body.
    pub call: Option<Duration>,
    /// Of its fixtures' teardown.
    pub teardown: Option<Duration>,
}

impl Timeouts {
    /// The same for each phase.
    pub fn each(length: Duration) -> Self {
        Self {
            setup: Some(length),
            call: Some(length),
            teardown: Some(length),
        }
    }

    fn later(self, by: Duration) -> Self {
        let later = |limit: Option<Duration>| limit.map(|limit| limit + by);
        Self {
            setup: later(self.setup),
            call: later(self.call),
            teardown: later(self.teardown),
        }
    }

    /// These, and the other's where there is none.
    fn or(self, other: Self) -> Self {
        Self {
            setup: self.setup.or(other.setup),
            call: self.call.or(other.call),
            teardown: self.teardown.or(other.teardown),
        }
    }
}

/// Whether other tests run beside a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Some do, in processes of their own.
    Others,
    /// None does: one worker runs all.
    None,
}

/// Markers of tests that start servers, bind ports, or measure.
const SEALED: [&str; 6] = [
    "e2e",
    "integration",
    "stress",
    "benchmark",
    "fault",
    "fault_tolerance",
];

/// Whether a test with one of these markers has others beside it to be kept from. Where none runs
/// there, pytest's own process is closer to pytest.
fn is_apart(item: &Item, beside: Beside, names: &[&str]) -> bool {
    let is_one = |marker: &Marker| names.contains(&marker.name.as_str());
    beside == Beside::Others && item.markers.iter().any(is_one)
}

/// Whose the marker `timeout` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutMarker {
    /// dyno's.
    Ours,
    /// pytest-timeout's: dyno ends only what the plugin could not.
    Plugins,
}

/// How long after pytest-timeout's limit dyno ends a test: the plugin counts from another
/// moment, and it writes the stacks.
const BEHIND_PLUGIN: Duration = Duration::from_secs(10);

/// `[tool.dyno]` that cannot be followed, with every reason. The text is ready for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RulesError(String);

impl Rules {
    /// What a `pyproject.toml` says, with a profile where one is named.
    pub fn of(pyproject: Option<&str>, profile: Option<&str>) -> Result<Self, RulesError> {
        let file: table::File = pyproject
            .map(toml::from_str)
            .transpose()
            .map_err(|error: toml::de::Error| {
                RulesError(format!("pyproject.toml: {}", error.to_string().trim_end()))
            })?
            .unwrap_or_default();
        let mut written = file.tool.dyno;
        let base = written.base();
        let chosen = match profile {
            None => table::Profile::default(),
            Some(name) => (written.profiles.get(name).cloned())
                .ok_or_else(|| no_profile(name, written.profiles.keys()))?,
        };
        let limits = first_of(chosen.limits(), base.limits());
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        let of_profile = profile.map(|name| format!("profiles.{name}.rules"));
        for (place, written) in [(of_profile, chosen.rules), (None, base.rules)] {
            let place = place.unwrap_or_else(|| "rules".to_owned());
            for (number, written) in (1..).zip(written) {
                match Rule::of(written) {
                    Ok(rule) => rules.push(rule),
                    Err(reasons) => problems.extend(
                        (reasons.into_iter())
                            .map(|why| format!("[tool.dyno] {place}, number {number}: {why}")),
                    ),
                }
            }
        }
        let workers = match workers(chosen.workers.or(base.workers)) {
            Ok(workers) => workers,
            Err(why) => {
                problems.push(format!("[tool.dyno] workers: {why}"));
                None
            }
        };
        if !problems.is_empty() {
            return Err(RulesError(format!(
                "pyproject.toml: {}",
                problems.join("\n")
            )));
        }
        let timeout = |limit: Option<table::Limit>| limit.map(Timeouts::from).unwrap_or_default();
        let mut tokens = base.tokens;
        tokens.extend(chosen.tokens);
        Ok(Self {
            workers,
            deadline: chosen.deadline.or(base.deadline).map(|length| length.0),
            slow: chosen.slow.or(base.slow).map_or(SLOW, |length| length.0),
            models: chosen.models.or(base.models).unwrap_or_default(),
            tokens,
            timeout: timeout(chosen.timeout).or(timeout(base.timeout)),
            retries: chosen.retries.or(base.retries).unwrap_or(0),
            leaks: chosen.leaks.or(base.leaks).unwrap_or_default(),
            limits,
            ordered: rules,
        })
    }

    /// On what terms a test runs of which no marker and no rule says a thing.
    pub fn plain(&self) -> Terms {
        Terms {
            timeouts: self.timeout,
            retries: self.retries,
            leaks: self.leaks,
            limits: self.limits,
            ..Terms::default()
        }
    }

    /// Names and values of the variables that are set for some test.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_rules = self.ordered.iter().flat_map(|rule| &rule.env);
        of_rules.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the number of processes of some test is limited.
    pub fn limit_processes(&self) -> bool {
        let rules = self.ordered.iter().map(|rule| rule.limits);
        let mut all = rules.chain([self.limits]);
        all.any(|limits| limits.processes.is_some())
    }

    /// On what terms a test runs.
    pub fn terms(&self, item: &Item, timeout_marker: TimeoutMarker, beside: Beside) -> Terms {
        let mut declared = declared::of(item);
        if timeout_marker == TimeoutMarker::Plugins {
            declared.timeouts = declared
                .timeouts
                .map(|timeouts| timeouts.later(BEHIND_PLUGIN));
        }
        let matching = self.matching(item);
        // It is to have the machine to itself.
        let measures = is_apart(item, beside, &["benchmark"]);
        let mut terms = Terms {
            claim: declared.claim(&matching, measures),
            timeouts: declared.timeouts.unwrap_or_default(),
            retries: self.retries,
            leaks: self.leaks,
            ..Terms::default()
        };
        for rule in &matching {
            terms.timeouts = terms.timeouts.or(rule.timeouts);
            for (name, value) in &rule.env {
                let set = terms.env.entry(name.clone());
                set.or_insert_with(|| value.clone());
            }
        }
        terms.timeouts = terms.timeouts.or(self.timeout);
        if let Some(retries) = matching.iter().find_map(|rule| rule.retries) {
            terms.retries = retries;
        }
        if let Some(leaks) = matching.iter().find_map(|rule| rule.leaks) {
            terms.leaks = leaks;
        }
        let of_rules = matching.iter().map(|rule| rule.limits);
        terms.limits = first_of(of_rules.fold(Limits::default(), first_of), self.limits);
        let lane = matching.iter().find_map(|rule| rule.lane);
        let usual = || is_apart(item, beside, &SEALED).then_some(Lane::Sealed);
        terms.lane = lane.or_else(usual).unwrap_or_default();
        terms
    }

    /// The rules for a test, the weightiest first.
    fn matching(&self, item: &Item) -> Vec<&Rule> {
        if self.ordered.is_empty() {
            return Vec::new();
        }
        let test = Test {
            item: item.clone(),
            keywords: Vec::new(),
            fixtures: Vec::new(),
            params: Vec::new(),
        };
        let holds = |rule: &&Rule| rule.holds(&test);
        self.ordered.iter().filter(holds).collect()
    }
}

/// These limits, and the other's where there is none.
fn first_of(one: Limits, other: Limits) -> Limits {
    Limits {
        memory: one.memory.or(other.memory),
        processes: one.processes.or(other.processes),
    }
}

fn workers(written: Option<table::Workers>) -> Result<Option<Workers>, String> {
    Ok(match written {
        None => None,
        Some(table::Workers::Count(count)) => Some(Workers::Count(
            NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
        )),
        Some(table::Workers::Text(text)) => Some(text.parse()?),
    })
}

fn no_profile<'a>(name: &str, there: impl Iterator<Item = &'a String>) -> RulesError {
    let there: Vec<&str> = there.map(String::as_str).collect();
    let hint = if there.is_empty() {
        "pyproject.toml has none: a table [tool.dyno.profiles.NAME] makes one".to_owned()
    } else {
        format!("there are: {}", there.join(", "))
    };
    RulesError(format!("there is no profile {name:?}\nhint: {hint}"))
}

#[cfg(test)]
mod tests;
