//! Asking until there is an answer.

use crate::client::{Answer, Client, Passing, Trouble};
use crate::error::FetchError;
use crate::fetch::refusal::{Asked, gave_up, in_a_clause, refused};
use crate::fetch::{Shared, chance};
use crate::pace::{Attempt, Pace, Patience};
use crate::progress::{Step, Wait};
use dyno_model::ModelRequest;
use reqwest::{Method, Url};

/// A listing of more bytes than this is none: the longest on the Hub have some ten thousand files.
const LONGEST_LISTING: usize = 64 << 20;

/// An answer, read.
pub(super) struct Told {
    pub(super) etag: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) body: Vec<u8>,
}

/// Asks until there is an answer that can be read, or until patience ends.
pub(super) async fn patiently(
    shared: &Shared,
    request: &ModelRequest,
    asked: Asked<'_>,
    method: &Method,
    url: &Url,
    patience: Patience,
) -> Result<Told, FetchError> {
    let client = &shared.client;
    let mut pace = Pace::new(patience);
    loop {
        let passing = match client.ask(method.clone(), url.clone(), 0).await {
            Ok(answer) => match read(client, answer).await {
                Ok(read) => return Ok(read),
                Err(passing) => passing,
            },
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Refusal(refusal)) => {
                return Err(refused(refusal, asked, request, client));
            }
            Err(Trouble::Passing(passing)) => passing,
            Err(Trouble::OutOfRange) => Passing::Status {
                host: client.hub.clone(),
                status: 416,
                said: String::new(),
            },
        };
        let attempt = match &passing {
            Passing::Wish { told } => Attempt::Refused(*told),
            Passing::Status { .. } | Passing::Network { .. } | Passing::Broken { .. } => {
                Attempt::Fruitless
            }
        };
        let Some(pause) = pace.after(attempt, chance()) else {
            return Err(gave_up(Some(passing), asked, request, client, &pace));
        };
        let file = match asked {
            Asked::Listing => "the listing",
            Asked::File(file) => file,
        };
        wait(shared, request, file, pause, Some(&passing)).await;
    }
}

async fn read(client: &Client, mut answer: Answer) -> Result<Told, Passing> {
    let host = crate::client::host(answer.response.url());
    let mut body = Vec::new();
    loop {
        let chunk = answer.response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| client.broken(&host, error))? else {
            break;
        };
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_LISTING {
            break;
        }
    }
    Ok(Told {
        etag: answer.etag,
        size: answer.size,
        body,
    })
}

/// Pauses, and says so.
pub(super) async fn wait(
    shared: &Shared,
    request: &ModelRequest,
    file: &str,
    pause: std::time::Duration,
    why: Option<&Passing>,
) {
    let on = match why {
        Some(Passing::Wish { told: Some(_) }) => Wait::RateLimit(pause),
        why => Wait::Retry {
            pause,
            why: why.map_or_else(|| "it broke off".to_owned(), in_a_clause),
        },
    };
    let file = file.to_owned();
    shared.say(request, Step::Waiting { file, on });
    tokio::time::sleep(pause).await;
}
