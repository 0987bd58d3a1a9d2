//! `dyno collect`: the tests that would run, without importing what need not be imported.

use crate::commands::{code, own_options, refuse};
use crate::pytest::RealPytest;
use crate::screen::Screen;
use clap::{CommandFactory, Parser};
use dyno_collect::{
    CollectError, Collection, Disk, Document, Look, Pytest, Request, Settle, changed_paths,
    collect, is_commit, listing, verify, why,
};
use dyno_config::split_for;
use dyno_model::{ExitCode, RealCollection};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// List the tests that would run, as `pytest --collect-only` does, known from their text
/// and asked of pytest only where the text leaves something open.
#[derive(Debug, Parser)]
#[command(
    name = "dyno collect",
    args_override_self = true,
    override_usage = "dyno collect [OPTIONS] [PYTEST OPTIONS] [PATHS | NODE IDS]",
    after_help = AFTER_HELP
)]
struct CollectCommand {
    #[command(flatten)]
    options: Options,
}

const AFTER_HELP: &str = "\
Every other argument is pytest's and means what it means there; -q lists node ids,
-qq counts them by file, exactly as `pytest --collect-only` prints them. Notes go to
standard error.

Exit codes are pytest's: 0 there are tests, 2 something could not be collected,
4 usage error, 5 no tests. With --verify: 0 pytest agrees, 1 it does not.";

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
struct Options {
    /// One JSON document (docs/schema/collect.schema.json).
    #[arg(long)]
    json: bool,

    /// Tell what decided about a file, a class or a test: its text, the cache, pytest.
    #[arg(long, value_name = "NODE ID")]
    why: Vec<String>,

    /// Ask pytest too, and print every difference in ids, order and markers.
    #[arg(long)]
    verify: bool,

    /// Only the tests that changes since BASE can affect [default: the last commit].
    #[arg(long, value_name = "BASE", num_args = 0..=1, require_equals = true, default_missing_value = "HEAD")]
    changed: Option<String>,

    /// Tell what the cache held, what it did not, and why pytest was asked.
    #[arg(long)]
    debug: bool,

    /// Read and write no cache.
    #[arg(long)]
    no_cache: bool,

