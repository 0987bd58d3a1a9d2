//! The grammar of ini files, as the `iniconfig` package reads them for pytest.
//!
//! ```text
//! file         = line*
//! line         = blank | comment | section | value | continuation
//! comment      = space* ("#" | ";") any*
//! section      = "[" name "]" ; what follows "#" or ";" on the line is dropped
//! value        = name ("=" | ":") text ; begins in the first column; "=" unless a ":"
//!                                      ; stands before it
//! continuation = space+ text ; also a line that begins with "[" and has no "]" at its end
//! ```
//!
//! Comments behind values belong to the values. Sections and names are there once.

use std::fmt::Write;

use super::text::{is_space, lines, strip, strip_end};

/// A section: its names and values in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) values: Vec<(String, String)>,
}

/// What is wrong with a file, and where (the line is counted from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) message: String,
}

enum Line<'a> {
    Blank,
    Section(&'a str),
    Value(&'a str, &'a str),
    Continuation(&'a str),
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // iniconfig reads all lines before it puts them together, and complains in that order.
    let mut read: Vec<(usize, Line<'_>, Vec<&str>)> = Vec::new();
    for (index, line) in lines(text).enumerate() {
        let wrong = |message: String| Wrong {
            line: index + 1,
            message,
        };
        match read_line(line).map_err(wrong)? {
            Line::Blank => {}
            Line::Section("") => return Err(wrong("empty section name".to_owned())),
            Line::Continuation(more) => match read.last_mut() {
                Some((_, Line::Value(..), values)) => values.push(more),
                _ => return Err(wrong("unexpected value continuation".to_owned())),
            },
            line @ Line::Value(_, value) => {
                let first = (!value.is_empty()).then_some(value);
                read.push((index, line, first.into_iter().collect()));
            }
            line @ Line::Section(_) => read.push((index, line, Vec::new())),
        }
    }
    assemble(read)
}

fn assemble(read: Vec<(usize, Line<'_>, Vec<&str>)>) -> Result<Vec<Section>, Wrong> {
    let mut sections: Vec<Section> = Vec::new();
    let mut names = std::collections::HashSet::new();
    let mut sections_seen = std::collections::HashSet::new();
    for (index, line, values) in read {
        let wrong = |message: String| Wrong {
            line: index + 1,
            message,
        };
        match line {
            Line::Section(name) => {
                if !sections_seen.insert(name) {
                    return Err(wrong(format!("duplicate section {}", repr(name))));
                }
                names.clear();
                sections.push(Section {
                    name: name.to_owned(),
                    values: Vec::new(),
                });
            }
            Line::Value(name, _) => {
                let Some(section) = sections.last_mut() else {
                    return Err(wrong("no section header defined".to_owned()));
                };
                if !names.insert(name) {
                    return Err(wrong(format!("duplicate name {}", repr(name))));
                }
                section.values.push((name.to_owned(), values.join("\n")));
            }
            Line::Blank | Line::Continuation(_) => {}
        }
    }
    Ok(sections)
}

fn read_line(line: &str) -> Result<Line<'_>, String> {
    let line = strip_end(line);
    let Some(first) = line.chars().next() else {
        return Ok(Line::Blank);
    };
    if strip(line).starts_with(['#', ';']) {
        return Ok(Line::Blank);
    }
    if first == '[' {
        let mut header = line;
        for comment in ['#', ';'] {
            header = strip_end(header.split(comment).next().unwrap_or_default());
        }
        return Ok(
            match header.strip_prefix('[').unwrap_or(header).strip_suffix(']') {
                Some(name) => Line::Section(name),
                None => Line::Continuation(strip(line)),
            },
        );
    }
    if is_space(first) {
        return Ok(Line::Continuation(strip(line)));
    }
    let by_equals = line.split_once('=').filter(|(name, _)| !name.contains(':'));
    match by_equals.or_else(|| line.split_once(':')) {
        Some((name, value)) => Ok(Line::Value(strip(name), strip(value))),
        None => Err(format!("unexpected line: {}", repr(line))),
    }
}

/// Python's `repr` of a text, for messages.
pub(super) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if letter == quote => {
                out.push('\\');
                out.push(letter);
            }
            _ if (letter as u32) < 0x20 || letter as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", letter as u32);
            }
            _ => out.push(letter),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pytest::text::split_shell;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn recorded(part: &str) -> Vec<(String, Value)> {
        let all: Value = serde_json::from_str(include_str!("../../tests/text.json")).unwrap();
        serde_json::from_value(all[part].clone()).unwrap()
    }

    #[test]
    fn files_are_read_as_by_iniconfig() {
        for (text, expected) in recorded("ini") {
            let found = match parse(&text) {
                Ok(sections) => sections
                    .into_iter()
                    .map(|section| json!([section.name, section.values]))
                    .collect(),
                Err(wrong) => json!(format!("F:{}: {}", wrong.line, wrong.message)),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_split_as_by_shlex() {
        for (text, expected) in recorded("shell") {
            let found = match split_shell(&text) {
                Ok(words) => json!(words),
                Err(message) => json!(message),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[\\[\\]=:#; \n\\PC\u{0}-\u{20}]{0,60}") {
            let _ = parse(&text);
            let _ = split_shell(&text);
        }
    }
}
