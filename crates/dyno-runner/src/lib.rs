//! Drives a run: starts the template under a keeper, forks workers, carries the plan
//! out and writes down what happens.
//!
//! [`probe`] and [`collect`] ask pytest without running anything. [`run`] is the one owner of a run's events. What is to happen next is decided by a
//! pure state machine (`machine`); `driver` performs it.

mod ask;
mod crash_log;
mod deaths;
mod driver;
mod failure;
mod fetching;
mod grace;
mod host;
mod lifeline;
mod machine;
mod oom;
mod orphans;
mod output;
mod peer;
mod pressure;
mod processes;
mod python;
mod record;
mod refeed;
mod sandbox;
mod server_logs;
mod services;
mod signals;
mod spawn;
mod terminal;
mod waiting;
mod workers;

pub use ask::{Ask, AskError, Told, collect, probe};
pub use driver::run;
pub use dyno_wire::template::{PrunedFile, Share};
pub use output::Streams;
pub use python::{NoPython, PythonPlaces, find_python};

use dyno_config::Settings;
use dyno_model::{Carried, Event, Past, RunId, Secrets, TestId};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// What is to be run, and with what.
#[derive(Debug)]
pub struct RunRequest {
    /// The settings.
    pub settings: Settings,
    /// The command line, for the record.
    pub args: Vec<String>,
    /// The run's name.
    pub run: RunId,
    /// The run's folder: journal and logs.
    pub run_folder: PathBuf,
    /// The working directory.
    pub cwd: PathBuf,
    /// The `dyno` executable.
    pub dyno: PathBuf,
    /// The interpreter to test with.
    pub python: PathBuf,
    /// Where standard output and error are shown.
    pub streams: Streams,
    /// How many processors there are.
    pub processors: NonZeroU32,
    /// What no report shows of the logs of servers.
    pub secrets: Secrets,
    /// Seconds since the epoch.
    pub unix_time: u64,
    /// For a shuffle, where the command line gives no seed.
    pub seed: u64,
}

/// What a run is given while the interpreter starts.
#[derive(Debug, Default)]
pub struct Prepared {
    /// What it imports.
    pub imports: Imports,
    /// What earlier runs tell of the tests.
    pub past: HashMap<TestId, Past>,
    /// What the run takes over from one that it resumes.
    pub carried: Option<Carried>,
}

/// What a run imports.
#[derive(Debug, Default)]
pub struct Imports {
    /// Test modules that hold no test that is wanted and need not be imported. Whoever
    /// names them knows that no hook needs the whole list of items, and that importing them
    /// has no part in what the other files hold.
    pub prune: Vec<PrunedFile>,
    /// Whether `on_collection` is to hear what was collected.
    pub record: bool,
    /// How several templates share the import, by whoever knows that no hook, fixture or
    /// test needs all tests in one process.
    pub share: Option<Share>,
}

impl RunRequest {
    fn started_event(&self) -> Event {
        Event::RunStarted {
            run: self.run.clone(),
            dyno: env!("CARGO_PKG_VERSION").to_owned(),
            args: self.args.clone(),
            cwd: self.cwd.display().to_string(),
            unix_time: self.unix_time,
        }
    }
}

/// Why a run could not be driven to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The keeper did not start.
    #[error("cannot start {what:?}: {source}")]
    Spawn {
        /// The executable.
        what: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket or a signal handler could not be made.
    #[error("cannot set the run up: {0}")]
    Runtime(std::io::Error),
    /// A message could not be put into a frame.
    #[error(transparent)]
    Frame(#[from] dyno_wire::FrameError),
    /// Nobody is left who could say anything.
    #[error("the run lost its inbox, which is a bug of dyno")]
    Deaf,
}
