//! `dyno models verify`: whether the cache holds what its names promise.

use super::{CacheArgs, counted, tell};
use crate::commands::code;
use crate::screen::Screen;
use dyno_hub::{Done, Fault, FaultKind, inventory, verify};
use dyno_model::{Bytes, ExitCode, ModelName};
use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};

/// The options of `dyno models verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all is right, 1 something is damaged, 4 usage error. Files that are only\n\
half-written, or have no checksum for a name, are told and are no damage.")]
pub(crate) struct Args {
    /// Models [default: all of the cache].
    #[arg(value_name = "ORG/NAME")]
    models: Vec<String>,
    /// Remove what is damaged, under its lock, so that the next prefetch gets it again.
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

pub(crate) fn run(args: &Args) -> std::process::ExitCode {
    let cache = args.cache.place().cache;
    let parsed: Vec<Result<ModelName, _>> = args.models.iter().map(|name| name.parse()).collect();
    let mut usage = false;
    let mut models = Vec::new();
    let there = match inventory(&cache) {
        Ok(there) => there,
        Err(error) => {
            tell(&error);
            return code(ExitCode::TestsFailed);
        }
    };
    for name in parsed {
        match name {
            Ok(name) if there.iter().any(|model| model.name == name) => models.push(name),
            Ok(name) => {
                anstream::eprintln!(
                    "dyno: nothing of {name} is in {}\nhint: `dyno models list` lists what is",
                    cache.display()
                );
                usage = true;
            }
            Err(error) => {
                anstream::eprintln!("dyno: {error}");
                usage = true;
            }
        }
    }
    if usage {
        return code(ExitCode::UsageError);
    }
    let verification = match verify(&cache, &models, args.remove, told) {
        Ok(verification) => verification,
        Err(error) => {
            tell(&error);
            return code(ExitCode::TestsFailed);
        }
    };
    let mut screen = Screen::default();
    for fault in &verification.faults {
        screen.print(&format!("{}\n", line(fault)));
    }
    screen.print(&format!(
        "{} and {} summed up, {}: {}\n",
        counted(verification.models, "model"),
        counted(verification.blobs, "file"),
        Bytes(verification.bytes),
        counted(
            verification
                .faults
                .iter()
                .filter(|fault| fault.kind.is_damage())
                .count(),
            "fault"
        ),
    ));
    let damaged: Vec<&Fault> = verification
        .faults
        .iter()
        .filter(|fault| fault.kind.is_damage())
        .collect();
    for hint in hints(&damaged, &args.cache.option()) {
        anstream::eprintln!("hint: {hint}");
    }
    code(if damaged.is_empty() {
        ExitCode::Ok
    } else {
        ExitCode::TestsFailed
    })
}

/// Summing up takes a second a gigabyte; whoever looks on is told where it is.
fn told(name: &ModelName) {
    if stderr().is_terminal() {
        anstream::eprintln!("dyno: summing up {name}");
    }
}

fn line(fault: &Fault) -> String {
    let what = match &fault.kind {
        FaultKind::WrongBytes { got } => format!("other bytes than its name says, {got}"),
        FaultKind::NoChecksum => "its name is no checksum, so nothing can be told of it".to_owned(),
        FaultKind::DeadLink => "leads to no file".to_owned(),
        FaultKind::WrongFile => "other bytes than the model's listing says".to_owned(),
        FaultKind::NoSnapshot { revision } => {
            format!("the revision {revision} is a commit that is not there")
        }
        FaultKind::HalfWritten { bytes } => format!("half-written, {}", Bytes(*bytes)),
    };
    let done = match fault.done {
        Done::Nothing => "",
        Done::Removed => " (removed)",
        Done::InUse => " (left: somebody works on it)",
    };
    format!("{}: {}: {what}{done}", fault.name, fault.path.display())
}

/// The commands that mend it.
fn hints(damaged: &[&Fault], option: &str) -> Vec<String> {
    let names = |of: &dyn Fn(&Fault) -> bool| {
        let names: BTreeSet<&str> = damaged
            .iter()
            .filter(|fault| of(fault))
            .map(|fault| fault.name.as_str())
            .collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    let left = names(&|fault| fault.done != Done::Removed);
    let removed = names(&|fault| fault.done == Done::Removed);
    let mut hints = Vec::new();
    if !left.is_empty() {
        hints.push(format!(
            "remove it with `dyno models verify --remove{option} {left}`"
        ));
    }
    if !removed.is_empty() {
        hints.push(format!(
            "get it again with `dyno models prefetch{option} {removed}`"
        ));
    }
    hints
}
