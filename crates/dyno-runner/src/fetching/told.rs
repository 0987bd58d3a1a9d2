//! What a fetch says, in the words of a run: not too often, and without secrets.

use crate::machine::ModelNews;
use dyno_hub::{FetchError, Progress, Snapshot, Step, Wait};
use dyno_model::{ModelRequest, Secrets};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How far a model is, is told so often.
const TELL: Duration = Duration::from_secs(1);

/// A shorter pause between two attempts is not told.
const PAUSE: Duration = Duration::from_secs(2);

/// Tells a run what becomes of its models.
pub(super) struct Told {
    news: mpsc::UnboundedSender<ModelNews>,
    masks: [Secrets; 2],
    coming: HashMap<ModelRequest, Coming>,
}

/// A model on its way.
struct Coming {
    since: Instant,
    bytes: u64,
    of: u64,
    /// When its bytes were told last.
    told: Instant,
    /// Until when it is known to wait.
    waits_until: Option<Instant>,
    /// It was told that another process fetches it too.
    is_shared: bool,
}

impl Told {
    pub(super) fn new(news: mpsc::UnboundedSender<ModelNews>, masks: [Secrets; 2]) -> Self {
        Self {
            news,
            masks,
            coming: HashMap::new(),
        }
    }

    pub(super) fn hear(&mut self, progress: &Progress) {
        let model = &progress.request;
        let now = Instant::now();
        let coming = self.coming.entry(model.clone()).or_insert(Coming {
            since: now,
            bytes: 0,
            of: 0,
            told: now,
            waits_until: None,
            is_shared: false,
        });
        match &progress.step {
            Step::Planned { missing: 0, .. } | Step::Fetched { .. } => return,
            Step::Planned { missing, .. } => coming.of = *missing,
            Step::Waiting { on, .. } => {
                if let Some((why, wait)) = coming.waits(now, on) {
                    let (model, why) = (model.clone(), self.hide(&why));
                    self.say(ModelNews::Waiting { model, why, wait });
                }
                return;
            }
            Step::Received(bytes) => coming.bytes += bytes,
            Step::Lost(bytes) => coming.bytes = coming.bytes.saturating_sub(*bytes),
            Step::Found(bytes) => coming.of = coming.of.saturating_sub(*bytes),
        }
        let is_first = matches!(progress.step, Step::Planned { .. });
        if is_first || now.duration_since(coming.told) >= TELL {
            coming.told = now;
            let (bytes, of) = (coming.bytes, Some(coming.of));
            let model = model.clone();
            self.say(ModelNews::Fetching { model, bytes, of });
        }
    }

    pub(super) fn ended(&mut self, model: &ModelRequest, result: &Result<Snapshot, FetchError>) {
        let model = model.clone();
        let coming = self.coming.remove(&model);
        self.say(match result {
            Ok(snapshot) => ModelNews::Ready {
                model,
                commit: snapshot.commit.clone(),
                bytes: snapshot.fetched,
                elapsed: coming.map_or(Duration::ZERO, |coming| coming.since.elapsed()),
                note: snapshot.note.as_deref().map(|note| self.hide(note)),
            },
            Err(error) => ModelNews::Unavailable {
                model,
                why: self.hide(&error.to_string()),
                hint: self.hide(&error.hint()),
            },
        });
    }

    fn say(&self, news: ModelNews) {
        // Nobody hears where the run has stopped.
        let _ = self.news.send(news);
    }

    fn hide(&self, text: &str) -> String {
        let [run, token] = &self.masks;
        token.hide(run.hide(text)).into_owned()
    }
}

impl Coming {
    /// Why nothing moves, and for how long, where that is news: its files wait side by side.
    fn waits(&mut self, now: Instant, on: &Wait) -> Option<(String, Option<Duration>)> {
        let (why, wait) = match on {
            Wait::Process if self.is_shared => return None,
            Wait::Process => {
                self.is_shared = true;
                return Some(("another process fetches it too".to_owned(), None));
            }
            Wait::Retry { pause, .. } if *pause < PAUSE => return None,
            Wait::Retry { pause, why } => (why.clone(), *pause),
            Wait::RateLimit(wait) => ("the Hub limits the rate of requests".to_owned(), *wait),
        };
        if self.waits_until.is_some_and(|until| now < until) {
            return None;
        }
        self.waits_until = Some(now + wait);
        Some((why, Some(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn told(steps: Vec<Step>) -> Vec<ModelNews> {
        let (news, mut heard) = mpsc::unbounded_channel();
        let secret = [(Cow::from("HF_TOKEN"), Cow::from("hf_secret"))];
        let masks = [Secrets::default(), Secrets::of(secret, &[])];
        let mut told = Told::new(news, masks);
        for step in steps {
            let request = model();
            told.hear(&Progress { request, step });
        }
        std::iter::from_fn(|| heard.try_recv().ok()).collect()
    }

    fn model() -> ModelRequest {
        ModelRequest {
            name: "o/m".parse().unwrap(),
            revision: dyno_model::Revision::default(),
            files: dyno_model::ModelFiles::All,
        }
    }

    fn waiting(on: Wait) -> Step {
        let file = "f".to_owned();
        Step::Waiting { file, on }
    }

    #[test]
    fn what_is_all_there_is_not_told_and_bytes_not_with_each_packet() {
        let planned = |missing| Step::Planned {
            files: 2,
            bytes: 10,
            missing,
        };
        assert_eq!(told(vec![planned(0)]), []);
        let steps = vec![planned(10), Step::Received(4), Step::Received(6)];
        let first = ModelNews::Fetching {
            model: model(),
            bytes: 0,
            of: Some(10),
        };
        assert_eq!(told(steps), [first]);
    }

    #[test]
    fn a_wait_is_told_once_and_without_secrets() {
        let limit = || waiting(Wait::RateLimit(Duration::from_secs(30)));
        let short = waiting(Wait::Retry {
            pause: Duration::from_millis(500),
            why: "short".to_owned(),
        });
        let process = || waiting(Wait::Process);
        let news = told(vec![short, limit(), limit(), process(), process()]);
        assert_eq!(news.len(), 2, "{news:?}");
        let echoed = waiting(Wait::Retry {
            pause: Duration::from_secs(4),
            why: "you sent hf_secret".to_owned(),
        });
        let model = model();
        let why = "you sent ***".to_owned();
        let wait = Some(Duration::from_secs(4));
        assert_eq!(
            told(vec![echoed]),
            [ModelNews::Waiting { model, why, wait }]
        );
    }
}
