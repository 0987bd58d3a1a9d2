//! The events of a run: what the journal keeps and the report shows.
//!
//! One owner (the runner) puts them in order. Each is appended to the journal
//! before anything is shown of it.

use crate::sandbox::{Leaked, Limits, MissingLimit, MissingWall, Usage};
use crate::{
    CollectFailure, ExitCode, Item, ModelRequest, Phase, PhaseReport, Printed, PrintedMore,
    ProcessExit, RunId, Skip, TestId, UnitId, Warning, WorkerId, micros,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An event with its place in the run and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Counted from 0, without gaps.
    pub seq: u64,
    /// Since the run started, by a clock that never runs backwards.
    #[serde(with = "micros", rename = "at_us")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began. The first event of every journal.
    RunStarted {
        /// The run's name.
        run: RunId,
        /// dyno's version.
        dyno: String,
        /// The command line, without the program's name.
        args: Vec<String>,
        /// The working directory.
        cwd: String,
        /// Seconds since the epoch at which it began.
        unix_time: u64,
    },
    /// The template's interpreter answered.
    TemplateStarted {
        /// Its process id.
        pid: u32,
        /// Its Python, such as `3.11.7`.
        python: String,
        /// Its pytest, such as `9.2.0`.
        pytest: String,
    },
    /// pytest wrote this to the terminal: the header, the collection's account, and
    /// its whole output where no test is run.
    Output {
        /// The text, escape sequences included where colours are on.
        text: String,
    },
    /// Collection is over and tests are about to run.
    Collected {
        /// The tests to run, in pytest's order.
        items: Vec<Item>,
        /// How many were deselected.
        deselected: u64,
        /// How pytest was asked to show them.
        #[serde(flatten)]
        display: Display,
    },
    /// Something could not be collected.
    CollectFailed(CollectFailure),
    /// A file or folder skipped itself as a whole (`allow_module_level`). pytest counts it.
    CollectSkipped {
        /// Its node id.
        node: String,
        /// Why.
        skip: Skip,
    },
    /// The tests were put into units.
    Planned {
        /// How many units.
        units: u32,
        /// How many workers may run at once.
        workers: u32,
        /// The seed of their order, where they were shuffled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
    /// The run goes on where another was cut off. What was said of the tests that had come to
    /// their end follows, as if they were run now.
    Resumed {
        /// The other.
        run: RunId,
        /// How many of this run's tests were run then.
        tests: u32,
    },
    /// A model that tests of this run name is being fetched. Told again now and then, with how
    /// far it is.
    ModelFetching {
        /// Which.
        model: ModelRequest,
        /// Bytes that came so far in this run.
        bytes: u64,
        /// Bytes that are to come in all, once that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u64>,
    },
    /// Nothing more of a model comes for the moment.
    ModelWaiting {
        /// Which.
        model: ModelRequest,
        /// Why, in one lowercase clause.
        why: String,
        /// For how long, where that is known.
        #[serde(
            default,
            with = "micros::maybe",
            rename = "wait_us",
            skip_serializing_if = "Option::is_none"
        )]
        wait: Option<Duration>,
    },
    /// A model is in the cache.
    ModelReady {
        /// Which.
        model: ModelRequest,
        /// The commit that tests find.
        commit: String,
        /// Bytes that came in this run: 0 where all had been there.
        bytes: u64,
        /// What that took.
        #[serde(with = "micros", rename = "elapsed_us")]
        elapsed: Duration,
        /// What is to be known about it, where the Hub could not be asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A model cannot be had. The tests that name it are errors in their set-up.
    ModelUnavailable {
        /// Which.
        model: ModelRequest,
        /// Why, in lowercase.
        why: String,
        /// How many tests name it.
        tests: u32,
    },
    /// A signal ended a template while tests ran; another takes its place.
    TemplateLost {
        /// Which signal.
        exit: ProcessExit,
        /// The tests that ran when it became known, then those that had just ended, the last
        /// one first.
        suspects: Vec<TestId>,
    },
    /// A worker was forked, or started as an interpreter of its own.
    WorkerStarted {
        /// The worker.
        worker: WorkerId,
        /// Its process id.
        pid: u32,
        /// What its template held that a fork does not survive: with any, it was not forked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hazards: Vec<Hazard>,
    },
    /// Sealed workers do without these walls, which cannot be built here. Told once.
    WallsMissing {
        /// Each.
        walls: Vec<MissingWall>,
    },
    /// Limits that were asked for sealed units and cannot be held here. Each is told once.
    LimitsMissing {
        /// Each.
        limits: Vec<MissingLimit>,
    },
    /// What a sealed worker and all that it started used, where the kernel counts it.
    Used {
        /// The worker.
        worker: WorkerId,
        /// The tests that ran there.
        tests: Vec<TestId>,
        /// What they could have at most.
        limits: Limits,
        /// What they had.
        usage: Usage,
    },
    /// What a sealed worker left behind its walls, where all of it was then killed or put aside.
    Leaked {
        /// The worker.
        worker: WorkerId,
        /// Each thing.
        leaks: Vec<Leaked>,
    },
    /// A unit was given to a worker.
    UnitAssigned {
        /// The unit.
        unit: UnitId,
        /// The worker.
        worker: WorkerId,
        /// How many tests of it are still to run.
        tests: u32,
    },
    /// A test began.
    TestStarted {
        /// Where.
        worker: WorkerId,
        /// Which.
        test: TestId,
    },
    /// pytest made a report of a test.
    Reported {
        /// Where.
        worker: WorkerId,
        /// The report.
        report: Box<PhaseReport>,
    },
    /// A test takes long, and goes on.
    Slow {
        /// Where.
        worker: WorkerId,
        /// Which.
        test: TestId,
        /// The phase, where its time is limited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
        /// For how long it, or the phase, has run.
        #[serde(with = "micros", rename = "elapsed_us")]
        elapsed: Duration,
    },
    /// The debugger has shown a failure (`--pdb`). pytest does not show it again.
    Debugged {
        /// The test.
        test: TestId,
        /// The phase that failed.
        phase: Phase,
    },
    /// A test ended.
    TestFinished {
        /// Where.
        worker: WorkerId,
        /// Which.
        test: TestId,
        /// What it took, where its worker could say.
        #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
        took: Option<Took>,
    },
    /// A test, or what it started, wrote where nothing captures.
    Printed(Printed),
    /// It had written more than the journal keeps.
    PrintedMore(PrintedMore),
    /// A warning was recorded.
    Warned(Warning),
    /// A worker ended, as it was told to or not.
    WorkerEnded {
        /// The worker.
        worker: WorkerId,
        /// How.
        exit: ProcessExit,
        /// Set where it ended before its work did.
        failure: Option<WorkerFailure>,
        /// What it had of the machine's memory at the end of its session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<Memory>,
    },
    /// The run stops before all tests have run.
    Stopping {
        /// Why.
        why: Stop,
    },
    /// A plugin's section of the terminal summary.
    Summary {
        /// The text.
        text: String,
    },
    /// The run failed in a way that is no test's doing.
    RunFailed {
        /// What, where, and what to do.
        message: String,
    },
    /// The run is over. The last event of a journal that is whole.
    RunFinished {
        /// The exit code.
        exit: ExitCode,
        /// How long tests were collected and run.
        #[serde(with = "micros", rename = "elapsed_us")]
        elapsed: Duration,
    },
}

