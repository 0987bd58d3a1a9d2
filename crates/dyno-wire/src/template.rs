//! The runner and the template.
//!
//! The template speaks first ([`FromTemplate::Hello`]), is told how to collect
//! ([`ToTemplate::Collect`]), tells what pytest prints and collects, and parks. From then on it forks a worker when asked, says when one
//! ended (it is their parent, so only it can), and is fed every report so that
//! plugins which live in the controller under pytest-xdist (junitxml, the cache) see
//! the whole run. [`ToTemplate::Finish`] lets its session end.
//!
//! Several templates may share the import ([`Share`]). The first is the one above; its
//! siblings are forks of it that collect a part of the files. When each has said what came
//! of its part ([`FromTemplate::Part`]), all are told what the others' brought
//! ([`ToTemplate::Others`]), and only then does the first say [`FromTemplate::Collected`].

use dyno_model::{
    CollectFailure, Display, Hazard, Item, Location, Phase, PhaseReport, RealCollection, Skip,
    TemplateId, TestId, Warning, WorkerId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the runner says to the template.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToTemplate {
    /// Collect. The first message.
    Collect {
        /// Test modules that hold no test that is wanted, and need not be imported.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        prune: Vec<PrunedFile>,
        /// Whether to say [`FromTemplate::Recorded`].
        #[serde(default)]
        record: bool,
        /// Whether and how siblings share the import.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
        /// What its standard input is.
        input: Input,
    },
    /// The terminal is the template's. Answers [`FromTemplate::TerminalWanted`].
    TerminalLent,
    /// A sibling that may be forked: follows [`ToTemplate::Collect`], once for each. Its
    /// socket travels with this frame's first byte, as `SCM_RIGHTS` ancillary data.
    Sibling {
        /// Its id.
        template: TemplateId,
    },
    /// What the other templates brought. Answers [`FromTemplate::Part`].
    Others {
        /// Modules that one of them has imported and that are to be imported here too.
        modules: Vec<String>,
        /// For the first template: the tests of its siblings.
        tests: Vec<TestPlace>,
        /// For the first template: how many tests its siblings deselected.
        deselected: u64,
        /// For the first template: what its siblings could not collect, or skipped, packed.
        reports: Vec<String>,
    },
    /// Fork a worker. The worker's socket travels with this frame's first byte, as
    /// `SCM_RIGHTS` ancillary data, and behind it the pipes of [`Output`].
    Fork {
        /// Its id.
        worker: WorkerId,
        /// How many workers may run at once (`PYTEST_XDIST_WORKER_COUNT`).
        workers: u32,
        /// The run's id (`PYTEST_XDIST_TESTRUNUID`).
        run: String,
        /// What becomes of what it prints.
        output: Output,
        /// The walls behind which it is to go, as `setns(2)` takes them; 0 for none. Else the
        /// descriptor of the first process there comes behind the pipes.
        namespaces: u32,
    },
    /// What workers reported, in order.
    Feed {
        /// Reports and starts.
        reports: Vec<Feed>,
    },
    /// No test is left: let the session end.
    Finish {
        /// Set where the run stopped early.
        stop: Option<SessionStop>,
    },
}

/// The pipes that are a worker's standard output and error.
///
/// The worker writes marks into them that tell which of its messages stands between what
/// was printed before and what was printed after: a NUL, `control`, a blank, a word and a
/// NUL. The word is the mark's number, counted from 1 (before each
/// [`crate::worker::FromWorker::Started`] and, where `marks` says so, before each
/// [`crate::worker::FromWorker::Report`] that is shown), or `log` and `end` around a line of the live log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// How many pipes came: one for both streams, or one for each.
    pub pipes: u32,
    /// What no test can print by chance.
    pub control: String,
    /// Where marks stand.
    pub marks: Marks,
    /// What a test that reads standard input is given.
    pub input: Input,
}

/// What the standard input of the processes that run tests is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Nothing: tests run side by side, or dyno is in its terminal's background.
    None,
    /// Nothing, and dyno's terminal for a debugger, which asks for it.
    Lent,
    /// dyno's own, which is no terminal.
    Shared,
}

/// Before which messages a worker marks its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marks {
    /// Before each test: lines are told apart by their test.
    Tests,
    /// Before each report that is shown, too: the text stands where pytest would have printed it.
    Reports,
    /// Before none: what tests print is captured, and the little that comes round that is
    /// put where it is found. A mark costs more than a small test.
    None,
}

/// A test module that is not to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedFile {
    /// Its absolute path.
    pub path: String,
    /// How many of its tests would have been deselected, for the counts that are shown.
    pub deselected: u64,
}

/// How several templates share the import of test files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many siblings there may be.
    pub siblings: u32,
    /// Absolute paths of modules that whoever comes to first imports.
    pub files: Vec<String>,
    /// Absolute paths of modules that each imports, and the first collects. Whatever is not
    /// named is the first's alone.
    pub everywhere: Vec<String>,
}

/// A test and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestPlace {
    /// Its node id.
    pub id: TestId,
    /// Its place.
    pub location: Location,
}

