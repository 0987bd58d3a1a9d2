//! Why a model cannot be had, in the words of who reads it.

use dyno_model::{Bytes, ModelName, ModelRequest, Revision};
use std::path::PathBuf;
use std::time::Duration;

/// Why a model cannot be had. Its text is one lowercase sentence; [`FetchError::hint`] says what
/// to do. No text of it holds the token: what a server said has passed `Mask`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The Hub has no repository of this name, or does not say so to whoever asked.
    #[error("{hub} has no model {name}{}", if *.token { " that this token may see" } else { ", or shows it to nobody without a token" })]
    NoRepository {
        /// The host that was asked.
        hub: String,
        /// The model.
        name: ModelName,
        /// Whether a token was sent.
        token: bool,
    },
    /// The repository has no such branch, tag or commit.
    #[error("the model {name} has no revision {revision:?}", revision = .revision.as_str())]
    NoRevision {
        /// The model.
        name: ModelName,
        /// What it does not have.
        revision: Revision,
    },
    /// A file of the listing is not served.
    #[error("{hub} lists {file:?} of {name} and does not serve it")]
    NoFile {
        /// The host that was asked.
        hub: String,
        /// The model.
        name: ModelName,
        /// The file.
        file: String,
    },
    /// The model is gated.
    #[error("the model {name} is gated, and {}", if *.token { "the owner of this token has not been let in" } else { "no token is set" })]
    Gated {
        /// The model.
        name: ModelName,
        /// Its page, where access is asked for.
        page: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// The Hub does not take the token.
    #[error("{hub} refuses the token of {source_of_token}")]
    TokenRefused {
        /// The host that was asked.
        hub: String,
        /// Where the token was found.
        source_of_token: String,
    },
    /// The Hub forbids it, for another reason than a gate.
    #[error("{hub} forbids to read {name}{}", told(.said))]
    Forbidden {
        /// The host that was asked.
        hub: String,
        /// The model.
        name: ModelName,
        /// What it said.
        said: String,
    },
    /// Too many requests, for longer than one waits.
    #[error("{hub} limits the rate of requests{}, and {waited:?} of waiting were not enough", for_another(*.told))]
    RateLimited {
        /// The host that was asked.
        hub: String,
        /// For how long it said to wait the last time.
        told: Option<Duration>,
        /// How long was waited in all.
        waited: Duration,
        /// Whether a token was sent: without one the limit is lower.
        token: bool,
    },
    /// The server fails.
    #[error("{host} answered {status} to {attempts} attempts at {what}{}", told(.said))]
    Server {
        /// The host.
        host: String,
        /// Its status.
        status: u16,
        /// What was asked for.
        what: String,
        /// How often.
        attempts: u32,
        /// What it said.
        said: String,
    },
    /// An answer that no Hub gives.
    #[error("{host} answered {what} with {answer}")]
    Unexpected {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// What came.
        answer: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach {host} for {what}: {why}")]
    NoNetwork {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// One lowercase clause.
        why: String,
    },
    /// The server's certificate is not good.
    #[error("cannot trust {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// One lowercase clause.
        why: String,
    },
    /// The body of a file ends early each time.
    #[error(
        "{host} cut {file} of {name} off after {got} of {size}, in {attempts} attempts without progress"
    )]
    Cut {
        /// The host.
        host: String,
        /// The model.
        name: ModelName,
        /// The file.
        file: String,
        /// How much of it is here.
        got: Bytes,
        /// How much there is.
        size: Bytes,
        /// How often in a row nothing new came.
        attempts: u32,
    },
    /// More redirects than anyone follows, or one that leads nowhere.
    #[error("{host} redirects {what} {why}")]
    Redirects {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// Where that leads.
        why: &'static str,
    },
    /// What came is not what was announced, twice.
    #[error(
        "{file} of {name} came twice with a wrong checksum: {expected} was announced, {got} came"
    )]
    WrongChecksum {
        /// The model.
        name: ModelName,
        /// The file.
        file: String,
        /// The announced checksum.
        expected: String,
        /// The checksum of what came.
        got: String,
    },
    /// The server announces no checksum, so nothing could be checked.
    #[error("{hub} announces no checksum of {file:?} of {name}")]
    NoChecksum {
        /// The host that was asked.
        hub: String,
        /// The model.
        name: ModelName,
        /// The file.
        file: String,
    },
    /// A file's name leads out of the model's folder.
    #[error("{hub} lists a file of {name} that must not be written: {file:?}")]
    UnsafeFile {
        /// The host that was asked.
        hub: String,
        /// The model.
        name: ModelName,
        /// The name, as it was given.
        file: String,
    },
    /// The disk is full, or would be.
    #[error("no space for {name} in {}: {needed} to get, {free} free", .folder.display())]
    NoSpace {
        /// The model.
        name: ModelName,
        /// What is to be got yet, of this model and of those that are fetched beside it.
        needed: Bytes,
        /// What is free.
        free: Bytes,
        /// The cache.
        folder: PathBuf,
    },
    /// The cache cannot be read or written.
    #[error("cannot {doing} {}: {why}", .path.display())]
    Cache {
        /// `write`, `read`, `lock`, ...
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// The kernel's words.
        why: String,
    },
    /// The model is not whole in the cache, and the Hub may not be asked, or was not.
    #[error("{request} is not in the cache {}: {why}", .cache.display())]
    NotCached {
        /// What was looked for.
        request: ModelRequest,
        /// Where.
        cache: PathBuf,
        /// What is missing: one lowercase clause.
        why: String,
        /// Whether the environment forbids to ask the Hub.
        offline: bool,
    },
    /// `HF_ENDPOINT` is no address.
    #[error("the Hub's address {endpoint:?} is none: {why}")]
    Endpoint {
        /// The address.
        endpoint: String,
        /// One lowercase clause.
        why: String,
    },
}

