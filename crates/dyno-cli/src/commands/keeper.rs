//! `dyno keeper`: run one command, and let nothing of it outlive the process at the
//! other end of the lifeline.

use dyno_sandbox::Group;
use dyno_sandbox::keeper::{Keeper, Orphans, keep};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The inherited pipe or socket whose end of file means that the owner died.
    #[arg(long, value_name = "FD")]
    lifeline: RawFd,

    /// Leave the command in this process group, so that it has the terminal.
    #[arg(long)]
    foreground: bool,

    /// Let what the command started live on where a signal ends it, and tell the owner over
    /// the lifeline, which is a socket then.
    #[arg(long)]
    orphans_live_on: bool,

    /// Program and arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let code = keep(Keeper {
        lifeline: args.lifeline,
        group: if args.foreground {
            Group::Foreground
        } else {
            Group::Own
        },
        orphans: if args.orphans_live_on {
            Orphans::LiveOn
        } else {
            Orphans::Die
        },
        command: args.command,
    })?;
    Ok(ExitCode::from(code))
}
