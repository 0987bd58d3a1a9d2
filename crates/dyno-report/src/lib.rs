//! Events in, text for a terminal out.
//!
//! [`Terminal`] is a state machine: it takes a run's events in order and says what each
//! adds to the screen. It reads no clock, no environment and no file, so a run that is
//! read back from its journal looks as it did live.
//!
//! The text is pytest's (`_pytest/terminal.py`, checked on pytest 9.2), to the letter
//! where the inputs are the same; `docs/design/report.md` lists where it is not, and why.
//! `tests/data` holds what real pytest printed.
//!
//! [`outcomes()`] and [`tally`] are the same events as data. [`findings()`] is what `dyno doctor`
//! says.

mod canvas;
mod closing;
mod findings;
mod fresh_workers;
mod leaks;
mod limits;
mod losses;
mod memory;
mod models;
mod notices;
mod outcomes;
mod paths;
mod printed;
mod processes;
mod progress;
mod sections;
mod short_summary;
mod stats;
mod style;
mod terminal;
mod walls;
mod warnings;
mod width;
mod wrap;

pub use findings::findings;
pub use outcomes::{outcomes, tally};
pub use style::{Messages, Style};
pub use terminal::Terminal;
