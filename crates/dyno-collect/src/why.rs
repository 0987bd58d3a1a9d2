//! `dyno collect --why NODE`: what decided.

use crate::{Collection, File, Listed, Source};
use dyno_model::{Doubt, Marker, Unknown};
use std::fmt::Write;

/// A doubt's name, as it stands in documents and on the screen.
pub(crate) fn doubt_name(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Existence => "existence",
        Doubt::Ids => "ids",
        Doubt::Markers => "markers",
        Doubt::Keywords => "keywords",
        Doubt::Fixtures => "fixtures",
        Doubt::Order => "order",
        Doubt::Location => "location",
    }
}

/// What decided about the tests that `node` names: a file, a class, a function, a test.
/// Absent where the collection holds no such node.
pub fn why(collection: &Collection, node: &str) -> Option<String> {
    let file_id = node.split_once("::").map_or(node, |(file, _)| file);
    let file = collection
        .files
        .iter()
        .position(|file| file.id == file_id)?;
    let is_below = |listed: &&Listed| {
        let id = listed.found.test.item.id.as_str();
        listed.file == file
            && id.strip_prefix(node).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with("::") || rest.starts_with('[')
            })
    };
    let listed: Vec<_> = collection.tests.iter().filter(is_below).collect();
    if listed.is_empty() && node != file_id {
        return None;
    }
    let mut text = String::new();
    if let Some(file) = collection.files.get(file) {
        of_file(&mut text, file);
    }
    for listed in listed {
        of_test(&mut text, listed);
    }
    Some(text)
}

fn of_file(text: &mut String, file: &File) {
    let said = match file.source {
        Source::Text => "known from its text",
        Source::KeptText => "known from its text, as it was read earlier; nothing has changed",
        Source::Pytest => "told by pytest, which imported it",
        Source::KeptAnswer => "told by pytest earlier; nothing that it depends on has changed",
    };
    let _ = writeln!(text, "{}: {said}", file.id);
    if !file.open.is_empty() {
        text.push_str("  its text leaves open:\n");
        doubts(text, &file.open);
    }
    if let Some(reason) = &file.affected {
        let _ = writeln!(text, "  a change can affect it: {reason}");
    }
    if let Some(skip) = &file.skip {
        let _ = writeln!(text, "  it skips itself: {}", skip.reason);
    }
    if let Some(failure) = &file.failure {
        text.push_str("  pytest cannot import it:\n");
        for line in failure.longrepr.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
}

fn of_test(text: &mut String, listed: &Listed) {
    let told = &listed.found.test;
    let _ = writeln!(text, "{}", told.item.id.as_str());
    let location = &told.item.location;
    if let Some(line) = location.line {
        let _ = writeln!(
            text,
            "  defined at {}:{}",
            location.file,
            line.saturating_add(1)
        );
    }
    if !told.item.markers.is_empty() {
        let markers: Vec<_> = told.item.markers.iter().map(written).collect();
        let _ = writeln!(text, "  markers: {}", markers.join(", "));
    }
    if !told.fixtures.is_empty() {
        let names: Vec<_> = told
            .fixtures
            .iter()
            .map(|used| used.name.as_str())
            .collect();
        let _ = writeln!(text, "  fixtures: {}", names.join(", "));
    }
    if !listed.found.unknown.is_empty() {
        text.push_str("  not known:\n");
        doubts(text, &listed.found.unknown);
    }
}

fn doubts(text: &mut String, unknown: &[Unknown]) {
    for unknown in unknown {
        let _ = write!(
            text,
            "    {}: {}",
            doubt_name(unknown.doubt),
            unknown.reason
        );
        if !unknown.at.is_empty() {
            let _ = write!(text, " ({})", unknown.at);
        }
        text.push('\n');
    }
}

/// A marker as it is written, with `?` for what is not known.
pub(crate) fn written(marker: &Marker) -> String {
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
    let positional = marker.args.iter().map(known);
    let keywords = marker.kwargs.iter();
    let keywords = keywords.map(|(name, value)| format!("{name}={}", known(value)));
    let args: Vec<_> = positional.chain(keywords).collect();
    if args.is_empty() {
        marker.name.clone()
    } else {
        format!("{}({})", marker.name, args.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::collection;

    #[test]
    fn a_file_and_a_test() {
        let collection = collection();
        let told: Vec<_> = ["tests/test_b.py", "tests/test_a.py::TestX::test_two"]
            .map(|node| why(&collection, node).unwrap())
            .into_iter()
            .collect();
        insta::assert_snapshot!(told.join("--------\n"));
        assert_eq!(why(&collection, "tests/test_a.py::test_on"), None);
        assert_eq!(why(&collection, "absent.py"), None);
    }
}