    /// The Python to ask [default: the one of dyno's own environment, else the active one].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

/// The arguments with `--changed BASE` written as `--changed=BASE`, where that is what it
/// can only mean: BASE is no path that is there, and a commit.
fn join_base(args: &[OsString], folder: &Path, is_commit: &dyn Fn(&str) -> bool) -> Vec<OsString> {
    let mut joined: Vec<OsString> = args.to_vec();
    let end = args.iter().position(|arg| arg == "--");
    let own = args.get(..end.unwrap_or(args.len())).unwrap_or_default();
    let Some(at) = own.iter().position(|arg| arg == "--changed") else {
        return joined;
    };
    let base = own.get(at + 1).and_then(|base| base.to_str());
    if let Some(base) = base
        && !base.starts_with('-')
        && !folder
            .join(base.split("::").next().unwrap_or(base))
            .exists()
        && is_commit(base)
    {
        joined.splice(at..=at + 1, [format!("--changed={base}").into()]);
    }
    joined
}

pub(crate) fn run(args: &[OsString]) -> anyhow::Result<std::process::ExitCode> {
    let began = Instant::now();
    let folder = std::env::current_dir().unwrap_or_default();
    let args = join_base(args, &folder, &|base| is_commit(&folder, base));
    let parts = split_for::<Options>(args);
    if parts.help {
        CollectCommand::command().print_long_help()?;
        return Ok(code(ExitCode::Ok));
    }
    let Some(CollectCommand { options }) = own_options(&parts.own)? else {
        return Ok(code(ExitCode::UsageError));
    };
    let pytest = match RealPytest::find(options.python.clone())? {
        Ok(pytest) => pytest,
        Err(error) => return Ok(refuse(&error)),
    };
    let settle = if options.json || options.verify {
        Settle::Markers
    } else {
        Settle::Tests
    };
    let mut request = pytest.request(&parts.pytest, settle, !options.no_cache);
    if let Some(base) = &options.changed {
        request.changed = match changed_paths(pytest.folder(), base) {
            Ok(paths) => Some(paths),
            Err(error) => return Ok(refuse(&error)),
        };
    }
    let disk = Disk::new();
    let collection = match collect(&request, &pytest, &disk) {
        Ok(collection) => collection,
        Err(error) => return Ok(fail(&error)),
    };
    if options.debug {
        for line in &collection.debug {
            eprintln!("dyno: {line}");
        }
    }
    for note in &collection.notes {
        eprintln!("dyno: {note}");
    }
    let mut screen = Screen::default();
    if options.verify {
        return Ok(ask_and_compare(&collection, &request, &pytest, &mut screen));
    }
    if !options.why.is_empty() {
        return Ok(explain(&collection, &options.why, &mut screen));
    }
    if options.json {
        let mut text = serde_json::to_string_pretty(&Document::of(&collection))?;
        text.push('\n');
        screen.print(&text);
    } else {
        let look = Look::of_verbosity(collection.verbosity);
        screen.print(&listing(&collection, look, began.elapsed()));
    }
    for error in &collection.errors {
        eprintln!(
            "ERROR collecting {}\n{}",
            error.node,
            error.longrepr.trim_end()
        );
    }
    Ok(code(collection.exit()))
}

fn explain(
    collection: &Collection,
    nodes: &[String],
    screen: &mut Screen,
) -> std::process::ExitCode {
    let mut exit = ExitCode::Ok;
    for node in nodes {
        if let Some(text) = why(collection, node) {
            screen.print(&text);
            continue;
        }
        eprintln!(
            "dyno: no test {node:?} is among those that would run\n\
             hint: node ids are relative to {}; list them with `dyno collect -q`",
            collection.rootdir.display()
        );
        exit = ExitCode::UsageError;
    }
    code(exit)
}

/// What pytest says of everything; where it says nothing, the exit code.
fn answer(
    pytest: &dyn Pytest,
    args: &[OsString],
) -> Result<RealCollection, std::process::ExitCode> {
    let told = pytest.collect(args, None).map_err(|error| refuse(&error))?;
    told.answer.ok_or_else(|| {
        fail(&CollectError::Pytest {
            code: told.code,
            stdout: told.stdout,
            stderr: told.stderr,
        })
    })
}

/// Asks pytest for everything, and compares.
fn ask_and_compare(
    collection: &Collection,
    request: &Request,
    pytest: &dyn Pytest,
    screen: &mut Screen,
) -> std::process::ExitCode {
    let args: Vec<OsString> = request.args.iter().map(OsString::from).collect();
    let real = match answer(pytest, &args) {
        Ok(real) => real,
        Err(code) => return code,
    };
    let mut verification = verify(collection, &real, None);
    if !verification.differences.is_empty() {
        // Ids that hold a time, or come from a set, are others each time.
        let again = match answer(pytest, &args) {
            Ok(again) => again,
            Err(code) => return code,
        };
        verification = verify(collection, &real, Some(&again));
    }
    for aside in &verification.aside {
        eprintln!("dyno: {aside}");
    }
    for function in &verification.unsure {
        eprintln!("dyno: {function}: not compared: pytest, asked twice, lists it differently");
    }
    let mut text = String::new();
    for difference in &verification.differences {
        let _ = writeln!(text, "{difference}");
    }
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let (all, different) = (verification.tests, verification.differences.len());
    let _ = writeln!(
        text,
        "{different} difference{} in {all} test{}",
        s(different),
        s(all)
    );
    screen.print(&text);
    code(if different == 0 {
        ExitCode::Ok
    } else {
        ExitCode::TestsFailed
    })
}

/// Says why there is no collection. What pytest itself printed is passed on as it is.
pub(crate) fn fail(error: &CollectError) -> std::process::ExitCode {
    match error {
        CollectError::Usage(sentences) => {
            for line in sentences.lines() {
                eprintln!("ERROR: {line}");
            }
        }
        CollectError::NoAnswer(error) => eprintln!("dyno: {error}"),
        CollectError::Pytest { stdout, stderr, .. } => {
            // An error of use is told in a few lines, behind warnings of plugins.
            match stderr.find("ERROR: ") {
                Some(start) if error.exit() == ExitCode::UsageError => {
                    eprintln!("{}", stderr.get(start..).unwrap_or_default().trim_end());
                }
                _ => {
                    eprint!("{stdout}{stderr}");
                    eprintln!("dyno: {error}");
                }
            }
        }
    }
    code(error.exit())
}
