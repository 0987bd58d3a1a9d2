//! Does what a plan says.
//!
//! Every build and run has one folder in memory, which only its owner may read, and one *keeper*:
//! a process that waits for the end of this one, by whatever road, and then removes the folder
//! and the container. The end of a run that went well is one of these roads.

mod ask;
mod folder;
mod keep;
mod wait;

pub use ask::{find_engine, has_image};
pub use keep::keep;

use crate::build::BuildPlan;
use crate::error::ContainerError;
use crate::run::{ENTRY, RunPlan, SYSTEM_CALLS};
use folder::PrivateFolder;
use keep::Keeper;
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
    let afterwards = plan.afterwards.clone().unwrap_or_default();
    let keeper = Keeper::start(keeper, folder.path(), &afterwards)?;
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

/// Runs a container until its command ends. A container that has no name is given this one.
pub fn run(plan: &RunPlan, name: &str, keeper: &KeeperCommand) -> Result<Ended, ContainerError> {
    let name = plan.name.as_deref().unwrap_or(name);
    std::fs::create_dir_all(&plan.cache).map_err(|source| ContainerError::File {
        doing: "make the cache of models",
        path: plan.cache.clone(),
        source,
    })?;
    let folder = PrivateFolder::make()?;
    let words = plan.command(name, folder.path());
    let program = words.first().cloned().unwrap_or_default();
    let engine = |arguments: &[&str]| -> Vec<String> {
        let arguments = arguments.iter().map(ToString::to_string);
        std::iter::once(program.clone()).chain(arguments).collect()
    };
    let afterwards = engine(&["rm", "--force", "--volumes", name]);
    let keeper = Keeper::start(keeper, folder.path(), &afterwards)?;
    folder.write(Path::new("given/entry"), ENTRY.as_bytes())?;
    for (name, secret) in &plan.secrets {
        let file = Path::new("given/secrets").join(name);
        folder.write(&file, secret.bytes())?;
    }
    if plan.filters_calls() {
        folder.write(Path::new("calls.json"), SYSTEM_CALLS.as_bytes())?;
    }
    let ended = wait(
        &words,
        &[],
        &OnSignal::Tell(&|signal| engine(&["kill", "--signal", signal, name])),
    );
    keeper.end();
    drop(folder);
    ended
}
