//! Linux process trees and the walls between them: keeping, finding, signalling, reaping, sealing.
//!
//! A process that calls [`become_subreaper`] inherits every orphan below it, so its
//! descendants can escape by no double fork and no `setsid`; [`Snapshot`] finds them in
//! `/proc`, [`strike()`] kills them, [`reap()`] buries them. [`keeper`] is a whole process
//! made of these: it runs one command and sees to it that nothing outlives its owner. [`walls`]
//! builds a sandbox of namespaces, and [`sandbox`] is the process that holds one up.
//!
//! Nothing here goes by a process's name, and every signal goes to a process that was
//! found below this one, by pidfd.

mod adopt;
mod error;
pub mod keeper;
pub mod leaks;
mod owned;
mod process;
mod reap;
pub mod sandbox;
mod signals;
mod snapshot;
mod spawn;
mod strike;
pub mod walls;

pub use adopt::adopt;
pub use error::SandboxError;
pub use process::Process;
pub use reap::{become_subreaper, reap};
pub use signals::{default_signals, ignore_signals};
pub use snapshot::Snapshot;
pub use spawn::{Group, bind_to_parent};
pub use strike::{Strike, strike};
