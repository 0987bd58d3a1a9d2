//! `dyno doctor`: what this machine lacks, what that costs, and what mends it.

mod suite;

use crate::pytest::places;
use crate::screen::{self, Screen};
use anyhow::Context;
use dyno_doctor::{Area, Build, Surroundings, look};
use dyno_hub::Place;
use dyno_model::{Finding, FindingState};
use dyno_runner::find_python;
use std::path::PathBuf;
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Areas:
  sealed      the kernel, the walls round sealed tests, control groups
  python      the interpreter that `dyno test` takes, pytest, dyno's package, plugins
  dynamo      Dynamo, its runtime and its engines, and whether their versions fit
  machine     limits, memory, processors, disk, network, the clock
  gpus        NVIDIA's driver, GPUs, who holds their memory, CUDA
  models      the cache, the token, and whether the models of the tests can be had
  services    etcd and NATS
  containers  docker and podman

Nothing is changed. The Hub is asked for the models that the tests of this folder name,
unless HF_HUB_OFFLINE is set. docs/doctor.md lists all that is looked at.

Exit codes: 0 nothing is amiss, 1 something costs something, 4 usage error.";

/// The options of `dyno doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to look at [default: everything].
    #[arg(value_name = "AREA")]
    areas: Vec<Area>,
    /// As JSON: areas, each with its findings.
    #[arg(long)]
    json: bool,
    /// The Python to look into [default: the one of dyno's own environment, else the active
    /// one].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Arguments of pytest's: the models of the tests that they select are looked at.
    #[arg(last = true, value_name = "PYTEST ARGUMENTS")]
    pytest: Vec<std::ffi::OsString>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::Builder::new().prefix("dyno-doctor-").tempdir();
    // Where nothing can be written, the area of the machine says so.
    let folder = scratch
        .as_ref()
        .map_or_else(|_| std::env::temp_dir(), |own| own.path().to_owned());
    let around = surroundings(args.python, folder)?;
    let areas = chosen(&args.areas);
    let suite = suite::reader(&around, args.pytest);
    let found = look(&areas, &around, suite);
    drop(scratch);
    let mut screen = Screen::default();
    if args.json {
        let areas = found.iter().map(|(area, findings)| {
            serde_json::json!({
                "area": area.name(), "about": area.title(), "findings": findings,
            })
        });
        let document = serde_json::json!({ "version": 1, "areas": areas.collect::<Vec<_>>() });
        screen.print(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    } else {
        let style = screen::style(screen::Color::Auto);
        let titled: Vec<(&str, Vec<Finding>)> = found
            .iter()
            .map(|(area, findings)| (area.title(), findings.clone()))
            .collect();
        screen.print(&dyno_report::findings(&titled, style));
    }
    let mut all = found.iter().flat_map(|(_, findings)| findings);
    let costs = all.any(|finding| finding.state == FindingState::Costs);
    Ok(ExitCode::from(u8::from(costs)))
}

/// The areas that were named, each once and in their order; all where none was.
fn chosen(named: &[Area]) -> Vec<Area> {
    let is_wanted = |area: &Area| named.is_empty() || named.contains(area);
    Area::ALL.into_iter().filter(is_wanted).collect()
}

fn surroundings(python: Option<PathBuf>, scratch: PathBuf) -> anyhow::Result<Surroundings> {
    let places = places(python);
    let folder = std::env::current_dir().context("cannot tell the working directory")?;
    let own = places
        .executable
        .as_deref()
        .and_then(|dyno| dyno.parent()?.parent());
    let own = own.filter(|folder| folder.join("pyvenv.cfg").is_file());
    Ok(Surroundings {
        build: Build {
            version: env!("CARGO_PKG_VERSION"),
            protocol: dyno_wire::PROTOCOL,
        },
        own_environment: own.map(std::path::Path::to_owned),
        python: find_python(&places).map_err(|error| error.to_string()),
        variables: std::env::vars_os().collect(),
        place: Place::of(|name| std::env::var_os(name)),
        folder,
        scratch,
    })
}
