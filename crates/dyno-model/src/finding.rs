//! What is found out about the machine that tests run on.

use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word or two: `wall net`.
    pub name: String,
    /// How it is.
    pub state: FindingState,
    /// What was found, in one line.
    pub found: String,
    /// What is lost by it, where it [costs](FindingState::Costs) something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<String>,
    /// A command, or what to do, that mends it, or adds what a [note](FindingState::Note) misses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// Not as everybody has it, and nothing is lost by it unless one wants it.
    Note,
    /// Something is lost by it.
    Costs,
}

impl Finding {
    /// A thing that is as it should be.
    pub fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: FindingState::Good,
            found: found.into(),
            costs: None,
            remedy: None,
        }
    }

    /// A thing that one should know of.
    pub fn note(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            state: FindingState::Note,
            ..Self::good(name, found)
        }
    }

    /// A thing by which something is lost.
    pub fn costs(
        name: impl Into<String>,
        found: impl Into<String>,
        costs: impl Into<String>,
    ) -> Self {
        Self {
            state: FindingState::Costs,
            costs: Some(costs.into()),
            ..Self::good(name, found)
        }
    }

    /// With what mends it, where that is known.
    #[must_use]
    pub fn mended_by(self, remedy: Option<String>) -> Self {
        Self { remedy, ..self }
    }
}
