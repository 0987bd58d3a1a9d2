//! Models of the Hugging Face Hub: fetched, checked and kept in the cache that all tools share.
//!
//! The cache has the layout of `huggingface_hub`, so that what dyno fetched is there for a
//! suite, for vLLM and for transformers, and the other way round. No file has its name in it
//! before its checksum was right, and each is fetched under the lock that other tools take too.
//!
//! [`fetch()`] brings models there, [`cached`] tells what is there, [`inquire`]
//! whether one could be had. [`inventory`], [`verify`] and
//! [`collect_garbage`] look after the cache. What comes next in a transfer, and when one gives
//! up, is decided by machines that know no socket and no clock (`transfer`, `pace`).

mod cache;
mod checksum;
mod client;
mod error;
mod fetch;
mod headers;
mod listing;
mod mask;
mod pace;
mod place;
mod progress;
mod transfer;
mod wanted;

pub use cache::gc::{Collected, Garbage, GarbageKind, collect_garbage};
pub use cache::inventory::{CachedModel, CachedRevision, Extent, inventory};
pub use cache::look::{cached, known_whole};
pub use cache::verify::{Done, Fault, FaultKind, Verification, verify};
pub use error::FetchError;
pub use fetch::{Options, Snapshot, fetch, fetch_each, inquire};
pub use pace::Patience;
pub use place::{Place, Token, TokenSource};
pub use progress::{Progress, Step, Wait};
