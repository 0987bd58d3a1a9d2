//! The tests of a run and their order, once every test is known.
//!
//! pytest's hooks run in this order, from 8.0 to 9.2: tests are reordered for their
//! fixtures; `--sw`, `--deselect`, `-k`, `-m` deselect; then, around all others, `--lf` or
//! `--ff` and after it `--nf`. Fixtures' reordering is the caller's, and so are hooks of
//! plugins and conftests, which come between.

use super::{Memory, MemoryOptions, NoFailures, StepwiseStatus};
use dyno_model::PytestVersion;
use std::time::Duration;

/// A test that was collected.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its node id.
    pub id: &'a str,
    /// Whether `--deselect`, `-k` and `-m` leave it.
    pub selected: bool,
    /// When its file was last changed, as [`st_mtime`](super::st_mtime) gives it.
    pub modified: f64,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The places of the tests that run, in order.
    pub order: Vec<usize>,
    /// How many are counted as deselected.
    pub deselected: usize,
    /// pytest's line about `--lf` or `--ff`.
    pub failures: Option<String>,
    /// pytest's lines about `--sw`.
    pub stepwise: Vec<StepwiseStatus>,
}

/// Chooses among tests that are in the order of collection, after fixtures reordered them.
///
/// `skipped_files` is how many files `--lf` did not collect; `age` is how old the memory
/// of `--sw` is. The memory is brought up to date, as far as collection does that.
pub fn choose(
    version: PytestVersion,
    options: MemoryOptions,
    memory: &mut Memory,
    candidates: &[Candidate<'_>],
    skipped_files: usize,
    age: Option<Duration>,
) -> Choice {
    let mut stepwise = Vec::new();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    if let Some(mode) = options.stepwise {
        let ids = candidates.iter().map(|candidate| candidate.id);
        let (skipped, said) = memory.stepwise.skip(mode, ids, age, version);
        order.drain(..skipped);
        stepwise = said;
    }
    let of = |item: usize| candidates.get(item);
    order.retain(|&item| of(item).is_some_and(|candidate| candidate.selected));
    let id = |item: usize| of(item).map_or("", |candidate| candidate.id);
    let mut failures = None;
    if options.last_failed || options.failed_first {
        let mut line = rerun(options, memory, &mut order, &id);
        if skipped_files > 0 && !memory.failures.is_empty() {
            let noun = if skipped_files == 1 { "file" } else { "files" };
            line = format!("{line} (skipped {skipped_files} {noun})");
        }
        failures = Some(format!("run-last-failure: {line}"));
    }
    let deselected = candidates.len() - order.len();
    if options.new_first {
        let modified = |item: usize| of(item).map_or(0.0, |candidate| candidate.modified);
        order = memory.known_ids.order(&order, id, modified);
    }
    memory.known_ids.extend(order.iter().map(|&item| id(item)));
    Choice {
        order,
        deselected,
        failures,
        stepwise,
    }
}

/// `LFPlugin.pytest_collection_modifyitems`
fn rerun<'a>(
    options: MemoryOptions,
    memory: &Memory,
    order: &mut Vec<usize>,
    id: &impl Fn(usize) -> &'a str,
) -> String {
    if memory.failures.is_empty() {
        if options.no_failures == NoFailures::None {
            order.clear();
            return "no previously failed tests, deselecting all items.".to_owned();
        }
        return "no previously failed tests, not deselecting items.".to_owned();
    }
    let has_failed = |item: &usize| memory.failures.contains(id(*item));
    let (failed, passed): (Vec<usize>, Vec<usize>) =
        order.iter().partition(|&item| has_failed(item));
    if failed.is_empty() {
        let known = memory.failures.len();
        return format!("{known} known failures not in selected tests");
    }
    let count = failed.len();
    *order = failed;
    if !options.last_failed {
        order.extend(passed);
    }
    let noun = if count == 1 { "failure" } else { "failures" };
    let first = if options.failed_first { " first" } else { "" };
    format!("rerun previous {count} {noun}{first}")
}
