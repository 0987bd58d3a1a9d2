//! The doubts about a test that selection looks at.

use dyno_model::{Doubt, FileTests, FoundTest, Unknown};

/// The doubts about a test: its own and those of its file together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubts<'a> {
    /// Which kinds there are.
    kinds: u8,
    /// Those of them that are about any name.
    about_any: u8,
    listed: [&'a [Unknown]; 2],
}

impl<'a> Doubts<'a> {
    /// None.
    pub const NONE: Self = Self {
        kinds: 0,
        about_any: 0,
        listed: [&[], &[]],
    };

    /// Those that are listed.
    pub fn of(unknown: &'a [Unknown]) -> Self {
        Self::together([unknown, &[]])
    }

    /// Those of a test of a file. What is in doubt of the file is of each of its tests.
    pub fn of_test(test: &'a FoundTest, file: &'a FileTests) -> Self {
        Self::together([&test.unknown, &file.unknown])
    }

    fn together(listed: [&'a [Unknown]; 2]) -> Self {
        let kinds = listed.iter().copied().flatten();
        Self {
            kinds: kinds.fold(0, |kinds, unknown| kinds | bit(unknown.doubt)),
            about_any: 0,
            listed,
        }
    }

    /// These and one more, about any name.
    #[must_use]
    pub fn with(self, doubt: Doubt) -> Self {
        Self {
            kinds: self.kinds | bit(doubt),
            about_any: self.about_any | bit(doubt),
            ..self
        }
    }

    /// Whether any of these kinds is there.
    pub fn any(self, kinds: &[Doubt]) -> bool {
        kinds.iter().any(|&kind| self.kinds & bit(kind) != 0)
    }

    /// Whether there is a doubt of this kind about a name that is meant.
    pub fn about(self, kind: Doubt, is_meant: impl Fn(&str) -> bool) -> bool {
        if self.kinds & bit(kind) == 0 {
            return false;
        }
        let mut listed = self.listed.iter().copied().flatten();
        self.about_any & bit(kind) != 0
            || listed.any(|unknown| {
                let about_any = unknown.names.is_empty();
                unknown.doubt == kind
                    && (about_any || unknown.names.iter().any(|name| is_meant(name)))
            })
    }
}

fn bit(doubt: Doubt) -> u8 {
    1 << match doubt {
        Doubt::Existence => 0,
        Doubt::Ids => 1,
        Doubt::Markers => 2,
        Doubt::Keywords => 3,
        Doubt::Fixtures => 4,
        Doubt::Order => 5,
        Doubt::Location => 6,
    }
}
