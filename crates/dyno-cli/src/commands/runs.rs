//! `dyno runs`: the project's runs, the newest last.

use crate::commands::test::project_root;
use crate::screen::Screen;
use anyhow::Context;
use dyno_journal::{RunDir, RunState, Runs, read};
use dyno_model::{Event, Outcome};
use dyno_report::outcomes;
use std::fmt::Write;

/// The options of `dyno runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The project's root directory [default: found as `dyno test` finds it].
    #[arg(long)]
    rootdir: Option<std::path::PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<std::process::ExitCode> {
    let cwd = std::env::current_dir().context("cannot tell the working directory")?;
    let runs = Runs::of(&project_root(&cwd, args.rootdir.as_deref()));
    let mut screen = Screen::default();
    for run in runs.list()? {
        screen.print(&line(&run));
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// `20261122-084500-0f3a  exit 1   12 passed, 1 failed   -m e2e`
fn line(run: &RunDir) -> String {
    let recording = match read(&run.journal()) {
        Ok(recording) => recording,
        Err(error) => return format!("{}  {error}\n", run.id()),
    };
    let mut args = String::new();
    let mut exit = None;
    for stamped in &recording.events {
        match &stamped.event {
            Event::RunStarted { args: given, .. } => args = given.join(" "),
            Event::RunFinished { exit: code, .. } => exit = Some(u8::from(*code)),
            _ => {}
        }
    }
    let state = match (exit, run.state()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Ok(RunState::Live)) => "running".to_owned(),
        (None, _) => "cut off".to_owned(),
    };
    let outcomes = outcomes(&recording.events);
    let mut counts = String::new();
    for outcome in [
        Outcome::Failed,
        Outcome::Error,
        Outcome::Passed,
        Outcome::Skipped,
        Outcome::Xfailed,
        Outcome::Xpassed,
    ] {
        let count = outcomes.values().filter(|&&known| known == outcome).count();
        if count > 0 {
            let comma = if counts.is_empty() { "" } else { ", " };
            let _ = write!(counts, "{comma}{count} {outcome}");
        }
    }
    format!("{}  {state:8} {counts:32} {args}\n", run.id())
}
