//! Three values: wanted, not wanted, and a thing that only pytest can say.
//!
//! Kleene's strong logic: an operation is certain where its outcome is the same however
//! its doubtful operands turn out.

use crate::doubts::Doubts;
use dyno_model::Doubt;
use serde::{Deserialize, Serialize};

/// What a condition says of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds: the test is wanted.
    Keep,
    /// It does not hold, whatever the doubts turn out to be.
    Drop,
    /// It depends on what is not known.
    Ask,
}

impl Verdict {
    /// Keep for `true`, drop for `false`.
    pub fn certain(holds: bool) -> Self {
        if holds { Self::Keep } else { Self::Drop }
    }

    /// Keep for `true`; where it is not, ask if there may be more than is known.
    pub fn seen(holds: bool, may_be_more: bool) -> Self {
        match (holds, may_be_more) {
            (true, _) => Self::Keep,
            (false, true) => Self::Ask,
            (false, false) => Self::Drop,
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Drop, _) | (_, Self::Drop) => Self::Drop,
            (Self::Keep, Self::Keep) => Self::Keep,
            _ => Self::Ask,
        }
    }

    /// One of them at least.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }

    /// The contrary.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Keep => Self::Drop,
            Self::Drop => Self::Keep,
            Self::Ask => Self::Ask,
        }
    }
}

/// How many tests of pytest's one found test stands for.
///
/// A verdict says nothing of existence: `Keep` on a test that may not exist means that it
/// is wanted if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Exactly one.
    One,
    /// One or none.
    Perhaps,
    /// Any number, none included: its ids are not known.
    AnyNumber,
}

impl Presence {
    /// What these doubts leave.
    pub fn of(doubts: Doubts<'_>) -> Self {
        if doubts.any(&[Doubt::Ids]) {
            Self::AnyNumber
        } else if doubts.any(&[Doubt::Existence]) {
            Self::Perhaps
        } else {
            Self::One
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Ask, Drop, Keep};

    /// Whatever Ask turns out to be, a certain outcome is that of two-valued logic.
    #[test]
    fn operations_are_certain_only_where_every_reading_agrees() {
        let readings = |verdict| match verdict {
            Keep => vec![true],
            Drop => vec![false],
            Ask => vec![true, false],
        };
        let outcome = |values: Vec<bool>| match (values.contains(&true), values.contains(&false)) {
            (true, false) => Keep,
            (false, true) => Drop,
            _ => Ask,
        };
        for left in [Keep, Drop, Ask] {
            let not = readings(left).into_iter().map(|value| !value).collect();
            assert_eq!(left.negated(), outcome(not));
            for right in [Keep, Drop, Ask] {
                let pairs: Vec<(bool, bool)> = readings(left)
                    .into_iter()
                    .flat_map(|l| readings(right).into_iter().map(move |r| (l, r)))
                    .collect();
                let and = pairs.iter().map(|(l, r)| *l && *r).collect();
                let or = pairs.iter().map(|(l, r)| *l || *r).collect();
                assert_eq!(left.and(right), outcome(and), "{left:?} and {right:?}");
                assert_eq!(left.or(right), outcome(or), "{left:?} or {right:?}");
            }
        }
    }
}
