//! Probes made ready to be tried, and one try of each.

mod command;
mod grpc;
mod http;

use crate::error::CallError;
use crate::log::{LogSearch, Piece};
use crate::process::{Children, Running};
use crate::ready::Sight;
use command::CommandCheck;
use dyno_wire::agent::Probe;
use grpc::GrpcCheck;
pub(crate) use http::HttpCall;
use http::HttpCheck;
use regex::bytes::Regex;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one connection or one request may take. A server that is starting accepts
/// and then stalls; a second try a little later finds it serving.
pub(crate) const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// One probe of one wait.
#[derive(Debug)]
pub(crate) enum Check {
    Tcp { host: String, port: u16 },
    Http(Box<HttpCheck>),
    Grpc(Box<GrpcCheck>),
    Command(CommandCheck),
    Log(String, RefCell<LogSearch>),
}

impl Check {
    /// Checks a probe's patterns and addresses before anything is tried.
    pub(crate) fn new(
        probe: &Probe,
        process: &Running,
        children: &Rc<Children>,
    ) -> Result<Self, CallError> {
        Ok(match probe {
            Probe::Tcp { host, port } => Self::Tcp {
                host: host.clone(),
                port: *port,
            },
            Probe::Http {
                request,
                status,
                body_matches,
            } => {
                let pattern = body_matches.as_deref().map(compile).transpose()?;
                let check = HttpCheck::new(request, status.clone(), pattern)?;
                Self::Http(Box::new(check))
            }
            Probe::Grpc {
                host,
                port,
                service,
            } => Self::Grpc(Box::new(GrpcCheck::new(host, *port, service)?)),
            Probe::Command { argv } => Self::Command(CommandCheck::new(argv, process, children)?),
            Probe::Log { pattern } => Self::line(pattern, process, 0)?,
        })
    }

    /// A search for a line behind a mark.
    pub(crate) fn line(pattern: &str, process: &Running, from: u64) -> Result<Self, CallError> {
        let search = LogSearch::new(compile(pattern)?, &process.log, from);
        Ok(Self::Log(pattern.to_owned(), RefCell::new(search)))
    }

    /// The mark behind the line that a search has found.
    pub(crate) fn mark(&self) -> Option<u64> {
        match self {
            Self::Log(_, search) => search.borrow().found().map(|line| line.mark),
            _ => None,
        }
    }

    /// What is looked for, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tcp { host, port } => format!("tcp {host}:{port}"),
            Self::Http(http) => http.name(),
            Self::Grpc(grpc) => grpc.name(),
            Self::Command(command) => command.name(),
            Self::Log(pattern, _) => format!("log {pattern:?}"),
        }
    }

    /// Tries once. It ends within [`ATTEMPT_LIMIT`], or, in a log, with its end.
    pub(crate) async fn attempt(&self) -> Sight {
        let (attempt, what) = match self {
            Self::Tcp { host, port } => (
                timeout(ATTEMPT_LIMIT, connect(host, *port)).await,
                "connection",
            ),
            Self::Http(http) => (timeout(ATTEMPT_LIMIT, http.attempt()).await, "answer"),
            Self::Grpc(grpc) => (timeout(ATTEMPT_LIMIT, grpc.attempt()).await, "answer"),
            Self::Command(command) => (timeout(ATTEMPT_LIMIT, command.attempt()).await, "end"),
            Self::Log(_, search) => return read_log(search).await,
        };
        attempt.unwrap_or_else(|_| {
            Sight::NotYet(format!("no {what} within {} s", ATTEMPT_LIMIT.as_secs()))
        })
    }
}

/// A regular expression of a probe.
pub(crate) fn compile(pattern: &str) -> Result<Regex, CallError> {
    Regex::new(pattern).map_err(|error| {
        CallError::Request(format!("the pattern {pattern:?} does not parse: {error}"))
    })
}

/// An error of the network in words, without the kernel's number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

async fn connect(host: &str, port: u16) -> Sight {
    match open(host, port).await {
        Ok(_) => Sight::Met("connected".to_owned()),
        Err(error) => Sight::NotYet(words(&error)),
    }
}

/// Connects to somebody else: with a port of the ephemeral range and no listener, the kernel
/// may choose that very port to connect from, and that succeeds.
async fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(near), Ok(far)) if near == far => Err(io::ErrorKind::ConnectionRefused.into()),
        _ => Ok(stream),
    }
}

async fn read_log(search: &RefCell<LogSearch>) -> Sight {
    loop {
        let piece = search.borrow_mut().read_piece();
        match piece {
            Ok(Piece::Found(line)) => return Sight::Met(line.text),
            Ok(Piece::More) => tokio::task::yield_now().await,
            Ok(Piece::End) => return Sight::NotYet("no line matches".to_owned()),
            Err(error) => return Sight::NotYet(format!("the log cannot be read: {error}")),
        }
    }
}
