//! Probes made ready to be tried, and one try of each.

use crate::error::CallError;
use crate::http::HttpCheck;
use crate::log_file::LogFile;
use crate::readiness::Sight;
use crate::scan::LineScanner;
use dyno_wire::agent::Probe;
use regex::bytes::Regex;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one connection or one request may take. A server that is starting accepts
/// and then stalls; a second try a little later finds it serving.
pub(crate) const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// How much of a log is read before other work gets its turn.
const PIECE: usize = 256 * 1024;

/// One probe of one wait.
#[derive(Debug)]
pub(crate) enum Check {
    Tcp { host: String, port: u16 },
    Http(Box<HttpCheck>),
    Log(RefCell<LogSearch>),
}

impl Check {
    /// Checks a probe's patterns and addresses before anything is tried.
    pub(crate) fn new(probe: &Probe, log: &LogFile) -> Result<Self, CallError> {
        match probe {
            Probe::Tcp { host, port } => Ok(Self::Tcp {
                host: host.clone(),
                port: *port,
            }),
            Probe::Http { .. } => Ok(Self::Http(Box::new(HttpCheck::new(probe)?))),
            Probe::Log { pattern } => Self::line(pattern, log),
        }
    }

    /// A search for a line.
    pub(crate) fn line(pattern: &str, log: &LogFile) -> Result<Self, CallError> {
        let scanner = LineScanner::new(compile(pattern)?);
        let search = LogSearch {
            pattern: pattern.to_owned(),
            log: log.clone(),
            file: None,
            scanner,
            found: None,
        };
        Ok(Self::Log(RefCell::new(search)))
    }

    /// What is looked for, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tcp { host, port } => format!("tcp {host}:{port}"),
            Self::Http(http) => http.name(),
            Self::Log(search) => format!("log {:?}", search.borrow().pattern),
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
            Self::Log(search) => return read_log(search).await,
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
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

async fn connect(host: &str, port: u16) -> Sight {
    match TcpStream::connect((host, port)).await {
        Ok(stream) if is_itself(&stream) => Sight::NotYet("connection refused".to_owned()),
        Ok(_) => Sight::Met("connected".to_owned()),
        Err(error) => Sight::NotYet(words(&error)),
    }
}

/// Whether a connection met itself: with a port of the ephemeral range and no listener,
/// the kernel may choose that very port to connect from, and that succeeds.
pub(crate) fn is_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(near), Ok(far)) if near == far)
}

/// A search that goes on from where the last try stopped.
#[derive(Debug)]
pub(crate) struct LogSearch {
    pattern: String,
    log: LogFile,
    file: Option<File>,
    scanner: LineScanner,
    /// Kept for the try after the one that found it: what was read is not read again.
    found: Option<String>,
}

/// What one piece of a log gave.
enum Piece {
    Found(String),
    More,
    End,
}

impl LogSearch {
    fn read_piece(&mut self) -> io::Result<Piece> {
        if let Some(line) = &self.found {
            return Ok(Piece::Found(line.clone()));
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.log.follow()?),
        };
        let mut bytes = Vec::with_capacity(PIECE);
        file.take(PIECE as u64).read_to_end(&mut bytes)?;
        self.found = self.scanner.feed(&bytes);
        if self.found.is_none() {
            if !bytes.is_empty() {
                return Ok(Piece::More);
            }
            self.found = self.scanner.try_unfinished();
        }
        Ok(self.found.clone().map_or(Piece::End, Piece::Found))
    }
}

async fn read_log(search: &RefCell<LogSearch>) -> Sight {
    loop {
        let piece = search.borrow_mut().read_piece();
        match piece {
            Ok(Piece::Found(line)) => return Sight::Met(line),
            Ok(Piece::More) => tokio::task::yield_now().await,
            Ok(Piece::End) => return Sight::NotYet("no line matches".to_owned()),
            Err(error) => return Sight::NotYet(format!("the log cannot be read: {error}")),
        }
    }
}
