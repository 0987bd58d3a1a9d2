//! `dyno report`: shows a run again, from its journal.

use crate::commands::test::project_root;
use crate::screen::{Color, Screen, style};
use anyhow::Context;
use dyno_journal::{Ending, RunState, Runs, read};
use dyno_model::{Event, ExitCode, RunId};
use dyno_report::Terminal;

/// The options of `dyno report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run, as `dyno runs` names it [default: the latest].
    run: Option<String>,
    /// The project's root directory [default: found as `dyno test` finds it].
    #[arg(long)]
    rootdir: Option<std::path::PathBuf>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<std::process::ExitCode> {
    let cwd = std::env::current_dir().context("cannot tell the working directory")?;
    let runs = Runs::of(&project_root(&cwd, args.rootdir.as_deref()));
    let run = match args.run {
        Some(id) => runs.find(&RunId::new(id)?)?,
        None => runs.latest()?,
    };
    let live = run.state()? == RunState::Live;
    let recording = read(&run.journal())?;
    let mut terminal = Terminal::new(style(Color::Auto));
    let mut screen = Screen::default();
    for event in &recording.events {
        screen.print(&terminal.event(event));
    }
    let finished = recording
        .events
        .iter()
        .rev()
        .find_map(|stamped| match stamped.event {
            Event::RunFinished { exit, .. } => Some(exit),
            _ => None,
        });
    if finished.is_none() && !live {
        screen.print(&terminal.cut_off());
    }
    warn(&recording, live, run.id());
    let exit = finished.unwrap_or(ExitCode::Interrupted);
    Ok(std::process::ExitCode::from(u8::from(exit)))
}

/// Says what the journal could not tell.
fn warn(recording: &dyno_journal::Recording, live: bool, run: &RunId) {
    if live {
        eprintln!("dyno: run {run} is still running; this is what it has done so far");
    }
    if let (Ending::Torn { bytes }, false) = (&recording.ending, live) {
        eprintln!(
            "dyno: the journal's last line was cut off after {bytes} bytes; it was passed over"
        );
    }
    for (kind, count) in &recording.unknown {
        eprintln!(
            "dyno: {count} events of kind {kind:?} come from a newer dyno and were passed over"
        );
    }
    if !recording.damaged.is_empty() {
        eprintln!(
            "dyno: damaged lines were passed over: {:?}",
            recording.damaged
        );
    }
}
