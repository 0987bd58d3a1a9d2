//! The vocabulary of a run: ids, markers, items, outcomes and events.
//!
//! Everything that two stages of a run say to each other is a type of this
//! crate, and nothing here does I/O. The serialized form of these types is what
//! the journal keeps, so a field may be added with a default and none may change
//! its meaning.

mod event;
mod exit;
mod id;
mod item;
mod micros;
mod outcome;
mod report;

pub use event::{Display, Event, ProcessExit, Progress, Stamped, Stop, WorkerFailure};
pub use exit::ExitCode;
pub use id::{InvalidId, RunId, TestId, UnitId, WorkerId};
pub use item::{Item, Location, Marker};
pub use outcome::{Category, Outcome, Tally};
pub use report::{CollectFailure, Phase, PhaseReport, Section, Skip, Status, Warning};
