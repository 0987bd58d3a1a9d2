//! A run's outcomes as data.

use crate::stats::{Passes, Stats};
use dyno_model::{Event, Outcome, Stamped, Tally, TestId};
use std::collections::BTreeMap;

/// What became of each test that was reported: the gravest of its reports' outcomes.
///
/// Categories of plugins (`rerun`, `subtests passed`) are no outcome.
pub fn outcomes(events: &[Stamped]) -> BTreeMap<TestId, Outcome> {
    let mut outcomes = BTreeMap::new();
    for stamped in events {
        let Event::Reported { report, .. } = &stamped.event else {
            continue;
        };
        let category = report.status.category.as_ref();
        if let Some(outcome) = category.and_then(dyno_model::Category::outcome) {
            let gravest = outcomes.entry(report.test.clone()).or_insert(outcome);
            *gravest = outcome.max(*gravest);
        }
    }
    outcomes
}

/// The counts of the closing line, `deselected` and `warnings` among them.
pub fn tally(events: &[Stamped]) -> Tally {
    let mut stats = Stats::default();
    for stamped in events {
        count(&mut stats, &stamped.event, Passes::Counted);
    }
    stats.tally().clone()
}

/// Counts what an event adds to pytest's statistics.
pub(crate) fn count(stats: &mut Stats, event: &Event, passes: Passes) {
    match event {
        Event::Reported { report, .. } => stats.report(report, passes),
        Event::CollectFailed(failure) => stats.collect_failed(failure),
        Event::CollectSkipped { skip, .. } => stats.collect_skipped(skip),
        Event::Debugged { test, phase } => stats.debugged(test, *phase),
        Event::Warned(warning) => stats.warned(warning),
        Event::Collected { deselected, .. } => stats.deselected(*deselected),
        _ => {}
    }
}
