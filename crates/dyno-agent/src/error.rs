//! What can go wrong, for the session (a call that was not done) and for the agent.

use crate::lease::{PortError, TokenError};
use dyno_model::ProcessExit;
use dyno_sandbox::SandboxError;
use dyno_wire::agent::{Failure, FailureKind};
use std::io;

/// Why the agent ended otherwise than by its session's end.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The descriptor is no Unix stream socket.
    #[error("file descriptor {fd} is no Unix stream socket: {source}")]
    Socket {
        /// The descriptor.
        fd: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The session does not follow the protocol.
    #[error("{0}; all that was started is stopped")]
    Protocol(String),
    /// The agent could not set itself up, or not end what it started.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The agent could not set itself up.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Request(String),
    #[error("{message}")]
    Process {
        message: String,
        exit: Option<ProcessExit>,
        tail: Option<String>,
    },
    #[error("{message}")]
    Timeout {
        message: String,
        tail: Option<String>,
    },
    #[error(transparent)]
    Ports(#[from] PortError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        let (kind, exit, tail) = match error {
            CallError::Process { exit, tail, .. } => (FailureKind::Process, exit, tail),
            CallError::Timeout { tail, .. } => (FailureKind::Timeout, None, tail),
            CallError::Ports(_) => (FailureKind::Ports, None, None),
            CallError::Token(TokenError::Held { .. }) => (FailureKind::Held, None, None),
            CallError::Request(_) | CallError::Token(_) => (FailureKind::Request, None, None),
            CallError::Sandbox(_) => (FailureKind::Process, None, None),
        };
        Self {
            kind,
            message,
            exit,
            tail,
        }
    }
}