/// What a test took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// From its beginning to its end.
    #[serde(with = "micros", rename = "elapsed_us")]
    pub elapsed: Duration,
    /// Of processors, by its worker and the children that the worker waited for.
    #[serde(with = "micros", rename = "cpu_us")]
    pub cpu: Duration,
}

/// pytest's options for what is shown, as it resolved them from the command line and
/// the ini file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Display {
    /// `config.option.verbose`: `-v` counted up, `-q` down.
    pub verbosity: i32,
    /// The `-r` characters, aliases resolved (`wfE`).
    pub report_chars: String,
    /// False with `--no-summary`.
    pub summary: bool,
    /// False with `--no-header`, for what dyno prints of its own.
    pub header: bool,
    /// The `--tb` style; `no` hides failures, `line` shortens them.
    pub traceback: String,
    /// `--show-capture`: `no`, `stdout`, `stderr`, `log` or `all`.
    pub show_capture: String,
    /// The root directory.
    pub rootdir: String,
    /// What stands at the right edge beside the tests.
    #[serde(default)]
    pub progress: Progress,
}

/// The progress at the right edge: pytest's `console_output_style`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// `[ 40%]`
    #[default]
    Percent,
    /// `[ 4/10]`
    Count,
    /// None, as with `-s`, or with `classic`.
    Off,
}

/// The resident memory of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// KiB that no other process has.
    pub own_kib: u64,
    /// KiB that it has in common with others, its template before all.
    pub shared_kib: u64,
}

/// Something in a process that a fork of it does not survive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hazard {
    /// A thread or an open device, by its name.
    pub what: String,
    /// What it is, and what becomes of it.
    pub why: String,
}

/// What a worker left undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFailure {
    /// The test that was running; absent between two tests.
    pub test: Option<TestId>,
    /// What pytest or the interpreter last said, where it said anything.
    pub detail: Option<String>,
}

/// Why a run stops early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// `-x` or `--maxfail`: so many tests failed.
    MaxFail {
        /// How many failures there were.
        failures: u64,
    },
    /// A test or a plugin asked (`session.shouldstop`, `pytest.exit`).
    Asked {
        /// What it said.
        reason: String,
    },
    /// Ctrl-C, SIGINT or SIGTERM.
    Signal {
        /// Which, by number.
        number: i32,
    },
    /// The run took longer than it may.
    Deadline {
        /// How long it may take.
        #[serde(with = "micros", rename = "limit_us")]
        limit: Duration,
        /// The tests that were running.
        running: Vec<TestId>,
    },
    /// The run cannot go on, and the `RunFailed` before it says why.
    Broken,
}
