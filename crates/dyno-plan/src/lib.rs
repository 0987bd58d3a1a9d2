//! Units, their order and their admission, as a pure state machine.
//!
//! [`units`] puts collected tests into units: the smallest sets that must share a
//! process. [`Planner`] then hands units to workers, one at a time and only when a worker
//! asks, so that no unit waits in a worker's queue while another worker is idle. It
//! knows no clock and no process: it takes an [`Input`] and returns [`Action`]s.

mod crew;
mod held;
mod lane;
mod order;
mod partition;
mod planner;
mod unit;

pub use order::{Job, Order};
pub use partition::partition;
pub use planner::{Action, Input, Planner};
pub use unit::{Grouping, Unit, units};
