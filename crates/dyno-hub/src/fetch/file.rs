//! One file: under its lock, continued, checked, and named.

use crate::cache::blobs::{Found, Trust};
use crate::cache::half::Half;
use crate::cache::lock::Lock;
use crate::cache::{Repository, failed};
use crate::checksum::Checksum;
use crate::client::{Answer, Passing, Trouble};
use crate::error::FetchError;
use crate::fetch::asking::wait;
use crate::fetch::model::file_address;
use crate::fetch::refusal::{Asked, gave_up, refused};
use crate::fetch::space::no_space;
use crate::fetch::{Shared, beside, chance};
use crate::progress::{Step, Wait};
use crate::transfer::{Act, GiveUp, Heard, Transfer};
use dyno_model::{Bytes, ModelRequest};
use reqwest::{Method, StatusCode};
use std::io;

/// A file that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
    /// How much of it is here.
    pub(super) half: u64,
}

impl Wanted {
    /// How much of it is to come.
    pub(super) fn to_come(&self) -> u64 {
        self.size - self.half
    }
}

/// Progress is told in steps of this, and at the end of each body.
const TELL_EVERY: u64 = 1 << 20;

/// Brings one blob to the cache. How many bytes came for it.
pub(super) async fn fetch_file(
    shared: &Shared,
    request: &ModelRequest,
    commit: &str,
    wanted: &Wanted,
) -> Result<u64, FetchError> {
    let repository = shared.repository(&request.name);
    let on_wait = || {
        let (file, on) = (wanted.path.clone(), Wait::Process);
        shared.say(request, Step::Waiting { file, on });
    };
    let lock = Lock::take(&repository.lock(wanted.checksum.as_str()), on_wait).await?;
    let there = wanted.clone();
    let half = beside(move || open(&repository, &there)).await?;
    let Some(half) = half else {
        shared.say(request, Step::Found(wanted.to_come()));
        return Ok(0);
    };
    let mut fetching = Fetching {
        repository: shared.repository(&request.name),
        shared,
        request,
        commit,
        wanted,
        came: 0,
        last: None,
        told_half: wanted.half,
    };
    fetching.run(half).await?;
    // Before the lock is free: other tools take a blob without a link for garbage.
    fetching
        .repository
        .link(commit, &wanted.path, &wanted.checksum)?;
    drop(lock);
    let file = wanted.path.clone();
    shared.say(request, Step::Fetched { file });
    Ok(fetching.came)
}

/// The half-written file; none where another process has fetched the whole meanwhile.
fn open(repository: &Repository, wanted: &Wanted) -> Result<Option<Half>, FetchError> {
    let blob = repository.blob(&wanted.checksum);
    let found = repository.look_at(&blob, &wanted.checksum, Some(wanted.size), Trust::Checked);
    match found.map_err(failed("read", &blob))? {
        Found::Right(_) => return Ok(None),
        Found::Nothing => {}
        Found::Wrong => std::fs::remove_file(&blob).map_err(failed("write", &blob))?,
    }
    let path = repository.half(&wanted.checksum);
    let half = Half::open(&path, &wanted.checksum, wanted.size);
    half.map(Some).map_err(failed("write", &path))
}

/// The driver of a [`Transfer`].
struct Fetching<'a> {
    repository: Repository,
    shared: &'a Shared,
    request: &'a ModelRequest,
    commit: &'a str,
    wanted: &'a Wanted,
    /// Bytes that came.
    came: u64,
    /// Why the last attempt failed.
    last: Option<Passing>,
    /// How much of the file counts as here in what was told.
    told_half: u64,
}

