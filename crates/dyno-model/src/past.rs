//! What earlier runs tell of a test.

use crate::Bytes;
use std::time::Duration;

/// What a test took in earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// From its beginning to its end, set-up and teardown of what it shares included.
    pub elapsed: Duration,
    /// Of processors. If it was sealed, with all that it started.
    pub cpu: Duration,
    /// Memory that its unit had, without page cache; 0 where that is not known.
    pub memory: Bytes,
}
