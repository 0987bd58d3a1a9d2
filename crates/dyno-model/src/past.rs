//! What earlier runs tell of a test.

use std::time::Duration;

/// What a test took in earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// From its beginning to its end, set-up and teardown of what it shares included.
    pub elapsed: Duration,
    /// Of processors.
    pub cpu: Duration,
}
