//! The command line, taken apart as `argparse` does it for pytest.

use super::options::{Known, Table};
use super::text::lines;
use super::{Arity, UsageError};
use dyno_model::{Files, PytestVersion, absolute_path};
use std::collections::VecDeque;
use std::path::Path;

/// Arguments, taken apart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Paths and node ids.
    pub(super) paths: Vec<String>,
    /// pytest's own options, by the name that each is kept under, in order; the value is
    /// empty for flags.
    values: Vec<(String, String)>,
    /// Options of plugins, as written.
    pub(super) others: Vec<String>,
    /// What cannot be told.
    pub(super) unknown: Vec<String>,
}

impl Parsed {
    /// Whether a flag was given.
    pub(super) fn has(&self, dest: &str) -> bool {
        self.values.iter().any(|(name, _)| name == dest)
    }

    /// The last value of an option.
    pub(super) fn last<'a>(&'a self, dest: &'a str) -> Option<&'a str> {
        self.all(dest).next_back()
    }

    /// All values of an option.
    pub(super) fn all<'a>(&'a self, dest: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.values
            .iter()
            .filter(move |(name, _)| name == dest)
            .map(|(_, value)| value.as_str())
    }

    /// Every option and its value, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

enum Kind<'a> {
    Path,
    Option(Known<'a>, String, Option<String>),
    Unknown,
}

/// Takes arguments apart.
pub(super) fn parse(args: &[String], table: &Table<'_>) -> Result<Parsed, UsageError> {
    let mut parsed = Parsed::default();
    let mut rest: VecDeque<&String> = args.iter().collect();
    while let Some(arg) = rest.pop_front() {
        if arg == "--" {
            let reason = "what stands behind `--` is taken differently by each Python";
            parsed.unknown.push(reason.to_owned());
            parsed.paths.extend(rest.drain(..).cloned());
            break;
        }
        match kind(arg, table) {
            Kind::Path => parsed.paths.push(arg.clone()),
            Kind::Unknown => {
                parsed.others.push(arg.clone());
                let is_whole = !arg.contains('=') && (arg.starts_with("--") || arg.len() == 2);
                if let (true, Some(next)) = (is_whole, rest.front())
                    && matches!(kind(next, table), Kind::Path)
                {
                    parsed.unknown.push(format!(
                        "whether `{next}` is the value of `{arg}` or a path depends on the plugin that has the option"
                    ));
                }
            }
            Kind::Option(known, name, explicit) => {
                parsed.take(known, name, explicit, &mut rest, table)?;
            }
        }
    }
    Ok(parsed)
}

/// `ArgumentParser._parse_optional`.
fn kind<'a>(arg: &str, table: &Table<'a>) -> Kind<'a> {
    if !arg.starts_with('-') || arg.len() == 1 {
        return Kind::Path;
    }
    if let Some(known) = table.get(arg) {
        return Kind::Option(known, arg.to_owned(), None);
    }
    if let Some((name, value)) = arg.split_once('=')
        && let Some(known) = table.get(name)
    {
        return Kind::Option(known, name.to_owned(), Some(value.to_owned()));
    }
    if let Some((name, value)) = short(arg)
        && let Some(known) = table.get(name)
    {
        return Kind::Option(known, name.to_owned(), Some(value.to_owned()));
    }
    if is_negative_number(arg) || arg.contains(' ') {
        return Kind::Path;
    }
    Kind::Unknown
}

/// `-kname` as `-k` and `name`.
fn short(arg: &str) -> Option<(&str, &str)> {
    if arg.starts_with("--") {
        return None;
    }
    let first = arg.chars().nth(1)?;
    arg.split_at_checked(1 + first.len_utf8())
}

/// `^-\d+$|^-\d*\.\d+$`
fn is_negative_number(arg: &str) -> bool {
    let Some(number) = arg.strip_prefix('-') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match number.split_once('.') {
        Some((whole, part)) => digits(whole) && !part.is_empty() && digits(part),
        None => !number.is_empty() && digits(number),
    }
}

