//! Space on the cache's disk.

use crate::cache::Repository;
use crate::error::FetchError;
use crate::fetch::Shared;
use dyno_model::{Bytes, ModelRequest};

/// Space on the disk that is spoken for.
pub(super) struct Reserved<'a> {
    shared: &'a Shared,
    bytes: u64,
}

impl<'a> Reserved<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        repository: &Repository,
        request: &ModelRequest,
        bytes: u64,
    ) -> Result<Self, FetchError> {
        let free = free_space(repository);
        let mut reserved = shared.reserved();
        let needed = reserved.saturating_add(bytes);
        if bytes > 0 && free.is_some_and(|free| free < needed) {
            return Err(no_space(repository, request, needed));
        }
        *reserved = needed;
        Ok(Self { shared, bytes })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut reserved = self.shared.reserved();
        *reserved = reserved.saturating_sub(self.bytes);
    }
}

/// What is free on the cache's disk to whoever is not root, where that can be told.
fn free_space(repository: &Repository) -> Option<u64> {
    let about = rustix::fs::statvfs(repository.folder()).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

pub(super) fn no_space(repository: &Repository, request: &ModelRequest, needed: u64) -> FetchError {
    FetchError::NoSpace {
        name: request.name.clone(),
        needed: Bytes(needed),
        free: Bytes(free_space(repository).unwrap_or_default()),
        folder: repository.cache().to_owned(),
    }
}
