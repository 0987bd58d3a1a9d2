//! The keeper of a build or run: removes what it leaves, by whatever road it ends.
//!
//! It has a session of its own, hears no signal that can be ignored, and waits for the end of its
//! standard input, which the owner holds. The owner's death closes that too.

use super::KeeperCommand;
use crate::error::ContainerError;
use dyno_sandbox::{default_signals, ignore_signals};
use rustix::process::{Signal, setsid};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write, stdin};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// What an owner writes that ends well: then nothing is about to be made.
const DONE: &[u8] = b"done";

/// How often what may have been about to be made is removed, and how long apart.
const TRIES: u32 = 6;
const APART: Duration = Duration::from_millis(500);

/// What a build or run may leave with the engine.
#[derive(Debug)]
pub(super) enum Leaves<'a> {
    /// What this command removes; nothing where there is none.
    RemovedBy(&'a [String]),
    /// The containers of this label. A name is not enough: what was to have it may not have been
    /// made, because a container of somebody else's has it.
    Containers { program: &'a str, label: &'a str },
}

/// The owner's side.
#[derive(Debug)]
pub(super) struct Keeper {
    process: Child,
    lifeline: Option<ChildStdin>,
}

impl Keeper {
    /// Starts a keeper of this folder and of what is left with the engine.
    pub(super) fn start(
        command: &KeeperCommand,
        folder: &Path,
        leaves: &Leaves<'_>,
    ) -> Result<Self, ContainerError> {
        let mut words = command.0.iter();
        let program = words.next().cloned().unwrap_or_default();
        let mut keeper = Command::new(&program);
        keeper.args(words).arg(folder);
        match leaves {
            Leaves::RemovedBy(command) => {
                keeper.args(*command);
            }
            Leaves::Containers { program, label } => {
                keeper.arg(format!("--label={label}")).arg(program);
            }
        }
        keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // SAFETY: it runs in the forked child and makes only async-signal-safe system calls.
        unsafe { keeper.pre_exec(|| Ok(setsid().map(drop)?)) };
        let mut process = keeper.spawn().map_err(|source| ContainerError::Start {
            program: program.to_string_lossy().into_owned(),
            source,
        })?;
        let lifeline = process.stdin.take();
        Ok(Self { process, lifeline })
    }

    /// Lets it do its work, and waits until it is done.
    pub(super) fn end(mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            // One that was killed leaves its work to the owner's own clearing.
            let _ = lifeline.write_all(DONE);
        }
        let _ = self.process.wait();
    }
}

/// The keeper's side: waits for the owner's end, removes the folder, and runs the command, or,
/// with a label, has the command's program remove the containers that bear it.
pub fn keep(
    folder: &Path,
    label: Option<&str>,
    afterwards: &[OsString],
) -> Result<(), ContainerError> {
    let deaf = [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::PIPE,
    ];
    ignore_signals(&deaf)
        .map_err(|error| ContainerError::System("ignore signals", std::io::Error::other(error)))?;
    let mut said = Vec::new();
    let _ = stdin().read_to_end(&mut said);
    let tries = if said == DONE { 1 } else { TRIES };
    let _ = std::fs::remove_dir_all(folder);
    let Some((program, arguments)) = afterwards.split_first() else {
        return Ok(());
    };
    for attempt in 0..tries {
        if attempt > 0 {
            sleep(APART);
        }
        match label {
            None => drop(engine(program, arguments).status()),
            Some(label) => remove_labelled(program, label),
        }
    }
    Ok(())
}

fn remove_labelled(program: &OsStr, label: &str) {
    let filter = format!("--filter=label={label}");
    let list = ["ps", "--all", "--quiet", "--no-trunc", &filter];
    let Ok(listed) = engine(program, &list).output() else {
        return;
    };
    let listed = String::from_utf8_lossy(&listed.stdout);
    let containers: Vec<&str> = listed.split_whitespace().collect();
    if !containers.is_empty() {
        let remove = ["rm", "--force", "--volumes"].into_iter();
        let words: Vec<&str> = remove.chain(containers).collect();
        let _ = engine(program, &words).status();
    }
}

fn engine(program: &OsStr, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    // What it prints goes where the keeper's own goes, to nobody.
    command.args(arguments).stdin(Stdio::null());
    // SAFETY: it runs in the forked child and makes only async-signal-safe system calls.
    unsafe { command.pre_exec(default_signals) };
    command
}
