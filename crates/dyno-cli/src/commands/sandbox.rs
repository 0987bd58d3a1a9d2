//! `dyno sandbox`: hold up the walls of one sandbox, until the process at the other end of the
//! lifeline lets go.

use dyno_sandbox::sandbox::hold;
use dyno_sandbox::walls::{Blueprint, Wall};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The inherited socket whose end of file means that the sandbox is not wanted any more.
    #[arg(long, value_name = "FD")]
    lifeline: RawFd,

    /// A folder of its own; what is /tmp inside is `tmp` in it.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,

    /// What below /tmp and /dev/shm stays what it is outside.
    #[arg(value_name = "PATH")]
    shared: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let blueprint = Blueprint {
        walls: Wall::ALL.to_vec(),
        folder: args.folder,
        shared: args.shared,
    };
    hold(args.lifeline, &blueprint)?;
    Ok(ExitCode::SUCCESS)
}
