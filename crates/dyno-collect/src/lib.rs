//! Collection: text, cache and pytest's own answer, joined.
//!
//! [`collect()`] says which tests a run would hold. It takes from the text what the text
//! settles (`dyno-discover`), from the cache what nothing has changed of, and asks pytest
//! for the rest, importing just those files. pytest itself is lent by whoever may start
//! processes ([`Pytest`]); the disk ([`Disk`]) and the caches are this crate's own.

mod cache;
mod collect;
mod collection;
mod difference;
mod disk;
mod document;
mod environment;
mod fingerprint;
mod git;
mod listing;
pub mod markers;
mod pytest;
mod request;
#[cfg(test)]
mod testing;
mod variables;
mod verbosity;
mod verification;
mod why;

pub use collect::{Imports, Wanted, collect, imports, keep};
pub use collection::{Collection, File, Folder, Listed, Source};
pub use difference::Difference;
pub use disk::Disk;
pub use document::Document;
pub use fingerprint::Fingerprint;
pub use git::{Changed, GitError, changed_paths, is_commit};
pub use listing::{Look, listing};
pub use pytest::{NoAnswer, Pytest, Told};
pub use request::{CollectError, Request, Settle};
pub use variables::Variables;
pub use verification::{Aside, Verification, verify};
pub use why::why;
