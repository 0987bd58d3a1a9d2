//! What a unit takes of the machine while it runs, and what there is to take.

use crate::InvalidId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name of a token: something that a bounded number of units may hold at once, such as
/// `gpu` or `port-8000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenName(String);

impl TokenName {
    /// Takes a name of letters, digits, `-`, `_` and `.`.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || !text.chars().all(fits) {
            return Err(InvalidId::TokenName(text));
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenName {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// Thousandths of a processor.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MilliCpu(pub u64);

/// An amount of memory.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    /// In the largest unit of IEC 80000-13 of which there is one: `512 MiB`, `1.5 GiB`.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let Some((shift, unit)) = units.into_iter().find(|(shift, _)| self.0 >> shift > 0) else {
            return write!(to, "{} bytes", self.0);
        };
        let (whole, rest) = (self.0 >> shift, self.0 & ((1 << shift) - 1));
        // Rounded down, so that nothing is said to be more than it is.
        match (u128::from(rest) * 10) >> shift {
            0 => write!(to, "{whole} {unit}"),
            tenths => write!(to, "{whole}.{tenths} {unit}"),
        }
    }
}

/// What a unit takes while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Slots: at least one, its own process.
    pub slots: u32,
    /// Processors.
    #[serde(default)]
    pub cpu: MilliCpu,
    /// Memory.
    #[serde(default)]
    pub memory: Bytes,
    /// Tokens, each at least once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<TokenName, u32>,
    /// Nothing else may run beside it.
    #[serde(default)]
    pub exclusive: bool,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            slots: 1,
            cpu: MilliCpu(0),
            memory: Bytes(0),
            tokens: BTreeMap::new(),
            exclusive: false,
        }
    }
}

impl Claim {
    /// What is taken where both are held by one process: of each thing the greater part.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut tokens = self.tokens.clone();
        for (name, count) in &other.tokens {
            let held = tokens.entry(name.clone()).or_default();
            *held = (*held).max(*count);
        }
        Self {
            slots: self.slots.max(other.slots),
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            tokens,
            exclusive: self.exclusive || other.exclusive,
        }
    }
}

/// What there is to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Slots: how many units of one slot may run at once.
    pub slots: u32,
    /// Processors; absent: not counted.
    pub cpu: Option<MilliCpu>,
    /// Memory; absent: not counted.
    pub memory: Option<Bytes>,
    /// How many of each token there are; of one that is not named, one.
    pub tokens: BTreeMap<TokenName, u32>,
}

impl Capacity {
    /// So many slots, and nothing else that counts.
    pub fn of_slots(slots: u32) -> Self {
        Self {
            slots: slots.max(1),
            cpu: None,
            memory: None,
            tokens: BTreeMap::new(),
        }
    }

    /// How many of a token there are.
    pub fn token(&self, name: &TokenName) -> u32 {
        self.tokens.get(name).copied().unwrap_or(1)
    }

    /// The claim, cut down to what there is at most: one that asks for more than everything
    /// gets everything, and so runs when nothing else of that kind is held.
    #[must_use]
    pub fn at_most(&self, mut claim: Claim) -> Claim {
        claim.slots = claim.slots.clamp(1, self.slots);
        if let Some(cpu) = self.cpu {
            claim.cpu = claim.cpu.min(cpu);
        }
        if let Some(memory) = self.memory {
            claim.memory = claim.memory.min(memory);
        }
        for (name, count) in &mut claim.tokens {
            *count = (*count).clamp(1, self.token(name).max(1));
        }
        claim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_are_written_as_people_read_them() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (512 << 20, "512 MiB"),
            (3 << 29, "1.5 GiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
