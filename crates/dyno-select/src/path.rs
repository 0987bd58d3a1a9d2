//! A node id taken apart: the file, the names below it, the brackets.

/// The part of a node id below its file.
///
/// A bracket ends the names: what follows may hold `::`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodePath<'a> {
    /// The classes, joined by `::`; absent where there is none.
    classes: Option<&'a str>,
    /// The last name, with its brackets; absent where the id is that of a file.
    last: Option<&'a str>,
}

impl<'a> NodePath<'a> {
    /// Takes apart the id of a node of a file. (A file's own id may hold `::`.)
    pub(crate) fn of(id: &'a str, file: &str) -> Self {
        let below = match id.strip_prefix(file) {
            Some("") => None,
            Some(rest) if rest.starts_with("::") => Some(&rest[2..]),
            _ => id.split_once("::").map(|(_, below)| below),
        };
        let Some(below) = below else {
            return Self {
                classes: None,
                last: None,
            };
        };
        let names = below.split('[').next().unwrap_or(below);
        match names.rfind("::") {
            Some(at) => Self {
                classes: below.get(..at),
                last: below.get(at + 2..),
            },
            None => Self {
                classes: None,
                last: Some(below),
            },
        }
    }

    /// The classes, outermost first.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.classes.into_iter().flat_map(|names| names.split("::"))
    }

    /// The last name, with its brackets.
    pub(crate) fn last(&self) -> Option<&'a str> {
        self.last
    }

    /// Every name, outermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.classes().chain(self.last)
    }
}
