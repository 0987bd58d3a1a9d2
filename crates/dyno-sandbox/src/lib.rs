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
pub mod cgroup;
mod clearing;
pub mod doctor;
mod error;
pub mod keeper;
pub mod leaks;
mod marks;
mod owned;
mod process;
mod reap;
pub mod sandbox;
mod signals;
mod snapshot;
mod socket_path;
mod spawn;
mod strike;
mod used;
pub mod walls;

pub use adopt::adopt;
pub use clearing::{Cleared, Clearing};
pub use error::SandboxError;
pub use marks::Marks;
pub use process::Process;
pub use reap::{Dead, become_subreaper, is_childless, reap, reap_measured};
pub use signals::{default_signals, ignore_signals};
pub use snapshot::Snapshot;
pub use socket_path::SocketPath;
pub use spawn::{Group, bind_to_parent};
pub use strike::{Strike, freeze, strike};
pub use used::Used;
