//! A part of a run's tests.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of several parts into which the tests of a run are dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Partition {
    /// How tests are dealt.
    pub by: Dealing,
    /// Which part, counted from 1.
    pub part: u32,
    /// How many there are.
    pub of: u32,
}

/// How tests are dealt into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dealing {
    /// By a hash of the node id: a test stays in its part whatever else is selected.
    Hash,
    /// One by one, in pytest's order: the parts are of one size.
    Slice,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || "expected `hash:I/N` or `slice:I/N`, with I from 1 to N".to_owned();
        let (kind, share) = text.split_once(':').ok_or_else(refuse)?;
        let by = match kind {
            "hash" => Dealing::Hash,
            "slice" => Dealing::Slice,
            _ => return Err(refuse()),
        };
        let (part, of) = share.split_once('/').ok_or_else(refuse)?;
        let part = part.parse().map_err(|_| refuse())?;
        let of = of.parse().map_err(|_| refuse())?;
        if part == 0 || part > of {
            return Err(refuse());
        }
        Ok(Self { by, part, of })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.by {
            Dealing::Hash => "hash",
            Dealing::Slice => "slice",
        };
        write!(to, "{kind}:{}/{}", self.part, self.of)
    }
}

impl TryFrom<String> for Partition {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_spelled_as_for_nextest() {
        for text in ["hash:1/4", "slice:4/4", "hash:1/1"] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        for text in [
            "1/4",
            "hash:0/4",
            "hash:5/4",
            "count:1/2",
            "hash:1",
            "hash:a/b",
            "",
        ] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
