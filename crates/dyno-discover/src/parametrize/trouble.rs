//! Why the parameters of a function are not known.

use dyno_python::Reason;

/// Why the tests that a function makes are not known.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The text does not settle it.
    Unknown {
        /// Why.
        reason: Reason,
        /// Whether rows that were not understood may bear marks.
        marks: bool,
    },
    /// It is an error of collection.
    Fails(Reason),
}

impl Trouble {
    /// Ids are not known; what marks the rows bear is.
    pub(super) fn ids(reason: Reason) -> Self {
        Self::Unknown {
            reason,
            marks: false,
        }
    }

    /// Neither rows nor their marks are known.
    pub(super) fn rows(reason: Reason) -> Self {
        Self::Unknown {
            reason,
            marks: true,
        }
    }
}
