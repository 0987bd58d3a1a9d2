//! Whether the Hub would give a model, without fetching it.

use crate::Place;
use crate::client::Client;
use crate::error::FetchError;
use crate::fetch::model::{file_address, list, patiently};
use crate::fetch::refusal::Asked;
use crate::fetch::{Options, Shared};
use crate::pace::Patience;
use crate::wanted::is_wanted;
use dyno_model::ModelRequest;
use reqwest::Method;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// Asks the Hub whether each model can be had, all at once: for its listing, which it shows of
/// gated models too, and then for its largest file, without the body. Each request has an answer,
/// in their order; one that takes longer than `within` is that the Hub does not answer. The cache
/// is neither read nor written.
///
/// Needs a tokio runtime with input, output and time.
pub async fn reachable(
    requests: &[ModelRequest],
    place: &Place,
    patience: Patience,
    within: Duration,
) -> Vec<Result<(), FetchError>> {
    let client = match Client::new(place) {
        Ok(client) => client,
        Err(error) => return requests.iter().map(|_| Err(error.clone())).collect(),
    };
    let (events, _) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        client,
        place: place.clone(),
        patience,
        files: Semaphore::new(Options::JOBS.get()),
        reserved: Mutex::new(0),
        events,
    });
    let mut asked = JoinSet::new();
    for (at, request) in requests.iter().cloned().enumerate() {
        let shared = Arc::clone(&shared);
        asked.spawn(async move {
            let answer = tokio::time::timeout(within, ask(&shared, &request)).await;
            (at, answer.unwrap_or_else(|_| Err(late(&shared, &request))))
        });
    }
    let mut answers: Vec<_> = requests.iter().map(|_| Ok(())).collect();
    while let Some(joined) = asked.join_next().await {
        match joined {
            Ok((at, answer)) => answers[at] = answer,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    answers
}

fn late(shared: &Shared, request: &ModelRequest) -> FetchError {
    FetchError::NoNetwork {
        host: shared.client.hub.clone(),
        what: Asked::Listing.told(request),
        why: "it does not answer in time".to_owned(),
    }
}

async fn ask(shared: &Shared, request: &ModelRequest) -> Result<(), FetchError> {
    // As many at once as files are fetched at once; it is never closed.
    let _place = shared.files.acquire().await;
    let listing = list(shared, request).await?;
    let wanted = listing.files.iter();
    let wanted = wanted.filter(|file| is_wanted(&file.path, request.files));
    let Some(file) = wanted.max_by_key(|file| file.size) else {
        return Ok(());
    };
    let address = file_address(shared, request, &listing.commit, &file.path);
    let asked = Asked::File(&file.path);
    patiently(shared, request, asked, &Method::HEAD, &address).await?;
    Ok(())
}