fn told(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!(" ({said})")
    }
}

fn for_another(told: Option<Duration>) -> String {
    told.map_or_else(String::new, |told| {
        format!(" for another {} s", told.as_secs())
    })
}

impl FetchError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let set_token = "set HF_TOKEN, or log in with `hf auth login`";
        match self {
            Self::NoRepository { token: true, .. } => {
                "check the name; a private model needs a token that may read it".to_owned()
            }
            Self::NoRepository { .. } => {
                format!("check the name; if the model is private, {set_token}")
            }
            Self::NoRevision { name, .. } => {
                format!("name a branch, a tag or a whole commit that {name} has")
            }
            Self::Gated {
                page, token: false, ..
            } => format!("ask for access on {page}, then {set_token}"),
            Self::Gated { page, .. } => format!(
                "ask for access on {page}, and see that the token may read gated repositories"
            ),
            Self::TokenRefused {
                source_of_token, ..
            } => format!("replace the token in {source_of_token}, or remove it"),
            Self::Forbidden { .. } => "see that the token may read this repository".to_owned(),
            Self::RateLimited { token: false, .. } => {
                format!("try again later, or {set_token}: the limit is higher with a token")
            }
            Self::RateLimited { .. } => "try again later; what was got is kept".to_owned(),
            Self::Server { .. } | Self::Cut { .. } => {
                "try again later; what was got is kept and continued".to_owned()
            }
            Self::Unexpected { .. } | Self::NoChecksum { .. } | Self::NoFile { .. } => {
                "see that HF_ENDPOINT names a Hub, and that no proxy answers in its place"
                    .to_owned()
            }
            Self::NoNetwork { .. } => {
                "check the network, the proxy (HTTPS_PROXY, NO_PROXY) and HF_ENDPOINT".to_owned()
            }
            Self::Tls { .. } => {
                "let SSL_CERT_FILE name the certificates that this network needs".to_owned()
            }
            Self::Redirects { .. } => "see that HF_ENDPOINT names a Hub".to_owned(),
            Self::WrongChecksum { .. } => {
                "something between here and the Hub changes files, or the Hub's storage is broken"
                    .to_owned()
            }
            Self::UnsafeFile { .. } => "do not use this model".to_owned(),
            Self::NoSpace { folder, .. } => format!(
                "free some with `dyno models gc --unused-for 30d`, or choose another folder than \
                 {} with --models-dir or HF_HUB_CACHE",
                folder.display()
            ),
            Self::Cache { .. } => {
                "make it writable, or choose another folder with --models-dir or HF_HUB_CACHE"
                    .to_owned()
            }
            Self::NotCached {
                request,
                offline: true,
                ..
            } => format!("unset HF_HUB_OFFLINE and run `dyno models prefetch {request}`"),
            Self::NotCached { request, .. } => format!("run `dyno models prefetch {request}`"),
            Self::Endpoint { .. } => {
                "HF_ENDPOINT is an address such as https://huggingface.co".to_owned()
            }
        }
    }

    /// Whether the Hub could not be asked, or not now, or nothing can be written, while the cache
    /// may have the model all the same.
    pub(crate) fn leaves_the_cache(&self) -> bool {
        matches!(
            self,
            Self::NoNetwork { .. }
                | Self::Server { .. }
                | Self::RateLimited { .. }
                | Self::Tls { .. }
                | Self::Cache { .. }
        )
    }
}