impl Parsed {
    /// `consume_optional`: flags in a cluster (`-vx`), until one takes a value.
    fn take<'t>(
        &mut self,
        mut known: Known<'t>,
        mut name: String,
        mut explicit: Option<String>,
        rest: &mut VecDeque<&String>,
        table: &Table<'t>,
    ) -> Result<(), UsageError> {
        while known.arity == Arity::Flag
            && let Some(cluster) = explicit.take()
        {
            let is_short = !name.starts_with("--");
            let mut letters = cluster.chars();
            let next = letters.next().map(|letter| format!("-{letter}"));
            let following = next.as_deref().and_then(|next| table.get(next));
            let (Some(following), Some(next), true) = (following, next, is_short) else {
                return Err(refuse(&format!(
                    "argument {}: ignored explicit argument {}",
                    known.names.replace(' ', "/"),
                    super::ini::repr(&cluster)
                )));
            };
            self.put(known, &name, String::new());
            let tail = letters.as_str();
            if tail.starts_with('=') {
                let reason = format!("`{name}{cluster}` is taken differently by each Python");
                self.unknown.push(reason);
            }
            explicit = (!tail.is_empty()).then(|| tail.to_owned());
            known = following;
            name = next;
        }
        let has_word = |rest: &VecDeque<&String>| {
            rest.front()
                .is_some_and(|next| *next != "--" && matches!(kind(next, table), Kind::Path))
        };
        let value = match (known.arity, explicit) {
            (Arity::Flag, _) => String::new(),
            (_, Some(value)) => value,
            (Arity::Many, None) => {
                let reason = format!("how many words `{name}` takes depends on its plugin");
                self.unknown.push(reason);
                String::new()
            }
            (Arity::Value, None) if !has_word(rest) => {
                return Err(refuse(&format!(
                    "argument {}: expected one argument",
                    known.names.replace(' ', "/")
                )));
            }
            (Arity::Optional, None) if !has_word(rest) => String::new(),
            (Arity::Value | Arity::Optional, None) => rest.pop_front().cloned().unwrap_or_default(),
        };
        self.put(known, &name, value);
        Ok(())
    }

    fn put(&mut self, known: Known<'_>, name: &str, value: String) {
        if !known.is_plugins {
            self.values.push((known.dest.to_owned(), value));
        } else if known.arity == Arity::Flag {
            self.others.push(name.to_owned());
        } else {
            self.others.push(format!("{name}={value}"));
        }
    }
}

/// An error that argparse reports.
pub(super) fn refuse(message: &str) -> UsageError {
    UsageError {
        message: format!("pytest: error: {message}"),
    }
}

/// Puts the lines of a file in the place of `@file`, which 8.2 began to do.
pub(super) fn read_files(
    args: &[String],
    version: PytestVersion,
    folder: &Path,
    files: &dyn Files,
) -> Result<Vec<String>, UsageError> {
    if !version.at_least(8, 2) {
        return Ok(args.to_vec());
    }
    let first: Vec<String> = args.to_vec();
    let mut open = vec![first.into_iter()];
    // Files that name themselves would never end.
    let mut left = 1000;
    let mut result = Vec::new();
    while let Some(level) = open.last_mut() {
        let Some(arg) = level.next() else {
            open.pop();
            continue;
        };
        let Some(name) = arg.strip_prefix('@') else {
            result.push(arg);
            continue;
        };
        let content = files.read(&absolute_path(folder, name));
        let text = content
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(text) = text.filter(|_| left > 0) else {
            return Err(refuse(&format!(
                "[Errno 2] No such file or directory: '{name}'"
            )));
        };
        left -= 1;
        let inner: Vec<String> = lines(text).map(str::to_owned).collect();
        open.push(inner.into_iter());
    }
    Ok(result)
}
