//! `dyno test`: runs tests as `pytest` would, side by side.

use anyhow::Context;
use clap::{CommandFactory, Parser};
use dyno_config::{Rules, Settings, TestOptions, resolve, split};
use dyno_hub::Place;
use dyno_journal::{History, Journal, KEPT_RUNS, RunDir, Runs};
use dyno_model::{Carried, ExitCode, Secrets, Stamped};
use dyno_report::Terminal;
use dyno_runner::{Prepared, RunRequest, Streams, find_python};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{code, own_options, refuse};
use crate::imports::ImportPlan;
use crate::lessons::Lessons;
use crate::pytest::places;
use crate::resume;
use crate::screen;

/// Run tests: pytest's paths, node ids and options, and those below.
#[derive(Debug, Parser)]
#[command(
    name = "dyno test",
    // As in pytest, the last of a repeated option counts.
    args_override_self = true,
    override_usage = "dyno test [OPTIONS] [PYTEST OPTIONS] [PATHS | NODE IDS]",
    after_help = AFTER_HELP
)]
struct TestCommand {
    #[command(flatten)]
    options: TestOptions,
}

const AFTER_HELP: &str = "\
Every other argument is pytest's and means what it means there:
  -m, -k            select by marker expression, by name
  -v, -q, -s        say more, say less, do not capture output
  -x, --maxfail=N   stop at the first failure, after N
  --collect-only    list what would run
  --lf, --ff        last failed only, last failed first
  --tb, -r          how failures and the summary look
  --pdb             debug failures (implies -n 1)
  -p, -o, -c, --rootdir, --junitxml and all others: see `pytest --help`

Exit codes are pytest's: 0 passed, 1 failed, 2 interrupted, 3 internal error,
4 usage error, 5 no tests. The run's journal and the logs of its servers are kept
under .dyno/runs; `dyno report` shows a run again.";

pub(crate) fn run(args: &[OsString]) -> anyhow::Result<std::process::ExitCode> {
    let mut args = args.to_vec();
    let mut parts = split(args.iter().cloned());
    if parts.help {
        TestCommand::command().print_long_help()?;
        return Ok(code(ExitCode::Ok));
    }
    let Some(TestCommand { mut options }) = own_options(&parts.own)? else {
        return Ok(code(ExitCode::UsageError));
    };
    let cwd = std::env::current_dir().context("cannot tell the working directory")?;
    let root = project_root(&cwd, parts.rootdir.as_deref().map(Path::new));
    let mut carried = None;
    if let Some(named) = options.resume.take() {
        let resumed = match resume::find(named.as_deref(), &root, &cwd, &args) {
            Ok(resumed) => resumed,
            Err(error) => return Ok(refuse(&error)),
        };
        args = resumed.args;
        carried = Some(resumed.carried);
        parts = split(args.iter().cloned());
        let Some(TestCommand { options: of_both }) = own_options(&parts.own)? else {
            return Ok(code(ExitCode::UsageError));
        };
        options = of_both;
    }
    let color = screen::Color::from_args(&parts.pytest);
    let pyproject = std::fs::read_to_string(root.join("pyproject.toml")).ok();
    let rules = match Rules::of(pyproject.as_deref(), options.profile.as_deref()) {
        Ok(rules) => rules,
        Err(error) => return Ok(refuse(&error)),
    };
    let settings = match resolve(options, parts, rules) {
        Ok(settings) => settings,
        Err(error) => return Ok(refuse(&error)),
    };
    let python = match find_python(&places(settings.python.clone())) {
        Ok(python) => python,
        Err(error) => return Ok(refuse(&error)),
    };
    let start = Start {
        settings,
        python,
        args,
        color,
        cwd,
        carried,
    };
    execute(start)
}

/// A run, all of whose settings are known.
struct Start {
    settings: Settings,
    python: PathBuf,
    args: Vec<OsString>,
    color: screen::Color,
    cwd: PathBuf,
    carried: Option<Carried>,
}

