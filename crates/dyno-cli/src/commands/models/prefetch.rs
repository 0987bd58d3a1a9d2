//! `dyno models prefetch`: models into the cache, before anybody waits for them.

use super::meter::Meter;
use super::named::{self, Named};
use super::{CacheArgs, counted, tell};
use crate::commands::code;
use crate::screen::Screen;
use dyno_hub::{Options, Patience, Snapshot, fetch};
use dyno_model::{Bytes, ExitCode, ModelFiles, ModelName, ModelRequest, Revision};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use tokio::signal::unix::{SignalKind, signal};

/// The options of `dyno models prefetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A token is read from HF_TOKEN or the Hub's token file (`hf auth login`). HF_ENDPOINT,\n\
HF_HUB_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT mean what they mean to huggingface_hub.\n\n\
Exit codes: 0 all are there, 1 one cannot be had, 2 interrupted, 4 usage error,\n\
5 the tests name no model.")]
pub(crate) struct Args {
    /// Models, each with a branch, a tag or a commit where it is not to be `main`.
    #[arg(value_name = "ORG/NAME[@REVISION]")]
    models: Vec<String>,
    /// Everything but the weights.
    #[arg(long)]
    weightless: bool,
    /// The tokenizer, the chat template and the configuration alone.
    #[arg(long, conflicts_with = "weightless")]
    tokenizer_only: bool,
    #[command(flatten)]
    cache: CacheArgs,
    /// How many files at once.
    #[arg(long, value_name = "N", default_value_t = Options::JOBS)]
    jobs: NonZeroUsize,
    /// The pause after a first attempt that failed; it doubles with each.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500, hide = true)]
    pause: u64,
    /// The models of the tests that `pytest ARGUMENTS` would run.
    #[arg(last = true, value_name = "PYTEST ARGUMENTS")]
    tests: Option<Vec<OsString>>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<std::process::ExitCode> {
    let files = match (args.weightless, args.tokenizer_only) {
        (true, _) => Some(ModelFiles::Weightless),
        (_, true) => Some(ModelFiles::Tokenizer),
        _ => None,
    };
    let mut requests = match requests(&args.models, files.unwrap_or_default()) {
        Ok(requests) => requests,
        Err(wrong) => {
            for wrong in wrong {
                anstream::eprintln!("dyno: {wrong}");
            }
            anstream::eprintln!("hint: a model is org/name or org/name@revision");
            return Ok(code(ExitCode::UsageError));
        }
    };
    let mut exit = ExitCode::Ok;
    if let Some(tests) = &args.tests {
        let Named { models, wrong } = match named::of_tests(tests, files)? {
            Ok(named) => named,
            Err(code) => return Ok(code),
        };
        for wrong in &wrong {
            anstream::eprintln!("dyno: {wrong}");
            exit = ExitCode::TestsFailed;
        }
        if !wrong.is_empty() {
            anstream::eprintln!(
                "hint: a model of the Hub is org/name; a folder is an absolute path"
            );
        }
        if models.is_empty() && wrong.is_empty() && requests.is_empty() {
            anstream::eprintln!("dyno: no test of these names a model");
            return Ok(code(ExitCode::NoTestsCollected));
        }
        requests.extend(models);
    } else if requests.is_empty() {
        anstream::eprintln!(
            "dyno: no model is named\nhint: name some, or the tests whose models are meant: \
             `dyno models prefetch -- -m e2e`"
        );
        return Ok(code(ExitCode::UsageError));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let interrupted = runtime.block_on(bring(&requests, args))?;
    // What still reads or writes a disk is not waited for.
    runtime.shutdown_background();
    Ok(code(interrupted.unwrap_or(exit)))
}

/// Every problem of the names, not the first.
fn requests(models: &[String], files: ModelFiles) -> Result<Vec<ModelRequest>, Vec<String>> {
    let (mut requests, mut wrong) = (Vec::new(), Vec::new());
    for text in models {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (text.as_str(), None),
        };
        let name = name.parse::<ModelName>().map_err(|error| error.to_string());
        let revision = revision.map_or(Ok(Revision::default()), |revision| {
            revision
                .parse::<Revision>()
                .map_err(|error| error.to_string())
        });
        match (name, revision) {
            (Ok(name), Ok(revision)) => requests.push(ModelRequest {
                name,
                revision,
                files,
            }),
            (name, revision) => wrong.extend([name.err(), revision.err()].into_iter().flatten()),
        }
    }
    if wrong.is_empty() {
        Ok(requests)
    } else {
        Err(wrong)
    }
}

/// Fetches, and says what came of it; the exit code where it is not 0.
async fn bring(requests: &[ModelRequest], args: &Args) -> anyhow::Result<Option<ExitCode>> {
    let place = args.cache.place();
    let patience = Patience {
        pause: std::time::Duration::from_millis(args.pause),
        ..Patience::default()
    };
    let options = Options {
        jobs: args.jobs,
        patience,
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut meter = Meter::new(requests);
    let results = tokio::select! {
        results = fetch(requests, &place, options, |event| meter.show(&event)) => Some(results),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    meter.close();
    let Some(mut results) = results else {
        anstream::eprintln!(
            "dyno: interrupted; what was got is kept, and continued by the next prefetch"
        );
        return Ok(Some(ExitCode::Interrupted));
    };
    results.dedup_by(|one, other| one.0 == other.0);
    let mut screen = Screen::default();
    let mut exit = None;
    for (request, result) in &results {
        match result {
            Ok(snapshot) => screen.print(&line(request, snapshot)),
            Err(error) => {
                tell(error);
                exit = Some(ExitCode::TestsFailed);
            }
        }
    }
    Ok(exit)
}

/// `org/name  12 files, 1.5 GiB, commit 0123456789ab, 1.2 GiB fetched`
fn line(request: &ModelRequest, snapshot: &Snapshot) -> String {
    if let Some(note) = &snapshot.note {
        anstream::eprintln!("dyno: {request}: {note}");
    }
    let commit = snapshot.commit.get(..12).unwrap_or(&snapshot.commit);
    let fetched = if snapshot.fetched == 0 {
        "was there".to_owned()
    } else {
        format!("{} fetched", Bytes(snapshot.fetched))
    };
    format!(
        "{request}  {}, {}, commit {commit}, {fetched}\n",
        counted(snapshot.files, "file"),
        Bytes(snapshot.bytes)
    )
}