/// One thing that happened in a worker, for the template's plugins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Feed {
    /// `pytest_runtest_logstart`.
    Start {
        /// The node id.
        test: String,
    },
    /// `pytest_runtest_logreport`.
    Report {
        /// The report as the worker packed it.
        packed: String,
    },
    /// `pytest_runtest_logfinish`.
    Finish {
        /// The node id.
        test: String,
    },
    /// A report that another template was fed, which was lost, or that a run told which this
    /// one resumes: what the journal knows of it.
    Earlier {
        /// The report.
        report: Box<PhaseReport>,
    },
    /// `pytest_testnodedown`, a hook of pytest-xdist: a worker ended.
    Down {
        /// The worker.
        worker: WorkerId,
        /// Its [`crate::worker::FromWorker::Output`], where it came that far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
        /// What was wrong with its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A test whose worker died: the template makes the failed report itself.
    Crash {
        /// The node id.
        test: String,
        /// The phase that it was in.
        phase: Phase,
        /// What happened, as the failure's text.
        message: String,
    },
}

/// How the template's session is to end where not all tests ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionStop {
    /// `Session.Failed`: exit code 1.
    Failed {
        /// pytest's words.
        reason: String,
    },
    /// `Session.Interrupted`: exit code 2.
    Interrupted {
        /// pytest's words.
        reason: String,
    },
}

/// What the template says to the runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromTemplate {
    /// The interpreter runs and pytest is there.
    Hello {
        /// [`crate::PROTOCOL`] as the Python side knows it.
        protocol: u32,
        /// The template's process id.
        pid: u32,
        /// Python's version.
        python: String,
        /// pytest's version.
        pytest: String,
    },
    /// The interpreter runs and something it needs is not there.
    Unfit {
        /// What, where, and what to do.
        message: String,
    },
    /// pytest's session began: from here its closing line counts the time.
    SessionStarted,
    /// pytest wrote to the terminal.
    Output {
        /// The text.
        text: String,
    },
    /// A warning was recorded.
    Warned {
        /// The warning.
        warning: Warning,
    },
    /// A file or folder could not be collected.
    CollectFailed {
        /// The failure.
        failure: CollectFailure,
    },
    /// A file or folder skipped itself as a whole.
    CollectSkipped {
        /// Its node id.
        node: String,
        /// Why.
        skip: Skip,
    },
    /// What was collected, with what it depended on: only where it was asked for, before
    /// [`FromTemplate::Collected`], and also where no test is left to run. Pruned modules
    /// are not in it.
    Recorded {
        /// What was collected.
        collection: Box<RealCollection>,
    },
    /// A debugger is about to ask in a file that cannot be collected.
    TerminalWanted,
    /// It has done asking.
    TerminalReturned,
    /// It will not share the import; the siblings' sockets are closed.
    Alone,
    /// It has collected its part, and waits for [`ToTemplate::Others`].
    Part(Part),
    /// The first template has parked: these are the tests to run.
    Collected(Box<Collected>),
    /// A worker was forked, or started as an interpreter of its own.
    Forked {
        /// The worker.
        worker: WorkerId,
        /// Its process id.
        pid: u32,
        /// What the template holds that a fork does not survive: with any, it was not forked.
        #[serde(default, rename = "unsafe")]
        hazards: Vec<Hazard>,
    },
    /// A worker ended.
    WorkerExited {
        /// The worker.
        worker: WorkerId,
        /// The raw wait status.
        status: i32,
        /// The most resident memory that it had (`ru_maxrss`), in KiB; 0 where not known.
        #[serde(default)]
        peak_kib: u64,
    },
    /// A plugin wrote to the terminal summary.
    Summary {
        /// The text.
        text: String,
    },
    /// The session ended. The last message.
    Done {
        /// pytest's exit code.
        code: u8,
    },
}

/// What a template collected of the files that it shares with others.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Tests in pytest's order; of the first template none, since it tells them later.
    #[serde(default)]
    pub items: Vec<Item>,
    /// How many a sibling deselected.
    #[serde(default)]
    pub deselected: u64,
    /// What a sibling could not collect, or skipped: packed reports.
    #[serde(default)]
    pub reports: Vec<String>,
    /// The modules, other than test files, that were imported, in that order.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// The outcome of a collection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Collected {
    /// Tests in pytest's order.
    pub items: Vec<Item>,
    /// How many were deselected.
    pub deselected: u64,
    /// Resolved options that the runner and the report need.
    pub options: SessionOptions,
    /// Paths below `/tmp` and `/dev/shm` that tests may name and that sandboxes share.
    pub visible: Vec<String>,
}

/// pytest's options as it resolved them from the command line and the ini file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub struct SessionOptions {
    /// What is to be shown.
    #[serde(flatten)]
    pub display: Display,
    /// `--maxfail`; 0 for no limit.
    pub maxfail: u64,
    /// `--pdb` or `--trace`: one worker, with the terminal.
    pub debugger: bool,
    /// pytest-xdist's `-n`, from `addopts`, where that plugin is there.
    pub xdist_workers: Option<String>,
    /// pytest-timeout is there.
    pub timeout_plugin: bool,
    /// A plugin put the tests into an order of its own (`--ff`, pytest-order).
    pub ordered: bool,
    /// A plugin listens to every report; else the template needs those alone that workers
    /// packed.
    pub listens: bool,
    /// The variables by which the template, and so a test, finds the Hub and its cache.
    #[serde(default)]
    pub hub: BTreeMap<String, String>,
    /// All that tests print is captured, but for what they print round pytest's back.
    pub captures: bool,
}
