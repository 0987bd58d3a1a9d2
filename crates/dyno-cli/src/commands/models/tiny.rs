//! `dyno models tiny`: a model directory, made on the spot.

use dyno_models::tiny::{self, IfOccupied, TinyModel, WriteError, Written};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it; made with its parents where missing.
    dir: PathBuf,
    /// Seed of the weights; the other files are the same for every seed.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Replace the model's files where the directory holds others.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let occupied = if args.force {
        IfOccupied::Replace
    } else {
        IfOccupied::Refuse
    };
    let dir = args.dir.display();
    match tiny::write(&args.dir, &TinyModel { seed: args.seed }, occupied) {
        Ok(Written::New) => anstream::println!("wrote a tiny model, seed {}, to {dir}", args.seed),
        Ok(Written::AlreadyThere) => {
            anstream::println!("{dir} already holds the tiny model of seed {}", args.seed);
        }
        Err(error @ WriteError::NotADirectory(_)) => return Ok(usage_error(&error, None)),
        Err(error @ WriteError::Occupied { .. }) => {
            let hint = "name an empty or new directory, or replace the model's files with --force";
            return Ok(usage_error(&error, Some(hint)));
        }
        Err(error @ WriteError::Io { .. }) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn usage_error(error: &WriteError, hint: Option<&str>) -> ExitCode {
    anstream::eprintln!("dyno: {error}");
    if let Some(hint) = hint {
        anstream::eprintln!("hint: {hint}");
    }
    ExitCode::from(u8::from(dyno_model::ExitCode::UsageError))
}
