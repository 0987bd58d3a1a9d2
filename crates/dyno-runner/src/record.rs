//! On disk first, then on the screen.

use crate::output::Keep;
use dyno_journal::Journal;
use dyno_model::{Event, Keeping, Stamped};
use std::path::Path;

/// Writes a run's events down and shows them.
pub(crate) struct Record<F> {
    journal: Journal,
    keep: Keep,
    on_event: F,
}

impl<F: FnMut(&Stamped)> Record<F> {
    pub(crate) fn new(journal: Journal, run_folder: &Path, on_event: F) -> Self {
        Self {
            journal,
            keep: Keep::new(run_folder.join("printed")),
            on_event,
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        match event {
            Event::Printed(mut printed) => {
                printed.keeping = self.keep.take(&printed);
                match printed.keeping {
                    Keeping::Journal => self.append(Event::Printed(printed)),
                    Keeping::File => (self.on_event)(&self.journal.stamp(Event::Printed(printed))),
                }
            }
            Event::TestStarted { worker, .. }
            | Event::TestFinished { worker, .. }
            | Event::WorkerEnded { worker, .. } => {
                for more in self.keep.settle(worker) {
                    self.append(more);
                }
                self.append(event);
            }
            event => self.append(event),
        }
    }

    /// A journal that cannot be written any more is told once; the run is worth more
    /// than its record, and goes on.
    fn append(&mut self, event: Event) {
        match self.journal.append(event) {
            Ok(stamped) => (self.on_event)(&stamped),
            Err(not_written) => {
                (self.on_event)(&not_written.stamped);
                let message = format!(
                    "{}\nhint: the run goes on, but what follows cannot be reported again",
                    not_written.error
                );
                (self.on_event)(&Stamped {
                    event: Event::RunFailed { message },
                    ..not_written.stamped
                });
            }
        }
    }

    /// Where the journal is.
    pub(crate) fn journal(&self) -> &Path {
        self.journal.path()
    }

    /// Ends the journal. Where that fails it is told: what the tests came to stands.
    pub(crate) fn finish(self) {
        let Self {
            journal,
            mut on_event,
            ..
        } = self;
        let last = journal.stamp(Event::Output {
            text: String::new(),
        });
        if let Err(error) = journal.finish() {
            let message = format!("{error}\nhint: this run can be neither reported nor resumed");
            on_event(&Stamped {
                event: Event::RunFailed { message },
                ..last
            });
        }
    }
}
