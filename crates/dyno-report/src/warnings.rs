//! The warnings summary: by message, with the places of each.

use crate::canvas::{Canvas, Ink};
use dyno_model::Warning;

/// From so many places on, pytest counts them by file.
const LISTED: usize = 10;

pub(crate) fn show(warnings: &[Warning], canvas: &mut Canvas) {
    if warnings.is_empty() {
        return;
    }
    canvas.sep('=', "warnings summary", &[Ink::Yellow]);
    for (message, group) in grouped(warnings, |warning| warning.message.as_str()) {
        let places: Vec<&str> = group.iter().filter_map(|warning| place(warning)).collect();
        if places.is_empty() {
            canvas.line(message.trim_end(), &[]);
        } else {
            canvas.line(&collapsed(&places), &[]);
            let lines: Vec<String> = message.lines().map(|line| format!("  {line}")).collect();
            canvas.line(lines.join("\n").trim_end(), &[]);
        }
        canvas.line("", &[]);
    }
    canvas.line(
        "-- Docs: https://docs.pytest.org/en/stable/how-to/capture-warnings.html",
        &[],
    );
}

fn place(warning: &Warning) -> Option<&str> {
    let test = warning.test.as_deref().filter(|test| !test.is_empty());
    test.or(warning.place.as_deref())
}

fn collapsed(places: &[&str]) -> String {
    if places.len() < LISTED {
        return places.join("\n");
    }
    let lines: Vec<String> = grouped(places, |place| {
        place.split_once("::").map_or(*place, |(file, _)| file)
    })
    .into_iter()
    .map(|(file, group)| {
        let count = group.len();
        let plural = if count == 1 { "" } else { "s" };
        format!("{file}: {count} warning{plural}")
    })
    .collect();
    lines.join("\n")
}

/// Puts what has the same key together, in the order in which keys first appear.
fn grouped<'a, T>(all: &'a [T], key: impl Fn(&'a T) -> &'a str) -> Vec<(&'a str, Vec<&'a T>)> {
    let mut places = std::collections::HashMap::new();
    let mut groups: Vec<(&str, Vec<&T>)> = Vec::new();
    for one in all {
        let key = key(one);
        let place = *places.entry(key).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(one);
    }
    groups
}
