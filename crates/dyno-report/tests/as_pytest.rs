//! The screen is pytest's: `data/record.py` ran real pytest, and kept for each case what
//! it printed and the events that dyno would have had. Byte for byte.

#![allow(
    clippy::disallowed_methods,
    reason = "the data of a test lies in files"
)]

use dyno_model::Stamped;
use dyno_report::{Style, Terminal};
use std::fs;
use std::path::Path;

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Names with arguments and widths.
fn cases() -> Vec<(String, Style)> {
    let index = fs::read_to_string(data().join("cases.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let case = |(name, case): (&String, &serde_json::Value)| {
        let args: Vec<&str> = case["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap())
            .collect();
        let width = usize::try_from(case["width"].as_u64().unwrap()).unwrap();
        let style = Style::new(width, args.contains(&"--color=yes"));
        (name.clone(), style)
    };
    index.as_object().unwrap().iter().map(case).collect()
}

fn events(case: &str) -> Vec<Stamped> {
    let text = fs::read_to_string(data().join(format!("{case}.jsonl"))).unwrap();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(parse).collect()
}

fn screen(case: &str, style: Style) -> String {
    let mut terminal = Terminal::new(style);
    let mut screen: String = events(case)
        .iter()
        .map(|event| terminal.event(event))
        .collect();
    screen.push_str(&terminal.cut_off());
    screen
}

#[test]
fn every_screen_is_pytests() {
    let mut wrong = Vec::new();
    for (case, style) in cases() {
        let pytests = fs::read_to_string(data().join(format!("{case}.txt"))).unwrap();
        let ours = screen(&case, style);
        let mut differ = pytests
            .split('\n')
            .zip(ours.split('\n'))
            .filter(|(theirs, ours)| theirs != ours);
        if let Some((theirs, ours)) = differ.next() {
            wrong.push(format!("{case}:\n  pytest {theirs:?}\n  dyno   {ours:?}"));
        } else if pytests.matches('\n').count() != ours.matches('\n').count() {
            wrong.push(format!("{case}: not as many lines\n{ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_cases_are_there() {
    assert!(cases().len() >= 35, "{}", cases().len());
}

#[test]
fn without_colours_a_run_recorded_with_them_has_no_escape_sequence() {
    for case in cases().into_iter().filter(|case| case.1.color) {
        let (case, style) = case;
        let style = Style {
            color: false,
            ..style
        };
        let screen = screen(&case, style);
        assert!(!screen.contains('\x1b'), "{case}");
        assert!(screen.contains(" in "), "{case}");
    }
}
