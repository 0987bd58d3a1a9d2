//! What a session can ask for.

use super::{Forward, HttpRequest, Order, Probe, ProcessId, ScopeId, Text, millis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What a session can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The first call: [`Answer::Welcome`](super::Answer::Welcome).
    Hello {
        /// [`crate::PROTOCOL`] as the client knows it.
        protocol: u32,
        /// The client's process id. The session ends with that process, also where
        /// another process still holds the socket.
        client: u32,
        /// The signal by which the client wants to hear that it may ask
        /// [`Request::Fallen`]; nothing where it asks by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alarm: Option<i32>,
    },
    /// Opens a scope: [`Answer::Scope`](super::Answer::Scope).
    OpenScope {
        /// For messages, such as a node id.
        name: String,
    },
    /// Stops the scope's processes and lets go of its ports: [`Answer::Closed`](super::Answer::Closed).
    CloseScope {
        /// Which.
        scope: ScopeId,
    },
    /// Starts a process: [`Answer::Started`](super::Answer::Started).
    Start {
        /// The scope that it belongs to.
        scope: ScopeId,
        /// The process.
        #[serde(flatten)]
        order: Order,
    },
    /// Stops a process and starts it again by the same order, with the same log:
    /// [`Answer::Started`](super::Answer::Started). Probes and searches of its log begin at the new start.
    Restart {
        /// Which.
        process: ProcessId,
        /// From SIGTERM to SIGKILL, as in [`Request::Stop`].
        #[serde(
            default,
            with = "millis::optional",
            rename = "grace_ms",
            skip_serializing_if = "Option::is_none"
        )]
        grace: Option<Duration>,
    },
    /// Waits until every probe is met: [`Answer::Ready`](super::Answer::Ready). Fails as soon as the process
    /// exits.
    AwaitReady {
        /// Which.
        process: ProcessId,
        /// What must hold. None: that the process runs.
        probes: Vec<Probe>,
        /// Whether that is all that must hold: from then on the process is guarded, where its
        /// order says so.
        is_all: bool,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Waits for a line in the log: [`Answer::Line`](super::Answer::Line). A process that has exited is given
    /// a last look.
    AwaitLog {
        /// Which.
        process: ProcessId,
        /// The regular expression.
        pattern: String,
        /// A mark of the log behind which is searched; 0 is the process's start.
        from: u64,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Stops a process and all that came from it: [`Answer::Exited`](super::Answer::Exited).
    Stop {
        /// Which.
        process: ProcessId,
        /// From SIGTERM to SIGKILL; nothing is the process's own time, zero no SIGTERM
        /// at all.
        #[serde(
            default,
            with = "millis::optional",
            rename = "grace_ms",
            skip_serializing_if = "Option::is_none"
        )]
        grace: Option<Duration>,
    },
    /// All lines of the log that match: [`Answer::Lines`](super::Answer::Lines).
    SearchLog {
        /// Which.
        process: ProcessId,
        /// The regular expression.
        pattern: String,
        /// As in [`Request::AwaitLog`].
        from: u64,
        /// At most so many lines, the first ones.
        most: u32,
    },
    /// Where the log ends now: [`Answer::Mark`](super::Answer::Mark).
    MarkLog {
        /// Which.
        process: ProcessId,
    },
    /// Stops every process of a tree where it is, by SIGSTOP: [`Answer::Done`](super::Answer::Done).
    Pause {
        /// The tree's first process.
        process: ProcessId,
    },
    /// Lets a tree go on: [`Answer::Done`](super::Answer::Done).
    Resume {
        /// The tree's first process.
        process: ProcessId,
    },
    /// Writes to the standard input: [`Answer::Done`](super::Answer::Done) once the process's pipe has taken all.
    Write {
        /// Which.
        process: ProcessId,
        /// What.
        data: Text,
        /// For how long the pipe may be full.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Closes the standard input, which the process sees as its end: [`Answer::Done`](super::Answer::Done).
    CloseStdin {
        /// Which.
        process: ProcessId,
    },
    /// What the tree uses: [`Answer::Used`](super::Answer::Used).
    Usage {
        /// The tree's first process.
        process: ProcessId,
    },
    /// Says that the end of a process is no failure from now on: [`Answer::Done`](super::Answer::Done).
    ExpectEnd {
        /// Which.
        process: ProcessId,
    },
    /// Guarded processes that have ended, each told once, and none of which an answer to
    /// another request has told: [`Answer::Fallen`](super::Answer::Fallen).
    Fallen,
    /// Sends one HTTP request: [`Answer::Http`](super::Answer::Http).
    Http {
        /// It.
        #[serde(flatten)]
        request: HttpRequest,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Sends a signal to the process alone: [`Answer::Done`](super::Answer::Done).
    Signal {
        /// Which.
        process: ProcessId,
        /// The signal's number.
        signal: i32,
    },
    /// Waits for the process's exit: [`Answer::Exited`](super::Answer::Exited).
    Wait {
        /// Which.
        process: ProcessId,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// How the process is: [`Answer::State`](super::Answer::State).
    Status {
        /// Which.
        process: ProcessId,
    },
    /// Leases ports: [`Answer::Ports`](super::Answer::Ports).
    LeasePorts {
        /// The scope that keeps them.
        scope: ScopeId,
        /// How many.
        count: u16,
    },
    /// What a report says of the process: [`Answer::Described`](super::Answer::Described).
    Describe {
        /// Which.
        process: ProcessId,
    },
    /// The log's last lines, without secrets: [`Answer::Tail`](super::Answer::Tail).
    Tail {
        /// Which.
        process: ProcessId,
        /// At most so many lines; bytes are bounded by the agent.
        lines: u32,
    },
    /// Takes a token that one session of this user on this machine can have at a time:
    /// [`Answer::Done`](super::Answer::Done). It is given back with its scope.
    TakeToken {
        /// The scope that keeps it.
        scope: ScopeId,
        /// Its name.
        name: String,
        /// How long to wait for whoever has it.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Gives a token back before its scope ends: [`Answer::Done`](super::Answer::Done).
    GiveToken {
        /// The scope that keeps it.
        scope: ScopeId,
        /// Its name.
        name: String,
    },
    /// Asks for a service that all clients of this agent share: [`Answer::Shared`](super::Answer::Shared). Whoever
    /// asks first is to start it, and the others wait for that.
    Share {
        /// What all of them call it.
        name: String,
        /// How long to wait for the one who starts it.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Says that a shared service runs: [`Answer::Shared`](super::Answer::Shared).
    Publish {
        /// The scope that [`Answer::Shared`](super::Answer::Shared) gave for its processes and ports. From now on it
        /// is the agent's, and ends with it.
        scope: ScopeId,
        /// What the service is known by, for those who share it.
        value: Value,
    },
    /// Listens on a port of 127.0.0.1, and connects whoever comes to a Unix socket:
    /// [`Answer::Done`](super::Answer::Done). For services on the far side of a wall.
    Forward(Forward),
}
