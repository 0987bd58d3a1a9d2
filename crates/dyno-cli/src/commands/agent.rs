//! `dyno agent`: serve one test session over an inherited socket.

use std::os::fd::RawFd;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The inherited Unix stream socket; the session is at its other end.
    #[arg(long, value_name = "FD")]
    fd: RawFd,
}

pub(crate) fn run(Args { fd }: Args) -> anyhow::Result<ExitCode> {
    dyno_agent::serve(fd)?;
    Ok(ExitCode::SUCCESS)
}
