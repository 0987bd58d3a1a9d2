//! What the agent answers.

use super::{ProcessId, ScopeId};
use dyno_model::ProcessExit;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// The agent serves.
    Welcome {
        /// [`crate::PROTOCOL`] as the agent knows it.
        protocol: u32,
        /// The agent's process id.
        agent: u32,
        /// Its network namespace, as `/proc/self/ns/net` names it: a client in another one
        /// reaches shared services by [`super::Request::Forward`] of an agent in its own.
        network: String,
    },
    /// A scope is open.
    Scope {
        /// It.
        scope: ScopeId,
    },
    /// A scope is closed, nothing of it is alive.
    Closed {
        /// How its processes ended, in the order in which they were stopped.
        ended: Vec<Ended>,
    },
    /// A process runs.
    Started {
        /// It.
        process: ProcessId,
        /// Its process id.
        pid: u32,
    },
    /// All probes are met.
    Ready {
        /// What each of them saw: a line of the log, `status 200`, `connected`.
        seen: Vec<String>,
    },
    /// A line of a log.
    Line {
        /// It.
        line: String,
        /// The mark behind it.
        mark: u64,
    },
    /// Lines of a log.
    Lines {
        /// They, in their order.
        lines: Vec<String>,
        /// The mark behind the last one that was searched.
        mark: u64,
    },
    /// The end of a log.
    Mark {
        /// Bytes from the process's start.
        mark: u64,
    },
    /// A process ended.
    Exited {
        /// How.
        exit: ProcessExit,
    },
    /// How a process is.
    State {
        /// How it ended; nothing while it runs.
        exit: Option<ProcessExit>,
        /// Whether [`super::Request::Pause`] has stopped it.
        paused: bool,
    },
    /// What a report says of a process.
    Described {
        /// Its command, as a shell would take it.
        command: String,
        /// Variables that it has and the agent has not, or otherwise: `NAME=value`.
        env: Vec<String>,
        /// What it used, or uses.
        usage: Usage,
    },
    /// What a process and those that came from it use.
    Used(Usage),
    /// Processes that ended though they were not to.
    Fallen {
        /// They, in the order of their end.
        deaths: Vec<Death>,
    },
    /// An answer to an HTTP request.
    Http(HttpAnswer),
    /// A shared service.
    Shared {
        /// Its scope.
        scope: ScopeId,
        /// What it was published with; nothing where this client is to start it.
        value: Option<Value>,
        /// How its ports are reached from behind walls.
        forwards: Vec<Forward>,
    },
    /// Ports that are this session's until its scope is closed.
    Ports {
        /// They, in the order in which they were found.
        ports: Vec<u16>,
    },
    /// The end of a log.
    Tail {
        /// Its text; bytes that are no UTF-8 are replaced.
        text: String,
    },
    /// Nothing to tell.
    Done,
    /// It was not done.
    Failed(Failure),
}

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What failed, on what, what to do.
    pub message: String,
    /// How the process concerned ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<ProcessExit>,
    /// The end of its log, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
}

/// The kinds of failure that a client tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request makes no sense, or not here: an unknown process, a bad pattern.
    Request,
    /// A process could not be started, or it exited too early.
    Process,
    /// Time ran out.
    Timeout,
    /// No port is left.
    Ports,
    /// Another session has the token.
    Held,
    /// Nothing answered a [`super::Request::Http`] as HTTP.
    Unanswered,
    /// The conversation is over: it follows no protocol that the agent knows.
    Fatal,
}

/// How a process ended when its scope was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub process: ProcessId,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub exit: ProcessExit,
    /// What it took.
    pub by: EndedBy,
}

/// What it took to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// It had ended before.
    Itself,
    /// SIGTERM, within its grace.
    Term,
    /// SIGKILL.
    Kill,
}

/// What a process and all that came from it use. What ended and was waited for by its parent
/// counts; what lost its parent and ended does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in user mode, in microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, in microseconds.
    pub system_us: u64,
    /// Resident memory now, in bytes; pages that processes share count once for each.
    pub memory: u64,
    /// The most resident memory that any one process had, in bytes.
    pub peak_memory: u64,
    /// Processes that run now.
    pub processes: u32,
    /// Their threads.
    pub threads: u32,
}

/// The end of a guarded process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Which.
    pub process: ProcessId,
    /// The scope that it belongs to.
    pub scope: ScopeId,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub exit: ProcessExit,
    /// The end of its log, without secrets.
    pub tail: String,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers; values that are no UTF-8 have replacements.
    pub headers: Vec<(String, String)>,
    /// The first MiB of its body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

/// A port and the Unix socket that leads to whoever listens on it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The port of 127.0.0.1.
    pub port: u16,
    /// The socket's path.
    pub path: String,
}
