//! What a machine takes in and what it gives.

use super::{ModelNews, Pressure};
use crate::sandbox::Sandbox;
use crate::workers::Remains;
use dyno_model::{
    Bytes, Carried, Event, ExitCode, Lane, Limits, MissingWall, ModelRequest, Past, ProcessExit,
    Stop, Stream, TemplateId, TestId, Usage, WorkerId,
};
use dyno_sandbox::leaks::Leak;
use dyno_wire::template::{FromTemplate, SessionStop, ToTemplate};
use dyno_wire::worker::{FromWorker, ToWorker};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    Template(TemplateId, FromTemplate),
    /// What a template said is no message; nothing further of it is read.
    TemplateGarbled(String),
    /// A sibling's socket is closed.
    SiblingClosed(TemplateId),
    /// The template ended. Its workers live on if a signal ended it; else they ended too.
    TemplateGone(ProcessExit),
    /// A process ended whose parent, a template perhaps, had ended before it.
    OrphanEnded {
        pid: u32,
        exit: ProcessExit,
    },
    Worker(WorkerId, FromWorker),
    /// A worker, or what its tests started, printed.
    Printed {
        worker: WorkerId,
        stream: Stream,
        text: String,
    },
    /// A worker ended: what its template says ([`FromTemplate::WorkerExited`]), in its place
    /// behind what the worker printed.
    WorkerExited {
        worker: WorkerId,
        /// How.
        exit: ProcessExit,
        /// The most resident memory that it had, in KiB; 0 where not known.
        peak_kib: u64,
    },
    /// A worker's socket is closed.
    WorkerClosed {
        worker: WorkerId,
        /// What was wrong with its last message; nothing further of it is read.
        garbage: Option<String>,
    },
    /// What a worker left behind that has ended, as will be said.
    Left(WorkerId, Remains),
    /// A grace period is over.
    GraceOver(WorkerId),
    /// The time that [`super::Machine::wake_at`] named has come.
    Tick,
    /// There is so much to take of the machine now.
    Pressure(Pressure),
    /// What is known of models that were asked for ([`Effect::FetchModels`]).
    Models(Vec<ModelNews>),
    /// A sandbox stands, or does not, for a worker that is to be forked.
    Sandbox(WorkerId, Sandbox),
    /// A worker is in the control group of its sandbox, or why it is not.
    Admitted(WorkerId, Option<String>),
    /// These walls cannot be built here. Told once.
    WallsMissing(Vec<MissingWall>),
    /// A sealed worker that has ended, as will be said, and all that it started used this.
    Used(WorkerId, Usage),
    /// A sealed worker that has ended, as will be said, left this behind its walls.
    Leaks(WorkerId, Vec<Leak>),
    /// A signal that asks dyno to stop.
    Signal(i32),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    Record(Event),
    ToTemplate(TemplateId, ToTemplate),
    /// Make a socket pair and let a template fork a worker with one end of it, in a sandbox if it is
    /// to be sealed.
    Fork(WorkerId, TemplateId, Lane),
    ToWorker(WorkerId, ToWorker),
    /// Let a sealed worker and all that it starts have no more than this.
    Limit(WorkerId, Limits),
    /// See to it that these models are in the cache; all is said by [`Input::Models`].
    FetchModels {
        models: Vec<ModelRequest>,
        /// The variables by which tests find the Hub and its cache.
        hub: BTreeMap<String, String>,
    },
    /// Fetch no further.
    StopFetching,
    /// Give the terminal to a worker, or to the first template, and tell it.
    LendTerminal(Option<WorkerId>),
    /// Take the terminal back.
    TakeTerminal,
    /// Interrupt the first template, as Ctrl-C would.
    InterruptTemplate,
    /// Kill the first template: one of the others is lost, and one takes the place of all.
    KillTemplate,
    /// Start a template in the place of those that were lost.
    ReplaceTemplate,
    /// Tell the template all that the journal holds of tests.
    FeedAgain,
    /// Interrupt a worker, as Ctrl-C would.
    Interrupt(WorkerId),
    /// Tell a worker that the phase it is in takes too long.
    TellTooLong(WorkerId),
    /// Ask a worker's process to end.
    Terminate(WorkerId),
    /// Kill a worker that has no more to say.
    Kill(WorkerId),
    /// Say `GraceOver` after the grace period.
    StartGrace(WorkerId),
    /// The run is over.
    End(ExitCode, Leave),
}

/// What a machine is told of where it runs.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// How many processors there are.
    pub(crate) processors: NonZeroU32,
    /// Memory that is there to be claimed.
    pub(crate) memory: Option<Bytes>,
    /// What earlier runs tell of the tests.
    pub(crate) past: HashMap<TestId, Past>,
    /// Tests that were run before.
    pub(crate) carried: Option<Carried>,
    /// Of a shuffle, if the command line gives none.
    pub(crate) seed: u64,
}

/// What becomes of the template at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Its session has ended, and it is about to: what runs at exit may run.
    Itself,
    /// It is killed, with all that is left.
    Killed,
}

/// What the template is told of a stop.
pub(super) fn session_stop(stop: &Stop) -> SessionStop {
    match stop {
        Stop::MaxFail { failures } => SessionStop::Failed {
            reason: format!("stopping after {failures} failures"),
        },
        Stop::Asked { reason } => SessionStop::Interrupted {
            reason: reason.clone(),
        },
        Stop::Signal { .. } => SessionStop::Interrupted {
            reason: "KeyboardInterrupt".to_owned(),
        },
        Stop::Deadline { .. } => SessionStop::Interrupted {
            reason: "the deadline is over".to_owned(),
        },
        Stop::Broken => SessionStop::Interrupted {
            reason: "the run cannot go on".to_owned(),
        },
    }
}
