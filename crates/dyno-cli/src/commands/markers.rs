//! `dyno markers`: markers in use, and the policy about them.

use crate::commands::collect::fail;
use crate::commands::{code, refuse};
use crate::pytest::RealPytest;
use crate::screen::Screen;
use dyno_collect::markers::{Policy, Registered, check, counts, registered};
use dyno_collect::{Collection, Disk, Settle, collect};
use dyno_model::{ExitCode, Files};
use dyno_python::{Interpreter, Module};
use std::ffi::OsString;
use std::path::PathBuf;

/// The options of `dyno markers`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 in order, 1 violations, 2 something could not be collected, 4 usage error,\n\
5 no tests. --check imports nothing; what the text does not settle is told and passes.")]
pub(crate) struct Args {
    /// Files and folders [default: those that pytest would collect].
    paths: Vec<OsString>,
    /// Check every test against `[tool.dyno.markers]`: a marker of each required group,
    /// and no name that is not registered.
    #[arg(long)]
    check: bool,
    /// Counts as JSON.
    #[arg(long, conflicts_with = "check")]
    json: bool,
    /// Read and write no cache.
    #[arg(long)]
    no_cache: bool,
    /// The Python whose pytest counts [default: the one of dyno's own environment, else
    /// the active one].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<std::process::ExitCode> {
    let pytest = match RealPytest::find(args.python)? {
        Ok(pytest) => pytest,
        Err(error) => return Ok(refuse(&error)),
    };
    let settle = if args.check {
        Settle::Nothing
    } else {
        Settle::Markers
    };
    let request = pytest.request(&args.paths, settle, !args.no_cache);
    let disk = Disk::new();
    let collection = match collect(&request, &pytest, &disk) {
        Ok(collection) => collection,
        Err(error) => return Ok(fail(&error)),
    };
    if args.check {
        return Ok(check_all(&collection, &disk));
    }
    for note in &collection.notes {
        eprintln!("dyno: {note}");
    }
    let counts = counts(&collection);
    let mut screen = Screen::default();
    if args.json {
        screen.print(&format!("{}\n", serde_json::to_string_pretty(&counts)?));
    } else {
        screen.print(&counts.table());
    }
    Ok(code(collection.exit()))
}

fn check_all(collection: &Collection, disk: &Disk) -> std::process::ExitCode {
    let known = registered_of(collection, disk);
    let path = collection.rootdir.join("pyproject.toml");
    let pyproject = disk.read(&path);
    let pyproject = pyproject.as_deref().map(String::from_utf8_lossy);
    let policy = match Policy::of(pyproject.as_deref(), &known) {
        Ok(policy) => policy,
        Err(error) => return refuse(&error),
    };
    let checked = check(collection, &policy, &known);
    for undecided in &checked.undecided {
        eprintln!("dyno: not decided: {undecided}");
    }
    let mut screen = Screen::default();
    for violation in &checked.violations {
        screen.print(&format!("{violation}\n"));
    }
    let count = checked.violations.len();
    if count > 0 {
        let s = if count == 1 { "" } else { "s" };
        eprintln!("dyno: {count} violation{s} of the marker policy");
        return code(ExitCode::TestsFailed);
    }
    code(ExitCode::Ok)
}

/// What ini file, plugins and conftests register.
fn registered_of(collection: &Collection, disk: &Disk) -> Registered {
    let mut known = Registered::default();
    for line in &collection.markers {
        known.add(line);
    }
    let mut numbers = collection
        .python
        .split('.')
        .filter_map(|part| part.parse().ok());
    let interpreter = Interpreter {
        version: (
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        ),
        platform: std::env::consts::OS.into(),
        os_name: "posix".into(),
    };
    for path in &collection.conftests {
        let text = disk.read(path).unwrap_or_default();
        match Module::parse(path, None, &text, &interpreter) {
            Ok(module) => registered(module.body(), &mut known),
            Err(_) => known.unsettled = true,
        }
    }
    known
}
