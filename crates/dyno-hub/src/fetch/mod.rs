//! Models, brought to the cache.

mod asking;
mod file;
mod inquire;
mod model;
mod refusal;
mod space;

pub use inquire::inquire;

use crate::cache::Repository;
use crate::client::Client;
use crate::error::FetchError;
use crate::pace::Patience;
use crate::progress::{Progress, Step};
use crate::{Place, cached};
use dyno_model::{ModelFiles, ModelName, ModelRequest, Revision};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// How to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many files at once, of all models together.
    pub jobs: NonZeroUsize,
    /// When to give up.
    pub patience: Patience,
}

impl Options {
    /// As many as `huggingface_hub` fetches at once.
    pub const JOBS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: Self::JOBS,
            patience: Patience::default(),
        }
    }
}

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit that the revision is.
    pub commit: String,
    /// The folder that holds its files.
    pub folder: PathBuf,
    /// How many of its files are wanted, and there.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many bytes were fetched for it; 0 where all were in the cache.
    pub fetched: u64,
    /// What is to be known about it: that the Hub could not be asked whether it has moved.
    pub note: Option<String>,
}

/// Brings models to the cache: those that are not there, or not whole. Each request has an
/// answer, in the order of the requests; those for one model and revision are fetched together.
///
/// Dropping the future ends the fetch: half-written files stay and are continued the next time,
/// and no lock is held. Needs a tokio runtime with input, output and time.
pub async fn fetch(
    requests: &[ModelRequest],
    place: &Place,
    options: Options,
    on_event: impl FnMut(Progress),
) -> Vec<(ModelRequest, Result<Snapshot, FetchError>)> {
    fetch_each(requests, place, options, on_event, |_, _| {}).await
}

/// Like [`fetch()`], for who wants each model as soon as it is there: `on_result` hears of it, with
/// as much of it as any of the requests asked for.
pub async fn fetch_each(
    requests: &[ModelRequest],
    place: &Place,
    options: Options,
    mut on_event: impl FnMut(Progress),
    mut on_result: impl FnMut(&ModelRequest, &Result<Snapshot, FetchError>),
) -> Vec<(ModelRequest, Result<Snapshot, FetchError>)> {
    let mut wanted: BTreeMap<(ModelName, Revision), ModelFiles> = BTreeMap::new();
    for request in requests {
        let of = (request.name.clone(), request.revision.clone());
        let files = wanted.entry(of).or_insert(request.files);
        *files = request.files.max(*files);
    }
    let wanted = wanted
        .into_iter()
        .map(|((name, revision), files)| ModelRequest {
            name,
            revision,
            files,
        });
    let results = if place.offline {
        wanted
            .map(|request| {
                let found = cached(&request, place);
                on_result(&request, &found);
                (key(&request), found)
            })
            .collect()
    } else {
        match Client::new(place) {
            Ok(client) => {
                let hear = (&mut on_event, &mut on_result);
                fetch_all(wanted, client, place, options, hear).await
            }
            Err(error) => wanted
                .map(|request| {
                    let refused = Err(error.clone());
                    on_result(&request, &refused);
                    (key(&request), refused)
                })
                .collect(),
        }
    };
    let of = |request: &ModelRequest| {
        let result = results.get(&key(request)).cloned();
        let result = result.unwrap_or_else(|| {
            Err(FetchError::NotCached {
                request: request.clone(),
                cache: place.cache.clone(),
                why: "its fetch has ended early".to_owned(),
                offline: false,
            })
        });
        (request.clone(), result)
    };
    requests.iter().map(of).collect()
}

type Results = HashMap<(ModelName, Revision), Result<Snapshot, FetchError>>;

fn key(request: &ModelRequest) -> (ModelName, Revision) {
    (request.name.clone(), request.revision.clone())
}

async fn fetch_all(
    wanted: impl Iterator<Item = ModelRequest>,
    client: Client,
    place: &Place,
    options: Options,
    (on_event, on_result): (
        &mut impl FnMut(Progress),
        &mut impl FnMut(&ModelRequest, &Result<Snapshot, FetchError>),
    ),
) -> Results {
    let (events, mut heard) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::new(client, place, options, events));
    let mut models = JoinSet::new();
    for request in wanted {
        let fetch = model::fetch_model(Arc::clone(&shared), request.clone());
        models.spawn(async move { (request, fetch.await) });
    }
    let mut results = Results::new();
    loop {
        tokio::select! {
            biased;
            Some(event) = heard.recv() => on_event(event),
            joined = models.join_next() => match joined {
                Some(Ok((request, result))) => {
                    // What it said before it ended has been heard before its end.
                    while let Ok(event) = heard.try_recv() {
                        on_event(event);
                    }
                    on_result(&request, &result);
                    results.insert(key(&request), result);
                }
                // A task that panicked: its request is answered all the same.
                Some(Err(_)) => {}
                None => return results,
            },
        }
    }
}

/// What the fetches of all models share.
struct Shared {
    client: Client,
    place: Place,
    patience: Patience,
    files: Semaphore,
    /// Bytes of the disk that are to come yet.
    reserved: Mutex<u64>,
    events: mpsc::UnboundedSender<Progress>,
}

impl Shared {
    fn new(
        client: Client,
        place: &Place,
        options: Options,
        events: mpsc::UnboundedSender<Progress>,
    ) -> Self {
        Self {
            client,
            place: place.clone(),
            patience: options.patience,
            files: Semaphore::new(options.jobs.get()),
            reserved: Mutex::new(0),
            events,
        }
    }

    fn repository(&self, name: &ModelName) -> Repository {
        Repository::of(&self.place.cache, name)
    }

    fn say(&self, request: &ModelRequest, step: Step) {
        // Nobody hears where the fetch has been dropped.
        let _ = self.events.send(Progress {
            request: request.clone(),
            step,
        });
    }

    fn reserved(&self) -> std::sync::MutexGuard<'_, u64> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what reads or writes much of a disk beside the fetches.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// From 0 to 1: a chance that differs from process to process and from call to call.
fn chance() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
