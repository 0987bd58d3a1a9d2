//! The `dyno` command: wiring and exit codes, nothing else.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The test bench for NVIDIA Dynamo.
#[derive(Debug, Parser)]
#[command(name = "dyno", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make model directories that real engines load.
    Models(commands::models::Args),
    /// Serve one test session: started by the pytest plugin, not by hand.
    #[command(hide = true)]
    Agent(commands::agent::Args),
    /// Keep one process tree: started by `dyno test`, not by hand.
    #[command(hide = true)]
    Keeper(commands::keeper::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Models(args) => commands::models::run(args),
        Command::Agent(args) => commands::agent::run(args),
        Command::Keeper(args) => commands::keeper::run(args),
    };
    done.unwrap_or_else(|error| {
        anstream::eprintln!("dyno: {error:#}");
        ExitCode::from(u8::from(dyno_model::ExitCode::InternalError))
    })
}