impl Fetching<'_> {
    async fn run(&mut self, half: Half) -> Result<(), FetchError> {
        let mut half = half;
        let mut transfer = Transfer::new(self.wanted.size, self.shared.patience);
        let mut body = None;
        let mut wrong = String::new();
        let mut act = transfer.begin(half.length());
        loop {
            let heard = match act {
                Act::Ask { from } => self.ask(from, &mut body).await?,
                Act::Take { at } => {
                    half = self.cut(half, at).await?;
                    let answer = body.take();
                    let have = self.receive(&mut half, answer).await?;
                    Heard::Ended { have }
                }
                Act::BeginAnew { pause } => {
                    half = self.cut(half, 0).await?;
                    self.pause(pause).await;
                    self.ask(0, &mut body).await?
                }
                Act::Wait { pause, from } => {
                    self.pause(pause).await;
                    self.ask(from, &mut body).await?
                }
                Act::Sum => {
                    wrong = half.summed();
                    let right = wrong == self.wanted.checksum.as_str();
                    Heard::Summed { right }
                }
                Act::Keep => return self.keep(half).await,
                Act::GiveUp(why) => return Err(self.gave_up(why, &transfer, wrong)),
            };
            act = transfer.step(&heard, chance());
        }
    }

    async fn ask(&mut self, from: u64, body: &mut Option<Answer>) -> Result<Heard, FetchError> {
        let client = &self.shared.client;
        let url = file_address(self.shared, self.request, self.commit, &self.wanted.path);
        match client.ask(Method::GET, url, from).await {
            Ok(answer) => {
                if answer
                    .commit
                    .as_deref()
                    .is_some_and(|commit| commit != self.commit)
                {
                    return Err(FetchError::Unexpected {
                        host: client.hub.clone(),
                        what: format!("{} of {}", self.wanted.path, self.request.name),
                        answer: "a file of another commit".to_owned(),
                    });
                }
                let heard = Heard::Body {
                    partial: answer.response.status() == StatusCode::PARTIAL_CONTENT,
                    range: answer.headers.range,
                };
                *body = Some(answer);
                Ok(heard)
            }
            Err(Trouble::Final(error)) => Err(error),
            Err(Trouble::OutOfRange) => Ok(Heard::OutOfRange),
            Err(Trouble::Refusal(refusal)) => {
                let asked = Asked::File(&self.wanted.path);
                Err(refused(refusal, asked, self.request, client))
            }
            Err(Trouble::Passing(passing)) => {
                let heard = match &passing {
                    Passing::Wish { told } => Heard::Refused(*told),
                    Passing::Status { .. } | Passing::Network { .. } | Passing::Broken { .. } => {
                        Heard::Failed
                    }
                };
                self.last = Some(passing);
                Ok(heard)
            }
        }
    }

    /// Writes a body behind what is here; how much is here then.
    async fn receive(
        &mut self,
        half: &mut Half,
        answer: Option<Answer>,
    ) -> Result<u64, FetchError> {
        let Some(Answer { mut response, .. }) = answer else {
            return Ok(half.length());
        };
        let host = crate::client::host(response.url());
        self.last = None;
        let mut untold = 0;
        let ended = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let count = chunk.len() as u64;
                    if half.length() + count > self.wanted.size {
                        break self.wanted.size + 1;
                    }
                    half.append(&chunk)
                        .map_err(|error| self.unwritten(&error))?;
                    self.came += count;
                    untold += count;
                    if untold >= TELL_EVERY {
                        self.received(std::mem::take(&mut untold));
                    }
                }
                Ok(None) => break half.length(),
                Err(error) => {
                    self.last = Some(self.shared.client.broken(&host, error));
                    break half.length();
                }
            }
        };
        self.received(untold);
        Ok(ended)
    }

    fn received(&mut self, bytes: u64) {
        if bytes > 0 {
            self.told_half += bytes;
            self.shared.say(self.request, Step::Received(bytes));
        }
    }

    async fn cut(&mut self, mut half: Half, at: u64) -> Result<Half, FetchError> {
        if at < self.told_half {
            let lost = self.told_half - at;
            self.told_half = at;
            self.shared.say(self.request, Step::Lost(lost));
        }
        let (half, cut) = beside(move || {
            let cut = half.cut(at);
            (half, cut)
        })
        .await;
        cut.map_err(|error| self.unwritten(&error))?;
        Ok(half)
    }

    async fn keep(&self, half: Half) -> Result<(), FetchError> {
        let (repository, checksum) = (self.repository.clone(), self.wanted.checksum.clone());
        let kept = beside(move || {
            let file = half.keep(&repository.blob(&checksum))?;
            repository.remember_file(&checksum, &file);
            Ok(())
        });
        kept.await.map_err(|error| self.unwritten(&error))
    }

    async fn pause(&mut self, pause: std::time::Duration) {
        if !pause.is_zero() {
            let (request, file) = (self.request, &self.wanted.path);
            wait(self.shared, request, file, pause, self.last.as_ref()).await;
        }
    }

    fn unwritten(&self, error: &io::Error) -> FetchError {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&error.kind()) {
            let needed = self.wanted.size.saturating_sub(self.told_half);
            return no_space(&self.repository, self.request, needed);
        }
        FetchError::Cache {
            doing: "write",
            path: self.repository.half(&self.wanted.checksum),
            why: crate::cache::in_words(error),
        }
    }

    fn gave_up(&mut self, why: GiveUp, transfer: &Transfer, wrong: String) -> FetchError {
        let (client, name) = (&self.shared.client, self.request.name.clone());
        let file = self.wanted.path.clone();
        match (why, self.last.take()) {
            (GiveUp::WrongChecksum, _) => FetchError::WrongChecksum {
                name,
                file,
                expected: self.wanted.checksum.to_string(),
                got: wrong,
            },
            (GiveUp::Fruitless, None) => self.cut_off(client.hub.clone(), transfer),
            (GiveUp::Fruitless, Some(Passing::Broken { host, .. })) => self.cut_off(host, transfer),
            (GiveUp::Fruitless | GiveUp::Refused(_), last) => gave_up(
                last,
                Asked::File(&file),
                self.request,
                client,
                transfer.pace(),
            ),
        }
    }

    fn cut_off(&self, host: String, transfer: &Transfer) -> FetchError {
        FetchError::Cut {
            host,
            name: self.request.name.clone(),
            file: self.wanted.path.clone(),
            got: Bytes(transfer.have()),
            size: Bytes(self.wanted.size),
            attempts: transfer.pace().fruitless(),
        }
    }
}
