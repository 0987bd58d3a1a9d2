//! `dyno doctor`: what this machine allows, what that costs, and what mends it.

use crate::screen::{self, Screen};
use anyhow::Context;
use dyno_model::{Finding, FindingState};
use std::path::Path;
use std::process::ExitCode;

/// The options of `dyno doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 nothing is amiss, 1 something costs something.")]
pub(crate) struct Args {
    /// As JSON: areas, each with its findings.
    #[arg(long)]
    json: bool,
}

/// An area that is looked at. Another check is another line of [`CHECKS`].
struct Check {
    about: &'static str,
    /// Is given a folder of its own, and is called by the only thread.
    look: fn(&Path) -> Vec<Finding>,
}

const CHECKS: [Check; 1] = [Check {
    about: "sealed tests",
    look: dyno_sandbox::doctor::look,
}];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("dyno-doctor-").tempdir();
    let folder = folder.context("cannot make a folder to try things in")?;
    let look = |check: &Check| (check.about, (check.look)(folder.path()));
    let areas: Vec<(&str, Vec<Finding>)> = CHECKS.iter().map(look).collect();
    drop(folder);
    let mut screen = Screen::default();
    if args.json {
        let areas = areas
            .iter()
            .map(|(about, findings)| serde_json::json!({ "about": about, "findings": findings }));
        let document = serde_json::json!({ "version": 1, "areas": areas.collect::<Vec<_>>() });
        screen.print(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    } else {
        let style = screen::style(screen::Color::Auto);
        screen.print(&dyno_report::findings(&areas, style));
    }
    let mut all = areas.iter().flat_map(|(_, findings)| findings);
    let costs = all.any(|finding| finding.state == FindingState::Costs);
    Ok(ExitCode::from(u8::from(costs)))
}
