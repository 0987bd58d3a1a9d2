//! A test session and its agent.
//!
//! The session calls, the agent answers. Every call bears an id that its answer
//! repeats; several calls may be on the way at once, and answers come in the order in
//! which the work ends. [`Request::Hello`] comes first. The agent ends when the socket
//! does, or the client process, whichever is first, and then everything it started is
//! killed.
//!
//! Processes and leased ports belong to a *scope*. Closing it stops its processes,
//! newest first, and only then lets go of its ports.

use dyno_model::ProcessExit;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// A scope of a session, as [`Answer::Scope`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub u64);

/// A process of a session, in the order of start; no operating-system id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u64);

/// What the session sends: a request and the id that its answer is to bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the session; not 0, which is the agent's own.
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub request: Request,
}

/// What the agent sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The call's id; 0 for an [`Failure`] that ends the session and belongs to no call.
    pub id: u64,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What a session can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The first call: [`Answer::Welcome`].
    Hello {
        /// [`crate::PROTOCOL`] as the client knows it.
        protocol: u32,
        /// The client's process id. The agent ends with that process, also where
        /// another process still holds the socket.
        client: u32,
    },
    /// Opens a scope: [`Answer::Scope`].
    OpenScope {
        /// For messages, such as a node id.
        name: String,
    },
    /// Stops the scope's processes and lets go of its ports: [`Answer::Closed`].
    CloseScope {
        /// Which.
        scope: ScopeId,
    },
    /// Starts a process: [`Answer::Started`].
    Start {
        /// The scope that it belongs to.
        scope: ScopeId,
        /// What messages call it.
        name: String,
        /// Program and arguments; at least the program.
        argv: Vec<Text>,
        /// Its whole environment.
        env: Vec<(Text, Text)>,
        /// Its working directory.
        cwd: Text,
        /// The file that stdout and stderr are appended to. Made where missing, with
        /// its folder.
        log: Text,
        /// How long it has from SIGTERM to SIGKILL where no other time is given.
        #[serde(with = "millis", rename = "grace_ms")]
        grace: Duration,
    },
    /// Waits until every probe is met: [`Answer::Ready`]. Fails as soon as the process
    /// exits.
    AwaitReady {
        /// Which.
        process: ProcessId,
        /// What must hold. None: that the process runs.
        probes: Vec<Probe>,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Waits for a line in the log, from its beginning: [`Answer::Ready`] with that
    /// line. A process that has exited is given a last look.
    AwaitLog {
        /// Which.
        process: ProcessId,
        /// The regular expression.
        pattern: String,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// Stops a process and all that came from it: [`Answer::Exited`].
    Stop {
        /// Which.
        process: ProcessId,
        /// From SIGTERM to SIGKILL; nothing is the process's own time, zero no SIGTERM
        /// at all.
        #[serde(
            default,
            with = "opt_millis",
            rename = "grace_ms",
            skip_serializing_if = "Option::is_none"
        )]
        grace: Option<Duration>,
    },
    /// Sends a signal to the process alone: [`Answer::Done`].
    Signal {
        /// Which.
        process: ProcessId,
        /// The signal's number.
        signal: i32,
    },
    /// Waits for the process's exit: [`Answer::Exited`].
    Wait {
        /// Which.
        process: ProcessId,
        /// For how long.
        #[serde(with = "millis", rename = "timeout_ms")]
        timeout: Duration,
    },
    /// How the process is: [`Answer::State`].
    Status {
        /// Which.
        process: ProcessId,
    },
    /// Leases ports: [`Answer::Ports`].
    LeasePorts {
        /// The scope that keeps them.
        scope: ScopeId,
        /// How many.
        count: u16,
    },
    /// The log's last lines: [`Answer::Tail`].
    Tail {
        /// Which.
        process: ProcessId,
        /// At most so many lines; bytes are bounded by the agent.
        lines: u32,
    },
}

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
    /// A process ended.
    Exited {
        /// How.
        exit: ProcessExit,
    },
    /// How a process is.
    State {
        /// How it ended; nothing while it runs.
        exit: Option<ProcessExit>,
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

/// One thing that must hold before a process counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// A TCP connection is accepted.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// An HTTP request is answered as expected.
    Http {
        /// An `http://` URL.
        url: String,
        /// The method.
        method: String,
        /// Headers.
        headers: Vec<(String, String)>,
        /// The request's body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Text>,
        /// The statuses that are expected.
        status: Vec<u16>,
        /// A regular expression that the answer's body must match somewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_matches: Option<String>,
    },
    /// A line of the log matches.
    Log {
        /// The regular expression.
        pattern: String,
    },
}

/// Bytes that are mostly text: a string where they are UTF-8, else a list of numbers.
/// Arguments, environments and paths need not be UTF-8 on Linux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Valid UTF-8.
    Utf8(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Text {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// As the operating system takes it.
    pub fn to_os_string(&self) -> OsString {
        OsString::from_vec(self.as_bytes().to_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Utf8(text.to_owned())
    }
}

/// Durations as whole milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(value.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The same where there may be none.
mod opt_millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::millis::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<u64>::deserialize(from).map(|value| value.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Call {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn calls_are_read_as_the_client_writes_them() {
        let call = read(
            r#"{"id":7,"type":"start","scope":1,"name":"web","argv":["python",[255,1]],
                "env":[["A","1"]],"cwd":"/","log":"/tmp/a.log","grace_ms":1500}"#,
        );
        let Request::Start { argv, grace, .. } = call.request else {
            panic!("{call:?}");
        };
        assert_eq!(argv[1].as_bytes(), [255, 1]);
        assert_eq!(grace, Duration::from_millis(1500));

        let stop = read(r#"{"id":8,"type":"stop","process":2}"#);
        assert_eq!(
            stop.request,
            Request::Stop {
                process: ProcessId(2),
                grace: None
            }
        );
    }

    #[test]
    fn answers_come_back_as_they_were() {
        for answer in [
            Answer::Done,
            Answer::State {
                exit: Some(ProcessExit::Signal(9)),
            },
            Answer::Failed(Failure {
                kind: FailureKind::Timeout,
                message: "late".to_owned(),
                exit: None,
                tail: Some("a\nb".to_owned()),
            }),
        ] {
            let reply = Reply { id: 3, answer };
            let text = serde_json::to_string(&reply).unwrap();
            assert_eq!(
                serde_json::from_str::<Reply>(&text).unwrap(),
                reply,
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_request_is_refused() {
        assert!(serde_json::from_str::<Call>(r#"{"id":1,"type":"reboot"}"#).is_err());
    }
}
