//! What a Hub's refusal means, and what a failure that did not pass is called.

use crate::client::{Client, Passing, Refusal};
use crate::error::FetchError;
use crate::pace::Pace;
use dyno_model::ModelRequest;
use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Listing,
    File(&'a str),
}

impl Asked<'_> {
    fn told(self, request: &ModelRequest) -> String {
        match self {
            Self::Listing => format!("the listing of {request}"),
            Self::File(file) => format!("{file} of {}", request.name),
        }
    }
}

/// The Hub's codes are those that `huggingface_hub` knows (`hf_raise_for_status`).
pub(super) fn refused(
    refusal: Refusal,
    asked: Asked<'_>,
    request: &ModelRequest,
    client: &Client,
) -> FetchError {
    let (hub, name) = (client.hub.clone(), request.name.clone());
    let token = client.has_token();
    let no_repository = || FetchError::NoRepository {
        hub: hub.clone(),
        name: name.clone(),
        token,
    };
    let code = refusal.code.as_str();
    let invalid = refusal.said.to_lowercase().contains("invalid");
    match (refusal.status, code) {
        (_, "GatedRepo") => FetchError::Gated {
            page: client.page(&name),
            name,
            token,
        },
        (_, "RevisionNotFound") => FetchError::NoRevision {
            name,
            revision: request.revision.clone(),
        },
        (_, "RepoNotFound") if !(refusal.status == 401 && token && invalid) => no_repository(),
        (401, _) if token => FetchError::TokenRefused {
            hub,
            source_of_token: client.token_source(),
        },
        // Without a token the Hub tells nobody whether a repository is private or is none.
        (401, _) => no_repository(),
        (403, _) => FetchError::Forbidden {
            hub,
            name,
            said: refusal.said,
        },
        (404, _) => match asked {
            Asked::Listing => no_repository(),
            Asked::File(file) => FetchError::NoFile {
                hub,
                name,
                file: file.to_owned(),
            },
        },
        (status, _) => FetchError::Unexpected {
            host: hub,
            what: asked.told(request),
            answer: if refusal.said.is_empty() {
                format!("status {status}")
            } else {
                format!("status {status}: {}", refusal.said)
            },
        },
    }
}

/// A failure that did not pass.
pub(super) fn gave_up(
    last: Option<Passing>,
    asked: Asked<'_>,
    request: &ModelRequest,
    client: &Client,
    pace: &Pace,
) -> FetchError {
    let what = asked.told(request);
    match last {
        Some(Passing::Wish { told: Some(told) }) => rate_limited(Some(told), client, pace),
        Some(Passing::Wish { told: None }) => rate_limited(None, client, pace),
        Some(Passing::Status { host, status, said }) => FetchError::Server {
            host,
            status,
            what,
            attempts: pace.fruitless(),
            said,
        },
        Some(Passing::Network { host, why } | Passing::Broken { host, why }) => {
            FetchError::NoNetwork { host, what, why }
        }
        None => FetchError::Unexpected {
            host: client.hub.clone(),
            what,
            answer: "parts that do not fit the file".to_owned(),
        },
    }
}

fn rate_limited(told: Option<Duration>, client: &Client, pace: &Pace) -> FetchError {
    FetchError::RateLimited {
        hub: client.hub.clone(),
        told,
        waited: pace.waited().saturating_sub(told.unwrap_or_default()),
        token: client.has_token(),
    }
}

/// A failure in a clause, for the screen.
pub(super) fn in_a_clause(passing: &Passing) -> String {
    match passing {
        Passing::Wish { .. } => "the Hub limits the rate of requests".to_owned(),
        Passing::Status { host, status, .. } => format!("{host} answered {status}"),
        Passing::Network { host, why } | Passing::Broken { host, why } => format!("{host}: {why}"),
    }
}
