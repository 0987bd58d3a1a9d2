//! `dyno sandbox`: hold up the walls of one sandbox, until the process at the other end of the
//! lifeline lets go.

use dyno_sandbox::Marks;
use dyno_sandbox::cgroup::Group;
use dyno_sandbox::sandbox::{Wanted, hold};
use dyno_sandbox::walls::{Blueprint, Wall};
use std::ffi::OsString;
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

    /// A folder of its control group, which is made; one for each tree of groups.
    #[arg(long = "group", value_name = "FOLDER")]
    groups: Vec<PathBuf>,

    /// A variable that all its processes are started with.
    #[arg(long = "mark", value_name = "NAME=VALUE")]
    marks: Vec<OsString>,

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
    let wanted = Wanted {
        blueprint,
        group: (!args.groups.is_empty()).then(|| Group::at(args.groups)),
        marks: Marks::new(args.marks),
    };
    hold(args.lifeline, wanted)?;
    Ok(ExitCode::SUCCESS)
}
