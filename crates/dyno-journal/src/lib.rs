//! The durable record of a run, and the list of runs.
//!
//! ```text
//! <rootdir>/.dyno/
//!   .gitignore                      `*`
//!   history.json                    what tests took, for the plan of the next run
//!   latest -> runs/<run-id>         a convenience; nothing here reads it
//!   runs/<run-id>/journal.jsonl     a header line, then one event a line
//!   runs/<run-id>/logs/             what the run's processes wrote
//! ```
//!
//! Invariants:
//! - A journal is only ever appended to, one event by one `write(2)`. What
//!   [`Journal::append`] returned survives the death of dyno, by SIGKILL too.
//! - Its writer holds an exclusive `flock` on it from before the run can be listed
//!   until it ends. The kernel lets go when the writer dies, so [`RunState::Live`]
//!   is never stale.
//! - A run appears and disappears by one `rename`, so a listed run is whole.
//! - Any prefix of a journal reads back as a prefix of its events ([`read`]).

mod error;
mod history;
mod reader;
mod runs;
mod writer;

pub use error::JournalError;
pub use history::History;
pub use reader::{Ending, Recording, parse, read};
pub use runs::{KEPT_RUNS, Pruned, RunDir, RunState, Runs, run_id};
pub use writer::{FORMAT, Journal, NotWritten};
