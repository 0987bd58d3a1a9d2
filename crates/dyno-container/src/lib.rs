//! Containers with what a suite needs, built and run by docker or podman.
//!
//! What is to be done is a value first: a [`BuildPlan`] or a [`RunPlan`] holds every file, every
//! mount and every word of the engine's command line, and `--dry-run` prints it. [`drive`] does
//! what a plan says, and sees to it that nothing is left of it by any road.
//!
//! No secret is in a plan's command line: secrets go by files in a private folder, as
//! [`Private`] values that are not shown.

mod build;
pub mod drive;
mod engine;
mod error;
mod framework;
mod private;
mod run;
mod shown;

pub use build::{
    BuildInputs, BuildPlan, BuildRequest, Choice, ContextFile, HostSettings, LATEST, choose,
};
pub use engine::{Builder, Engine, EngineKind, Users, brings_buildkit};
pub use error::{ContainerError, Problem};
pub use framework::{Device, Framework, Target};
pub use private::Private;
pub use run::{CallerId, Limits, RunInputs, RunOptions, RunPlan, Surroundings};
