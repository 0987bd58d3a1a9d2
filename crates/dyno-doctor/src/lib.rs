//! What a machine lacks for tests, what that costs, and the command that mends it.
//!
//! [`look()`] gathers facts (files of the kernel's, answers of programs, attempts) and judges them.
//! The two are apart: in each area `Facts::look` touches the world and decides nothing, and
//! `judge` decides and touches nothing, so that it is tested by tables of facts.
//!
//! Invariants:
//! - Nothing is changed. What is tried (a sandbox, a file in the cache) is gone afterwards.
//! - Each program that is asked has a limit of time and a process group of its own (`child`), so
//!   a sick machine costs seconds and no more.
//! - A finding that costs something says what, and what mends it; a command is one that a shell
//!   takes as it stands.
//! - The token is in no finding.

mod area;
mod child;
mod containers;
mod dynamo;
mod gpus;
mod interpreter;
mod look;
mod machine;
mod models;
mod names;
#[cfg(test)]
mod on_the_page;
mod paste;
mod python;
mod requirement;
mod services;
mod suite;
mod surroundings;
mod version;

pub use area::{Area, NoArea};
pub use look::look;
pub use suite::{ReadSuite, Suite};
pub use surroundings::{Build, Surroundings};