fn execute(start: Start) -> anyhow::Result<std::process::ExitCode> {
    let Start {
        settings,
        python,
        args,
        color,
        cwd,
        mut carried,
    } = start;
    let (runs, run, journal) = start_run(&project_root(&cwd, settings.rootdir.as_deref()))?;
    let request = RunRequest {
        args: args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect(),
        run: run.id().clone(),
        run_folder: run.path().to_path_buf(),
        cwd,
        dyno: std::env::current_exe().context("cannot tell where dyno itself is")?,
        python,
        streams: screen::streams(),
        processors: processors(),
        secrets: secrets(&settings.rules),
        unix_time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
        // Drawn as the standard library draws its hash keys.
        seed: RandomState::new().hash_one(std::process::id()) >> 32,
        settings,
    };
    let mut terminal = Terminal::new(screen::live_style(color));
    let mut screen = screen::Screen::default();
    let mut lessons = Lessons::default();
    let streams = request.streams;
    let on_event = |stamped: &Stamped| {
        lessons.hear(&stamped.event);
        match terminal.apart(stamped) {
            Some(text) if streams == Streams::Two => screen::print_error(&text),
            _ => screen.print(&terminal.event(stamped)),
        }
    };
    let plan = OnceCell::new();
    let history = OnceCell::new();
    let prepare = || {
        // Without a plan everything is imported.
        let made = ImportPlan::make(
            &request.settings,
            request.processors,
            &request.python,
            &request.cwd,
        );
        Prepared {
            imports: plan.get_or_init(|| made.unwrap_or_default()).imports(),
            past: history.get_or_init(|| History::of(&runs)).tests().clone(),
            carried: carried.take(),
        }
    };
    let keep = |told| {
        if let Some(plan) = plan.get() {
            plan.keep(told);
        }
    };
    let exit = dyno_runner::run(&request, journal, prepare, on_event, keep)?;
    if let Some(Err(error)) = history
        .into_inner()
        .map(|history| history.learn(lessons.all()))
    {
        eprintln!("dyno: {error}\nhint: the next run knows less of how long tests take");
    }
    Ok(code(exit))
}

/// The secrets that are known before a test runs: of this process's environment, of what rules
/// set, and the Hub's token.
fn secrets(rules: &Rules) -> Secrets {
    let shown = |text: OsString| Cow::from(text.to_string_lossy().into_owned());
    let own = std::env::vars_os().map(|(name, value)| (shown(name), shown(value)));
    let of_rules = rules.variables();
    let of_rules = of_rules.map(|(name, value)| (name.into(), value.into()));
    // It may be in a file.
    let token = Place::of(|name| std::env::var_os(name)).token;
    let token = token.iter();
    let token = token.map(|token| ("HF_TOKEN".into(), token.secret().to_owned().into()));
    Secrets::of(own.chain(of_rules).chain(token), &[])
}

fn processors() -> NonZeroU32 {
    std::thread::available_parallelism()
        .ok()
        .and_then(|count| u32::try_from(count.get()).ok())
        .and_then(NonZeroU32::new)
        .unwrap_or(NonZeroU32::MIN)
}

/// The folder that keeps the project's runs: `--rootdir`, else the nearest one upwards
/// that configures pytest, else the working directory.
///
/// pytest's own root directory is known only when it has started, and by then the
/// journal must be open. The two differ where arguments lie outside the project.
pub(crate) fn project_root(cwd: &Path, rootdir: Option<&Path>) -> PathBuf {
    const FILES: [&str; 5] = [
        "pytest.toml",
        "pytest.ini",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
    ];
    if let Some(rootdir) = rootdir {
        return cwd.join(rootdir);
    }
    let configures = |folder: &&Path| FILES.iter().any(|file| folder.join(file).is_file());
    cwd.ancestors()
        .find(configures)
        .unwrap_or(cwd)
        .to_path_buf()
}

/// Makes the run's folder in the project, or, where that cannot be written, among the
/// temporary files, with a warning.
fn start_run(root: &Path) -> anyhow::Result<(Runs, RunDir, Journal)> {
    let runs = Runs::of(root);
    let error = match runs.start() {
        Ok((run, journal)) => {
            // Old runs that cannot be removed are no reason to run no test.
            let _ = runs.prune(KEPT_RUNS);
            return Ok((runs, run, journal));
        }
        Err(error) => error,
    };
    let elsewhere = std::env::temp_dir().join("dyno-runs");
    eprintln!(
        "dyno: {error}\nhint: this run is kept in {}",
        elsewhere.display()
    );
    let runs = Runs::of(&elsewhere);
    let (run, journal) = runs.start()?;
    Ok((runs, run, journal))
}
