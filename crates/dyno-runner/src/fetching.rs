//! Models, fetched while tests run, on a thread of its own: what is hashed there keeps nobody
//! waiting.

mod told;

use crate::RunRequest;
use crate::machine::{Input, ModelNews};
use dyno_config::Models;
use dyno_hub::{FetchError, Options, Patience, Place, Progress, Snapshot, fetch_each};
use dyno_model::{ModelRequest, Secrets};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fs, io};
use tokio::sync::{mpsc, oneshot};
use told::Told;

/// The fetch of a run's models.
pub(crate) struct Fetching {
    /// Dropping it ends the fetch.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    cache: String,
}

/// Which models, from where, and who hears of them.
struct Errand {
    models: Vec<ModelRequest>,
    place: Place,
    ask: Ask,
    /// What is shown nowhere: the run's secrets, and the token, which a file may hold.
    masks: [Secrets; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Hub,
    /// The cache alone.
    Cache,
}

impl Fetching {
    /// Begins it. `hub` are the variables by which tests find the Hub and its cache.
    pub(crate) fn start(
        request: &RunRequest,
        models: Vec<ModelRequest>,
        hub: &BTreeMap<String, String>,
        inbox: mpsc::Sender<Input>,
    ) -> io::Result<Self> {
        let place = place(hub);
        let ask = match request.settings.models {
            Models::Fetch if !place.offline => Ask::Hub,
            _ => Ask::Cache,
        };
        if ask == Ask::Hub {
            // A sandbox shares what is there when it is built. Where it cannot be made, the fetch
            // says why.
            let _ = fs::create_dir_all(&place.cache);
        }
        let cache = place.cache.display().to_string();
        let errand = Errand {
            masks: [request.secrets.clone(), token_of(&place)],
            models,
            place,
            ask,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("models".to_owned());
        let thread = thread.spawn(move || {
            let last_word = LastWord(Some(inbox.clone()));
            let is_done = runtime.block_on(async {
                tokio::select! {
                    () = errand.run(inbox) => true,
                    // Nobody sends: what comes is that the other end is dropped.
                    _ = stopped => false,
                }
            });
            // What still reads or hashes a file there is not waited for.
            runtime.shutdown_background();
            last_word.say(is_done);
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            cache,
        })
    }

    /// The Hub's cache.
    pub(crate) fn cache(&self) -> String {
        self.cache.clone()
    }

    /// Ends it. Half-written files stay for the next.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where tests find the Hub. The token is this process's own.
fn place(hub: &BTreeMap<String, String>) -> Place {
    Place::of(|name| match name {
        "HF_TOKEN" | "HUGGING_FACE_HUB_TOKEN" => env::var_os(name),
        _ => hub.get(name).map(OsString::from),
    })
}

fn token_of(place: &Place) -> Secrets {
    let token = place.token.iter();
    let token = token.map(|token| (Cow::from("HF_TOKEN"), Cow::from(token.secret())));
    Secrets::of(token, &[])
}

/// Says that the fetch is over, also where it panicked; not where the run has stopped it, which
/// then hears nothing more.
struct LastWord(Option<mpsc::Sender<Input>>);

impl LastWord {
    fn say(mut self, is_done: bool) {
        if !is_done {
            self.0 = None;
        }
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if let Some(inbox) = self.0.take() {
            let _ = inbox.blocking_send(Input::Models(vec![ModelNews::Over]));
        }
    }
}

impl Errand {
    async fn run(self, inbox: mpsc::Sender<Input>) {
        let (news, mut heard) = mpsc::unbounded_channel();
        let told = RefCell::new(Told::new(news, self.masks.clone()));
        let errand = async {
            match self.ask {
                Ask::Cache => self.look(&told).await,
                Ask::Hub => self.fetch(&told).await,
            }
            // What was said is passed on, and then there is no more.
            drop(told);
        };
        let pass_on = async {
            while let Some(first) = heard.recv().await {
                let mut news = vec![first];
                while let Ok(next) = heard.try_recv() {
                    news.push(next);
                }
                if inbox.send(Input::Models(news)).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(errand, pass_on);
    }

    async fn look(&self, told: &RefCell<Told>) {
        for model in &self.models {
            let found = beside(model, &self.place, dyno_hub::cached).await;
            told.borrow_mut().ended(model, &found);
        }
    }

    /// What the cache has whole is asked for once, whether it has moved, and used whatever the
    /// Hub says; what it has not is worth waiting for.
    async fn fetch(&self, told: &RefCell<Told>) {
        let once = Options {
            patience: Patience {
                attempts: 1,
                rate_limit: Duration::ZERO,
                ..Patience::default()
            },
            ..Options::default()
        };
        let mut whole = HashMap::new();
        let mut rest = Vec::new();
        for model in &self.models {
            match beside(model, &self.place, dyno_hub::known_whole).await {
                Some(snapshot) => drop(whole.insert(model.clone(), snapshot)),
                None => rest.push(model.clone()),
            }
        }
        let known: Vec<ModelRequest> = whole.keys().cloned().collect();
        let place = &self.place;
        let hear = |progress: Progress| told.borrow_mut().hear(&progress);
        let refreshed = |model: &ModelRequest, result: &Result<Snapshot, FetchError>| {
            let mut snapshot = result.clone();
            if let (Err(error), Some(there)) = (result, whole.get(model)) {
                let note = Some(format!("{error}; what the cache has of it is used"));
                snapshot = Ok(Snapshot {
                    note,
                    ..there.clone()
                });
            }
            told.borrow_mut().ended(model, &snapshot);
        };
        let fetched = |model: &ModelRequest, result: &Result<Snapshot, FetchError>| {
            told.borrow_mut().ended(model, result);
        };
        tokio::join!(
            fetch_each(&known, place, once, hear, refreshed),
            fetch_each(&rest, place, Options::default(), hear, fetched),
        );
    }
}

/// What the cache has of a model: where its files were never summed up, that takes a while, and a
/// stop does not wait for it.
async fn beside<T: Send + 'static>(
    model: &ModelRequest,
    place: &Place,
    look: fn(&ModelRequest, &Place) -> T,
) -> T {
    let (model, place) = (model.clone(), place.clone());
    match tokio::task::spawn_blocking(move || look(&model, &place)).await {
        Ok(found) => found,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this with it.
            Err(_) => std::future::pending().await,
        },
    }
}
