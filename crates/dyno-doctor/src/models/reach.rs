//! Whether the models that tests name can be had: asked of the Hub itself.

use super::token::ASK;
use dyno_hub::{FetchError, Options, Patience, Place, cached, inquire};
use dyno_model::{Finding, ModelRequest};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The Hub answers within 0.3 s from most places, and each model takes two answers.
const LIMIT: Duration = Duration::from_secs(4);

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

    /// Why the Hub could not be asked, and what to do.
    pub(crate) fn out_of_reach(&self) -> Option<(&str, &str)> {
        match self {
            Self::Refused {
                why: Why::Network,
                error,
                hint,
            } => Some((error, hint)),
            _ => None,
        }
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
    let found: Vec<_> = requests
        .iter()
        .map(|request| cached(request, place))
        .collect();
    let absent = requests
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_err());
    let absent: Vec<ModelRequest> = absent.map(|(request, _)| request.clone()).collect();
    let mut answers = if place.offline || absent.is_empty() {
        Vec::new()
    } else {
        ask(&absent, place)
    }
    .into_iter();
    let reach = found.into_iter().map(|found| match found {
        Ok(_) => Reach::Here,
        Err(error) if place.offline => refused(&error),
        Err(_) => answers.next().unwrap_or_else(late),
    });
    reach.collect()
}

/// Asks the Hub of all at once, within the [`LIMIT`]. It is asked once and not again: the next
/// look is cheap.
fn ask(absent: &[ModelRequest], place: &Place) -> Vec<Reach> {
    let place = Place {
        timeout: LIMIT,
        ..place.clone()
    };
    let patience = Patience {
        attempts: 1,
        rate_limit: Duration::ZERO,
        ..Patience::default()
    };
    let options = Options {
        patience,
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let answers = runtime.block_on(async {
        let mut asked = JoinSet::new();
        for (at, request) in absent.iter().cloned().enumerate() {
            let place = place.clone();
            asked.spawn(async move {
                let answer = timeout(LIMIT, inquire(&request, &place, options)).await;
                let answer = answer
                    .map(|answer| answer.map_or_else(|error| refused(&error), |_| Reach::There));
                (at, answer.unwrap_or_else(|_| late()))
            });
        }
        let mut answers: Vec<Reach> = absent.iter().map(|_| late()).collect();
        while let Some(Ok((at, answer))) = asked.join_next().await {
            answers[at] = answer;
        }
        answers
    });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    answers
}

/// There was no answer.
fn late() -> Reach {
    Reach::Refused {
        why: Why::Network,
        error: format!("the Hub does not answer within {} s", LIMIT.as_secs()),
        hint: "check the network, the proxy (HTTPS_PROXY, NO_PROXY) and HF_ENDPOINT".to_owned(),
    }
}

fn refused(error: &FetchError) -> Reach {
    let why = match error {
        FetchError::Gated { token: false, .. } => Why::NoToken,
        FetchError::NoNetwork { .. }
        | FetchError::Server { .. }
        | FetchError::RateLimited { .. }
        | FetchError::Tls { .. } => Why::Network,
        FetchError::NotCached { .. } => Why::Offline,
        _ => Why::Other,
    };
    Reach::Refused {
        why,
        error: error.to_string(),
        hint: error.hint(),
    }
}

pub(super) fn judge(request: &ModelRequest, tests: &str, state: &Reach) -> Finding {
    let name = format!("model {request}");
    match state {
        Reach::Here => Finding::good(name, format!("in the cache; {tests}")),
        Reach::There => Finding::good(name, format!("to be fetched; {tests}")),
        Reach::Refused {
            why: Why::Network, ..
        } => Finding::note(
            name,
            format!("not in the cache, and the Hub was not reached; {tests}"),
        ),
        Reach::Refused { why, error, hint } => {
            let remedy = match why {
                Why::NoToken => format!("{ASK}   # {hint}"),
                Why::Offline => format!(
                    "env -u HF_HUB_OFFLINE -u TRANSFORMERS_OFFLINE dyno models prefetch {request}"
                ),
                Why::Network | Why::Other => hint.clone(),
            };
            Finding::costs(name, error.as_str(), format!("{tests} cannot run"))
                .mended_by(Some(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_the_page::assert_mends;
    use dyno_model::FindingState::{Costs, Good, Note};

    #[test]
    fn each_answer_is_told_with_what_to_do() {
        let request = ModelRequest {
            name: "org/name".parse().unwrap(),
            revision: "v1".parse().unwrap(),
            files: dyno_model::ModelFiles::All,
        };
        let name = request.name.clone();
        let gated = |token| FetchError::Gated {
            name: name.clone(),
            page: "https://hub.example/org/name".to_owned(),
            token,
        };
        let host = || "hub.example".to_owned();
        for (state, level, says, command) in [
            (Reach::Here, Good, "in the cache; 2 tests", ""),
            (Reach::There, Good, "to be fetched; 2 tests", ""),
            (
                refused(&gated(false)),
                Costs,
                "is gated, and no token is set",
                "read -rs HF_TOKEN && export HF_TOKEN   # ask for access on https://hub.example/org/name",
            ),
            (
                refused(&gated(true)),
                Costs,
                "has not been let in",
                "ask for access on",
            ),
            (
                refused(&FetchError::NoNetwork {
                    host: host(),
                    what: "x".to_owned(),
                    why: "refused".to_owned(),
                }),
                Note,
                "the Hub was not reached",
                "",
            ),
            (
                refused(&FetchError::NoRevision {
                    name: name.clone(),
                    revision: "v1".parse().unwrap(),
                }),
                Costs,
                "no revision",
                "name a branch",
            ),
            (
                refused(&FetchError::NotCached {
                    request: request.clone(),
                    cache: "/c".into(),
                    why: "x".to_owned(),
                    offline: true,
                }),
                Costs,
                "not in the cache",
                "dyno models prefetch org/name@v1",
            ),
            (late(), Note, "not in the cache", ""),
        ] {
            let found = judge(&request, "2 tests", &state);
            assert_mends(&found, level, command);
            assert_eq!(found.name, "model org/name@v1");
            assert!(found.found.contains(says), "{found:?}");
            assert_eq!(state.is_for_want_of_a_token(), says.contains("no token"));
        }
    }
}
