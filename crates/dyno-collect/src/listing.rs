//! A collection as pytest prints it: flat (`-q`), counted (`-qq`), as a tree.

use crate::Collection;
use dyno_model::TestId;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How a collection is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Folders, modules, classes and functions, one below the other.
    Tree,
    /// One node id a line (`-q`).
    Flat,
    /// One file a line with its count (`-qq`).
    Counts,
}

impl Look {
    /// By pytest's verbosity: `-q` lowers it by one.
    pub fn of_verbosity(verbosity: i32) -> Self {
        match verbosity {
            0.. => Self::Tree,
            -1 => Self::Flat,
            _ => Self::Counts,
        }
    }
}

/// The collection in that look, with pytest's closing line. Flat and counted it is what
/// `pytest --collect-only` prints with as many `-q`, but for the warnings and the text of
/// errors between list and line.
pub fn listing(collection: &Collection, look: Look, took: Duration) -> String {
    let mut text = String::new();
    match look {
        Look::Tree => tree(&mut text, collection),
        Look::Flat => {
            for item in collection.items() {
                text.push_str(item.id.as_str());
                text.push('\n');
            }
        }
        Look::Counts => {
            // pytest sorts the counted files by name.
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for item in collection.items() {
                *counts.entry(file_of(&item.id)).or_default() += 1;
            }
            for (file, count) in counts {
                let _ = writeln!(text, "{file}: {count}");
            }
        }
    }
    text.push('\n');
    match look {
        Look::Flat => {
            let _ = writeln!(text, "{} in {}", closing(collection), seconds(took));
        }
        Look::Tree => {
            let line = format!(" {} in {} ", closing(collection), seconds(took));
            let _ = writeln!(text, "{line:=^80}");
        }
        Look::Counts => {}
    }
    text
}

/// The part of a node id before the first `::`.
pub(crate) fn file_of(id: &TestId) -> &str {
    let id = id.as_str();
    id.split_once("::").map_or(id, |(file, _)| file)
}

/// pytest's `_build_collect_only_summary_stats_line`.
fn closing(collection: &Collection) -> String {
    let (left, deselected) = (collection.tests.len(), collection.deselected);
    let all = left + deselected;
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let mut line = if all == 0 {
        "no tests collected".to_owned()
    } else if deselected == 0 {
        format!("{all} test{} collected", s(all))
    } else if left == 0 {
        format!("no tests collected ({deselected} deselected)")
    } else {
        format!("{left}/{all} tests collected ({deselected} deselected)")
    };
    let errors = collection.errors.len();
    if errors > 0 {
        let _ = write!(line, ", {errors} error{}", s(errors));
    }
    line
}

/// pytest's `format_session_duration`.
fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.2}s");
    }
    let whole = took.as_secs();
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    format!("{seconds:.2}s ({hours}:{minutes:02}:{rest:02})")
}

/// One node of the tree: what it is called and what it is.
type Node = (String, &'static str);

fn tree(text: &mut String, collection: &Collection) {
    let mut open: Vec<String> = Vec::new();
    for listed in &collection.tests {
        let mut chain: Vec<String> = Vec::new();
        if let Some(file) = collection.files.get(listed.file) {
            chain.extend(file.folders.iter().map(|folder| {
                let kind = if folder.is_package { "Package" } else { "Dir" };
                format!("<{kind} {}>", folder.name)
            }));
            let name = file.id.rsplit('/').next().unwrap_or(&file.id);
            chain.push(format!("<{} {name}>", file.kind));
        }
        let below = below_file(listed.found.test.item.id.as_str());
        chain.extend(
            below
                .into_iter()
                .map(|(name, kind)| format!("<{kind} {name}>")),
        );
        let same = open
            .iter()
            .zip(&chain)
            .take_while(|(one, other)| one == other);
        // A test is always a node of its own, also beside one of the same name.
        let depth = same.count().min(chain.len().saturating_sub(1));
        for (level, node) in chain.iter().enumerate().skip(depth) {
            let _ = writeln!(text, "{:width$}{node}", "", width = level * 2);
        }
        open = chain;
    }
}

/// Classes and the function of a node id. Brackets may hold `::`.
fn below_file(id: &str) -> Vec<Node> {
    let Some((_, names)) = id.split_once("::") else {
        return Vec::new();
    };
    let bracket = names.find('[').unwrap_or(names.len());
    let (plain, brackets) = names.split_at(bracket);
    let mut nodes: Vec<Node> = plain
        .split("::")
        .map(|name| (name.to_owned(), "Class"))
        .collect();
    if let Some((name, kind)) = nodes.last_mut() {
        name.push_str(brackets);
        *kind = "Function";
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::collection;

    #[test]
    fn each_look() {
        let collection = collection();
        let took = Duration::from_millis(120);
        let shown: Vec<_> = [0, -1, -2]
            .map(|verbosity| listing(&collection, Look::of_verbosity(verbosity), took))
            .into_iter()
            .collect();
        insta::assert_snapshot!(shown.join("--------\n"));
    }

    #[test]
    fn the_closing_line_is_pytests() {
        let mut collection = collection();
        let all = collection.tests.len();
        collection.deselected = 2;
        assert_eq!(
            closing(&collection),
            format!("{all}/{} tests collected (2 deselected)", all + 2)
        );
        collection.tests.clear();
        assert_eq!(closing(&collection), "no tests collected (2 deselected)");
        collection.deselected = 0;
        assert_eq!(closing(&collection), "no tests collected");
        assert_eq!(
            seconds(Duration::from_millis(3_661_500)),
            "3661.50s (1:01:01)"
        );
    }
}
