//! The tables of `docs/doctor.md`, held against what the doctor says.

use crate::area::Area;
use dyno_model::{Finding, FindingState};
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// The first cells of an area's table. `…` in one stands for what differs between machines.
fn lines(area: Area) -> Vec<&'static str> {
    let heading = format!("### `{}`: {}\n", area.name(), area.about());
    let (_, rest) = PAGE
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no {heading}"));
    let table = rest
        .lines()
        .skip(1)
        .skip_while(|line| !line.starts_with("|---"));
    let rows = table.skip(1).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| Some(row.split('|').nth(1)?.trim()))
        .collect()
}

/// Fails where a finding has no line on the page.
pub(crate) fn assert_on_the_page(area: Area, findings: &[Finding]) {
    for Finding { name, .. } in findings {
        let is = |line: &&str| match line.strip_suffix('…') {
            Some(start) => name.starts_with(start),
            None => line == name,
        };
        assert!(
            lines(area).iter().any(is),
            "docs/doctor.md has no {name:?} of {area}"
        );
    }
}

/// The finding of this name.
pub(crate) fn named<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.name == name)
        .unwrap_or_else(|| panic!("no {name:?} in {findings:?}"))
}

/// Fails where a finding is of another state, or its command has not these words.
pub(crate) fn assert_mends(found: &Finding, state: FindingState, command: &str) {
    assert_eq!(found.state, state, "{found:?}");
    let remedy = found.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains(command), "{found:?}");
}

/// All that a crate's doctor is written in.
fn text_of(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &text_of(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            all += &std::fs::read_to_string(path).unwrap();
        }
    }
    all
}

#[test]
fn what_the_page_has_is_looked_at() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = ["dyno-doctor/src", "dyno-sandbox/src/doctor"]
        .map(|folder| text_of(&crates.join(folder)))
        .concat();
    for area in Area::ALL {
        let lines = lines(area);
        assert!(!lines.is_empty(), "{area}");
        for line in lines {
            let start = line.strip_suffix('…').unwrap_or(line);
            assert!(
                text.contains(&format!("\"{start}")),
                "{line:?} of {area} is not looked at"
            );
        }
    }
}
