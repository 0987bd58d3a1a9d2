//! Markers, counted.

use crate::Collection;
use crate::listing::file_of;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How many tests bear which marker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tests by marker.
    pub markers: BTreeMap<String, usize>,
    /// Tests by file and marker.
    pub files: BTreeMap<String, BTreeMap<String, usize>>,
    /// All tests.
    pub tests: usize,
    /// Tests without a marker.
    pub unmarked: usize,
}

/// Counts the tests that bear a marker, once each however often they bear it.
pub fn counts(collection: &Collection) -> Counts {
    let mut counts = Counts::default();
    for item in collection.items() {
        let names: BTreeSet<&str> = item.markers.iter().map(|one| one.name.as_str()).collect();
        counts.tests += 1;
        counts.unmarked += usize::from(names.is_empty());
        let file = counts
            .files
            .entry(file_of(&item.id).to_owned())
            .or_default();
        for name in names {
            *counts.markers.entry(name.to_owned()).or_default() += 1;
            *file.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

impl Counts {
    /// Two tables: markers, the most used first; files with their markers.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut markers: Vec<_> = self.markers.iter().collect();
        markers.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let width = markers
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        for (name, count) in markers {
            let _ = writeln!(text, "{name:width$}  {count:>6}");
        }
        if self.unmarked > 0 {
            let _ = writeln!(text, "{:width$}  {:>6}", "(none)", self.unmarked);
        }
        text.push('\n');
        for (file, markers) in &self.files {
            let listed: Vec<_> = markers
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            let _ = writeln!(
                text,
                "{file}: {}",
                if listed.is_empty() {
                    "(none)".to_owned()
                } else {
                    listed.join(", ")
                }
            );
        }
        let _ = writeln!(text, "\n{} tests in {} files", self.tests, self.files.len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        insta::assert_snapshot!(counts(&crate::testing::collection()).table());
    }
}
