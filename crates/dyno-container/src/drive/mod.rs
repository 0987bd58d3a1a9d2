//! Does what a plan says.
//!
//! Every build and run has one folder in memory, which only its owner may read, and one *keeper*:
//! a process that waits for the end of this one, by whatever road, and then removes the folder
//! and the container. The end of a run that went well is one of these roads.

mod ask;
mod folder;
mod keep;
mod wait;

pub use ask::{find_engine, has_container, has_image};
pub use keep::keep;

use crate::build::BuildPlan;
use crate::error::ContainerError;
use crate::run::{ENTRY, RunPlan, SYSTEM_CALLS, label};
use folder::PrivateFolder;
use keep::{Keeper, Leaves};
use std::ffi::OsString;
use std::path::Path;
use wait::{OnSignal, wait};

/// How the engine's command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: u8,
}

/// The command with which this program keeps what is to be removed: it calls [`keep()`] with the
/// arguments that follow.
#[derive(Debug, Clone)]
pub struct KeeperCommand(pub Vec<OsString>);

/// Builds an image. A plan's tags are given to an image that is whole.
pub fn build(plan: &BuildPlan, keeper: &KeeperCommand) -> Result<Ended, ContainerError> {
    let folder = PrivateFolder::make()?;
    let context = folder.path().join("context");
    let leaves = Leaves::RemovedBy(plan.afterwards.as_deref().unwrap_or_default());
    let keeper = Keeper::start(keeper, folder.path(), &leaves)?;
    fill_context(plan, &folder)?;
    let words = plan.command(&context, folder.path());
    let ended = wait(&words, &plan.variables, &OnSignal::PassOn);
    keeper.end();
    drop(folder);
    ended
}

fn fill_context(plan: &BuildPlan, folder: &PrivateFolder) -> Result<(), ContainerError> {
    let context = Path::new("context");
    folder.write(
        &context.join("Containerfile"),
        plan.containerfile.as_bytes(),
    )?;
    for file in &plan.files {
        folder.write(&context.join(&file.path), file.text.as_bytes())?;
    }
    let name = plan.wheel.file_name().unwrap_or_default();
    folder.copy(&plan.wheel, &context.join("wheels").join(name))?;
    let mut place = folder::place("");
    if plan.secrets_in_context() {
        // There is a folder to copy even where nothing is in it.
        place = context.join("host");
        folder.write(&place.join("none"), b"")?;
    }
    for (name, secret) in &plan.secrets {
        folder.write(&place.join(name), secret.bytes())?;
    }
    Ok(())
}

/// Runs a container until its command ends. `name` is the run's, which no other has.
pub fn run(plan: &RunPlan, name: &str, keeper: &KeeperCommand) -> Result<Ended, ContainerError> {
    std::fs::create_dir_all(&plan.cache).map_err(|source| ContainerError::File {
        doing: "make the cache of models",
        path: plan.cache.clone(),
        source,
    })?;
    let folder = PrivateFolder::make()?;
    let words = plan.command(name, folder.path());
    let program = words.first().cloned().unwrap_or_default();
    let label = label(name);
    let leaves = Leaves::Containers {
        program: &program,
        label: &label,
    };
    let keeper = Keeper::start(keeper, folder.path(), &leaves)?;
    folder.write(Path::new("given/entry"), ENTRY.as_bytes())?;
    for (name, secret) in &plan.secrets {
        let file = Path::new("given/secrets").join(name);
        folder.write(&file, secret.bytes())?;
    }
    if plan.filters_calls() {
        folder.write(Path::new("calls.json"), SYSTEM_CALLS.as_bytes())?;
    }
    let container = plan.name.as_deref().unwrap_or(name);
    let tell = |signal: &str| {
        let words = [&program, "kill", "--signal", signal, container];
        words.map(str::to_owned).to_vec()
    };
    let ended = wait(&words, &[], &OnSignal::Tell(&tell));
    keeper.end();
    drop(folder);
    ended
}
