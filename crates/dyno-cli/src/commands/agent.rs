//! `dyno agent`: serve one test session, or a whole run, over inherited sockets.

use dyno_agent::RunSockets;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The inherited Unix stream socket; the session is at its other end.
    #[arg(long, value_name = "FD", required_unless_present = "listener")]
    fd: Option<RawFd>,
    /// An inherited Unix stream socket that listens, for all sessions of a run.
    #[arg(long, value_name = "FD", conflicts_with = "fd", requires_all = ["lifeline", "services"])]
    listener: Option<RawFd>,
    /// The inherited socket whose end is that of the run.
    #[arg(long, value_name = "FD", requires = "listener")]
    lifeline: Option<RawFd>,
    /// Where the sockets are to be that lead to services.
    #[arg(long, value_name = "FOLDER", requires = "listener")]
    services: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match (args.fd, args.listener, args.lifeline, args.services) {
        (Some(fd), ..) => dyno_agent::serve(fd)?,
        (None, Some(listener), Some(lifeline), Some(services)) => {
            dyno_agent::serve_run(RunSockets {
                listener,
                lifeline,
                services,
            })?;
        }
        _ => anyhow::bail!("dyno agent needs --fd, or --listener, --lifeline and --services"),
    }
    Ok(ExitCode::SUCCESS)
}
