//! What a new template is told of the tests that ran before it was started.

use dyno_model::Event;
use dyno_wire::template::{Feed, ToTemplate};
use std::path::Path;

/// Messages of so many reports: far from the largest frame, far from one call each.
const BATCH: usize = 256;

/// All that the journal holds for the plugins of a template's session. A journal that cannot
/// be read back has been complained of where it was written, and costs these plugins what it
/// held.
pub(crate) fn of(journal: &Path) -> Vec<ToTemplate> {
    let Ok(recording) = dyno_journal::read(journal) else {
        return Vec::new();
    };
    let feeds: Vec<Feed> = recording
        .events
        .into_iter()
        .filter_map(|stamped| feed(stamped.event))
        .collect();
    let mut feeds = feeds.into_iter();
    let mut messages = Vec::new();
    loop {
        let reports: Vec<Feed> = feeds.by_ref().take(BATCH).collect();
        if reports.is_empty() {
            return messages;
        }
        messages.push(ToTemplate::Feed { reports });
    }
}

fn feed(event: Event) -> Option<Feed> {
    match event {
        Event::TestStarted { test, .. } => Some(Feed::Start { test: test.into() }),
        Event::Reported { report, .. } => Some(Feed::Earlier { report }),
        Event::TestFinished { test, .. } => Some(Feed::Finish { test: test.into() }),
        _ => None,
    }
}
