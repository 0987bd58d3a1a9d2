//! Values that nobody is to read.

use std::fmt;

/// A value that is shown nowhere: its `Debug` is its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Private(Vec<u8>);

impl Private {
    /// Keeps a value.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one file that it is written to.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.0.len())
    }
}
