//! The `dyno` command: wiring and exit codes, nothing else.

mod commands;
mod imports;
mod lessons;
mod pytest;
mod resume;
mod screen;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
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
    /// Run tests: pytest's arguments, and dyno's own (see `dyno test --help`).
    #[command(disable_help_flag = true)]
    Test {
        #[arg(
            value_name = "ARGUMENTS",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<OsString>,
    },
    /// List the tests that would run: pytest's arguments, and dyno's own (see
    /// `dyno collect --help`).
    #[command(disable_help_flag = true)]
    Collect {
        #[arg(
            value_name = "ARGUMENTS",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<OsString>,
    },
    /// Count markers, or check them against the policy in `[tool.dyno.markers]`.
    Markers(commands::markers::Args),
    /// Show a run again, from its journal.
    Report(commands::report::Args),
    /// List the project's runs, the newest last.
    Runs(commands::runs::Args),
    /// Tell what this machine lacks for tests, what that costs, and the command that mends it.
    Doctor(commands::doctor::Args),
    /// Fetch, list, check and remove models; make small ones on the spot.
    Models(commands::models::Args),
    /// Build images with what a suite needs, and run commands in them.
    Container(commands::container::Args),
    /// Serve one test session: started by the pytest plugin, not by hand.
    #[command(hide = true)]
    Agent(commands::agent::Args),
    /// Keep one process tree: started by `dyno test`, not by hand.
    #[command(hide = true)]
    Keeper(commands::keeper::Args),
    /// Hold up the walls of a sandbox: started by `dyno test`, not by hand.
    #[command(hide = true)]
    Sandbox(commands::sandbox::Args),
}

fn main() -> ExitCode {
    // These two take their arguments apart themselves, `--` included.
    let mut args = std::env::args_os().skip(1);
    let command = match args.next() {
        Some(first) if first == "test" => Command::Test {
            args: args.collect(),
        },
        Some(first) if first == "collect" => Command::Collect {
            args: args.collect(),
        },
        _ => match Cli::try_parse() {
            Ok(cli) => cli.command,
            Err(error) => return refuse(&error),
        },
    };
    let done = match command {
        Command::Test { args } => commands::test::run(&args),
        Command::Collect { args } => commands::collect::run(&args),
        Command::Markers(args) => commands::markers::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Runs(args) => commands::runs::run(&args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Models(args) => commands::models::run(args),
        Command::Container(args) => commands::container::run(args),
        Command::Agent(args) => commands::agent::run(args),
        Command::Keeper(args) => commands::keeper::run(args),
        Command::Sandbox(args) => commands::sandbox::run(args),
    };
    done.unwrap_or_else(|error| {
        anstream::eprintln!("dyno: {}", told(&error));
        ExitCode::from(u8::from(dyno_model::ExitCode::InternalError))
    })
}

/// Says what of a command line is not understood, or the help that it asks for.
fn refuse(error: &clap::Error) -> ExitCode {
    // A reader that has gone costs the text and nothing else.
    let _ = error.print();
    let code = if error.use_stderr() {
        dyno_model::ExitCode::UsageError
    } else {
        dyno_model::ExitCode::Ok
    };
    ExitCode::from(u8::from(code))
}

/// What went wrong and why, each once: most errors name their cause in their own words.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}
