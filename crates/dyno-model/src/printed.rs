//! What tests write to the standard streams that nothing captures.

use crate::{TestId, WorkerId};
use serde::{Deserialize, Serialize};

/// Where a text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output; standard error too where both are one (`-n 1` in a terminal).
    Stdout,
    /// Standard error.
    Stderr,
    /// pytest's live log (`log_cli`), as pytest words it.
    Log,
}

/// A piece of what a worker printed: with several workers whole lines, with one whatever
/// there was to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// Where.
    pub worker: WorkerId,
    /// The test that ran; absent between two tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestId>,
    /// The stream.
    pub stream: Stream,
    /// The text. What is no UTF-8 is replaced.
    pub text: String,
    /// Whether the journal has the text, or only the file that [`PrintedMore`] names.
    #[serde(default, skip_serializing_if = "Keeping::is_journal")]
    pub keeping: Keeping,
}

/// Where a printed text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keeping {
    /// In the journal.
    #[default]
    Journal,
    /// In a file of the run's folder: the test has printed more than a journal should hold.
    File,
}

impl Keeping {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_journal(&self) -> bool {
        *self == Self::Journal
    }
}

/// The end of what a test printed, where that was more than the journal keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrintedMore {
    /// Where.
    pub worker: WorkerId,
    /// The test that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestId>,
    /// The stream.
    pub stream: Stream,
    /// How many bytes between the last [`Printed`] and `tail` are in no event.
    pub left_out: u64,
    /// The file that has the whole; absent where it could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The last of it.
    pub tail: String,
}
