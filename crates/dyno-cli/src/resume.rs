//! `dyno test --resume`: what is taken over from a run that was cut off.

use anyhow::bail;
use dyno_journal::{RunState, Runs, read};
use dyno_model::{Carried, Event, RunId};
use std::ffi::OsString;
use std::path::Path;

/// A run that is to be resumed.
pub(crate) struct Resumed {
    /// Its command line, without `--resume`, and that of now behind it.
    pub(crate) args: Vec<OsString>,
    /// What it came to the end of.
    pub(crate) carried: Carried,
}

/// Finds the run, the latest where none is named, among those of the project at `root`.
/// `args` is the command line of now.
pub(crate) fn find(
    named: Option<&str>,
    root: &Path,
    cwd: &Path,
    args: &[OsString],
) -> anyhow::Result<Resumed> {
    let runs = Runs::of(root);
    let run = match named {
        Some(id) => runs.find(&RunId::new(id)?)?,
        None => runs.latest()?,
    };
    if run.state()? == RunState::Live {
        bail!(
            "run {} is still running\nhint: it can be resumed once it has ended",
            run.id()
        );
    }
    let recording = read(&run.journal())?;
    let started = recording
        .events
        .iter()
        .find_map(|stamped| match &stamped.event {
            Event::RunStarted { args, cwd, .. } => Some((args, cwd)),
            _ => None,
        });
    let Some((before, folder)) = started else {
        bail!(
            "the journal of run {} does not tell how it was started\nhint: start it anew",
            run.id()
        );
    };
    if Path::new(folder) != cwd {
        bail!(
            "run {} was started in {folder}\nhint: resume it there",
            run.id()
        );
    }
    let before = before.iter().map(OsString::from);
    let args = before
        .chain(args.iter().cloned())
        .filter(|arg| !is_resume(arg));
    Ok(Resumed {
        args: args.collect(),
        carried: Carried::of(run.id().clone(), &recording.events),
    })
}

fn is_resume(arg: &OsString) -> bool {
    let text = arg.to_string_lossy();
    text == "--resume" || text.starts_with("--resume=")
}
