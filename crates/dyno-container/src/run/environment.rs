//! The variables of a container.

use super::{GIVEN, RunInputs};
use crate::error::Problem;
use crate::private::Private;
use dyno_model::is_secret;
use std::collections::BTreeMap;

/// The Hub's own variables, which a container has as the host has them.
const OF_THE_HUB: [&str; 3] = ["HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];

/// The token's variable.
const TOKEN: &str = "HF_TOKEN";

/// What a container's variables are, by the way they go.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// On the engine's command line.
    pub(super) shown: BTreeMap<String, String>,
    /// By a file.
    pub(super) secrets: Vec<(String, Private)>,
    /// What the caller should know.
    pub(super) notes: Vec<String>,
}

/// The variables of `--env`, the last of each, and those that follow from the host.
pub(super) fn resolve(
    texts: &[String],
    inputs: &RunInputs,
    problems: &mut Vec<Problem>,
) -> Variables {
    let host = &inputs.surroundings.variables;
    let mut resolved = Variables::default();
    let mut given: BTreeMap<String, Option<String>> = BTreeMap::new();
    for text in texts {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), host.get(text).cloned()),
        };
        if !is_name(name) {
            // Without the value, which may be a secret.
            problems.push(Problem::new(
                format!("--env {name:?} is no variable's name"),
                "letters, digits and _, the first no digit: `--env NAME=VALUE`, or `--env NAME`",
            ));
            continue;
        }
        if value.is_none() {
            let note = format!("{name} is not set here, so it is not set inside");
            resolved.notes.push(note);
        }
        given.insert(name.to_owned(), value);
    }
    if let (Some(token), false) = (&inputs.token, given.contains_key(TOKEN)) {
        resolved.secrets.push((TOKEN.to_owned(), token.clone()));
    }
    for (name, value) in given {
        let Some(value) = value else { continue };
        if !value.is_empty() && is_secret(&name, &[]) {
            if name != TOKEN {
                let note = format!("{name} is a secret by its name, so it goes by a file");
                resolved.notes.push(note);
            }
            resolved.secrets.push((name, Private::new(value)));
        } else {
            resolved.shown.insert(name, value);
        }
    }
    resolved
        .secrets
        .sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut unless_given = |name: &str, value: String| {
        resolved.shown.entry(name.to_owned()).or_insert(value);
    };
    for name in OF_THE_HUB {
        if let Some(value) = host.get(name).filter(|value| !value.is_empty()) {
            unless_given(name, value.clone());
        }
    }
    unless_given("HF_HUB_CACHE", super::CACHE.to_owned());
    if resolved.secrets.iter().any(|(name, _)| name == TOKEN) {
        unless_given("HF_TOKEN_PATH", format!("{GIVEN}/secrets/{TOKEN}"));
    }
    resolved
}

/// As a shell takes it.
fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty()
        && name.chars().all(fits)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}
