//! Reading a journal back, also one that was cut off or that a newer dyno wrote.

use crate::error::JournalError;
use crate::writer::{FORMAT, Header};
use dyno_model::Stamped;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a journal holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The events, in order.
    pub events: Vec<Stamped>,
    /// How the file ends.
    pub ending: Ending,
    /// Kinds of event that this dyno does not know, from a newer one, and how many
    /// of each were passed over.
    pub unknown: BTreeMap<String, u64>,
    /// Lines (counted from 1) before the last that are no event at all: the disk or
    /// a hand has damaged the file.
    pub damaged: Vec<u64>,
}

/// How a journal's file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a whole line.
    Whole,
    /// In the middle of a line, of which so many bytes are there.
    Torn {
        /// The bytes that were passed over.
        bytes: u64,
    },
}

/// What every version's events have in common.
#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[expect(dead_code, reason = "a line without a place in the run is no event")]
    seq: u64,
}

/// How every header begins.
const BEGINS: &[u8] = b"{\"dyno_journal\":";

enum Line {
    Event(Box<Stamped>),
    Unknown(String),
    Broken,
}

/// Reads the journal at `path`.
pub fn read(path: &Path) -> Result<Recording, JournalError> {
    let bytes = fs::read(path).map_err(JournalError::io("read", path))?;
    parse(&bytes, path)
}

/// Reads a journal's bytes; `path` is for messages.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Recording, JournalError> {
    let mut recording = Recording {
        events: Vec::new(),
        ending: Ending::Whole,
        unknown: BTreeMap::new(),
        damaged: Vec::new(),
    };
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if !read_header(first, path)? {
        recording.ending = torn(first);
        return Ok(recording);
    }
    let mut lines = (2..).zip(lines).peekable();
    while let Some((number, line)) = lines.next() {
        match classify(line) {
            Line::Event(stamped) => recording.events.push(*stamped),
            Line::Unknown(kind) => *recording.unknown.entry(kind).or_default() += 1,
            // Also where it has its newline: a disk that lost power may have kept a
            // file's length and not its last bytes.
            Line::Broken if lines.peek().is_none() => recording.ending = torn(line),
            Line::Broken => recording.damaged.push(number),
        }
    }
    Ok(recording)
}

fn torn(line: &[u8]) -> Ending {
    Ending::Torn {
        bytes: line.len() as u64,
    }
}

/// False where the header itself is torn, so that nothing can follow.
fn read_header(line: &[u8], path: &Path) -> Result<bool, JournalError> {
    if let Ok(Header { dyno_journal }) = serde_json::from_slice(line) {
        return if dyno_journal <= FORMAT {
            Ok(true)
        } else {
            Err(JournalError::TooNew {
                path: path.to_owned(),
                found: dyno_journal,
                known: FORMAT,
            })
        };
    }
    let cut = !line.ends_with(b"\n") && (BEGINS.starts_with(line) || line.starts_with(BEGINS));
    if cut {
        Ok(false)
    } else {
        Err(JournalError::NotAJournal {
            path: path.to_owned(),
        })
    }
}

fn classify(line: &[u8]) -> Line {
    if let Ok(stamped) = serde_json::from_slice(line) {
        return Line::Event(Box::new(stamped));
    }
    match serde_json::from_slice(line) {
        Ok(Envelope { event, .. }) => Line::Unknown(event),
        Err(_) => Line::Broken,
    }
}
