//! The text of a pack.
//!
//! ```text
//! pack         = first-line, dependencies, { entry } ;
//! first-line   = "dyno collection ", format number, " ", context, "\n" ;
//! dependencies = checksum, " ", JSON array of dependencies, "\n" ;
//! entry        = checksum, " ", JSON of the head, "\t", JSON of the answer, "\n" ;
//! ```
//!
//! A checksum is sixteen hexadecimal digits over the rest of its line. JSON holds no raw
//! tab and no raw newline, so a line is cut without being parsed. A head names its
//! dependencies by their place in the array; many answers share most of theirs.

use super::Dependency;
use super::pack::Made;
use crate::Fingerprint;
use crate::fingerprint::checksum;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Raised when an older dyno would misread a pack.
const FORMAT: u32 = 3;

/// What stands before an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The file's node id; empty for an answer of the whole tree.
    pub(super) file: String,
    /// Who gave the answer.
    pub(super) made: Made,
    /// What the answer is to: the place of the file in the tree, its conftests, what was
    /// asked of it.
    pub(super) question: Fingerprint,
    /// Places in the array of dependencies.
    pub(super) needs: Vec<u32>,
}

/// A pack's text, taken apart.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) dependencies: Vec<Dependency>,
    /// Each head with the place of its answer in the text.
    pub(super) entries: Vec<(Head, Range<usize>)>,
    /// Lines that were passed over.
    pub(super) damaged: usize,
}

/// The first line of a pack of that context.
pub(super) fn first_line(context: Fingerprint) -> String {
    format!("dyno collection {FORMAT} {context}\n")
}

/// Takes a pack's text apart; absent where it is no pack of that context, or its
/// dependencies are damaged, without which no entry says anything.
pub(super) fn parse(text: &str, context: Fingerprint) -> Option<Parsed> {
    let first = first_line(context);
    let rest = text.strip_prefix(&first)?;
    let mut parsed = Parsed::default();
    let mut at = first.len();
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let body = checked(line);
        if number == 0 {
            parsed.dependencies = serde_json::from_str(body?).ok()?;
            continue;
        }
        match body.and_then(|body| head(body, parsed.dependencies.len())) {
            Some((head, length)) => {
                // Sixteen digits and a blank; the head; the tab. Without the newline.
                let answer = start + 17 + length + 1;
                parsed.entries.push((head, answer..at - 1));
            }
            None => parsed.damaged += 1,
        }
    }
    Some(parsed)
}

/// The line without its checksum, if that is right and the line is whole.
fn checked(line: &str) -> Option<&str> {
    let (digits, body) = line.strip_suffix('\n')?.split_at_checked(16)?;
    let body = body.strip_prefix(' ')?;
    let sum = u64::from_str_radix(digits, 16).ok()?;
    (checksum(body.as_bytes()) == sum).then_some(body)
}

/// The head of an entry and its length.
fn head(body: &str, dependencies: usize) -> Option<(Head, usize)> {
    let (head, _) = body.split_once('\t')?;
    let length = head.len();
    let head: Head = serde_json::from_str(head).ok()?;
    let known = |need: &u32| usize::try_from(*need).is_ok_and(|need| need < dependencies);
    head.needs.iter().all(known).then_some((head, length))
}

/// A line with its checksum.
pub(super) fn line(body: &str) -> String {
    format!("{:016x} {body}\n", checksum(body.as_bytes()))
}
