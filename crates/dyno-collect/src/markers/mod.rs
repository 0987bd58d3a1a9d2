//! `dyno markers`: which markers there are, and whether they follow the project's policy.

mod check;
mod counts;
mod policy;
mod registered;

pub use check::{Checked, Violation, check};
pub use counts::{Counts, counts};
pub use policy::{Policy, PolicyError};
pub use registered::{Registered, registered};
