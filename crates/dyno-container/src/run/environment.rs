//! The variables of a container.

use super::{GIVEN, RunInputs};
use crate::error::Problem;
use crate::private::Private;
use dyno_model::{Secrets, is_secret};
use std::borrow::Cow;
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
    for name in OF_THE_HUB {
        if let Some(value) = host.get(name).filter(|value| !value.is_empty()) {
            let entry = given.entry(name.to_owned());
            entry.or_insert_with(|| Some(value.clone()));
        }
    }
    let secrets = secrets(&given, inputs);
    for (name, value) in given {
        let Some(value) = value else { continue };
        let why = match value.as_str() {
            "" => None,
            _ if is_secret(&name, &[]) => Some("is a secret by its name"),
            value if secrets.are_in(value) => Some("holds a secret"),
            value if has_password(value) => Some("holds a password"),
            _ => None,
        };
        let Some(why) = why else {
            resolved.shown.insert(name, value);
            continue;
        };
        if name != TOKEN {
            let note = format!("{name} {why}, so it goes by a file");
            resolved.notes.push(note);
        }
        resolved.secrets.push((name, Private::new(value)));
    }
    resolved
        .secrets
        .sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut unless_given = |name: &str, value: String| {
        resolved.shown.entry(name.to_owned()).or_insert(value);
    };
    unless_given("HF_HUB_CACHE", super::CACHE.to_owned());
    if resolved.secrets.iter().any(|(name, _)| name == TOKEN) {
        unless_given("HF_TOKEN_PATH", format!("{GIVEN}/secrets/{TOKEN}"));
    }
    resolved
}

/// The secrets of the host and of what is given, by the names of their variables: another
/// variable may hold one of them.
fn secrets(given: &BTreeMap<String, Option<String>>, inputs: &RunInputs) -> Secrets {
    let token = inputs.token.as_ref().map(Private::bytes);
    let token = token.map(|bytes| (Cow::Borrowed(TOKEN), String::from_utf8_lossy(bytes)));
    let host = &inputs.surroundings.variables;
    let host = host.iter().map(|(name, value)| (name, value.as_str()));
    let given = given
        .iter()
        .map(|(name, value)| (name, value.as_deref().unwrap_or_default()));
    let named = host.chain(given);
    let named = named.map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value)));
    Secrets::of(named.chain(token), &[])
}

/// Whether a text is an address with a user and a password: `https://user:password@host`.
fn has_password(text: &str) -> bool {
    let after = text.split("://").skip(1);
    let mut authorities = after.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    authorities.any(|authority| {
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':'))
    })
}

/// As a shell takes it.
fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty()
        && name.chars().all(fits)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{CallerId, Surroundings};
    use std::path::PathBuf;

    /// What is shown, and the names of what goes by files.
    fn told(given: &[&str], host: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let variables = host
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let inputs = RunInputs {
            surroundings: Surroundings {
                caller: CallerId { user: 1, group: 1 },
                has_terminal: false,
                memory: 0,
                variables: variables.collect(),
                limits: None,
            },
            workspace: None,
            cache: PathBuf::new(),
            token: Some(Private::new("hf_abcdef")),
        };
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        let mut problems = Vec::new();
        let resolved = resolve(&given, &inputs, &mut problems);
        assert!(problems.is_empty());
        let shown = resolved.shown.into_iter();
        let shown =
            shown.filter(|(name, _)| !matches!(name.as_str(), "HF_HUB_CACHE" | "HF_TOKEN_PATH"));
        let hidden = resolved.secrets.into_iter().map(|(name, _)| name);
        (
            shown
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            hidden.filter(|name| name != TOKEN).collect(),
        )
    }

    #[test]
    fn a_secret_goes_by_a_file_whatever_its_variable_is_called() {
        let host = [
            ("OTHER_SECRET", "0123456789"),
            ("HF_ENDPOINT", "http://u:p@hub"),
        ];
        for (given, shown, hidden) in [
            ("PLAIN=a b", &["PLAIN=a b"][..], &["HF_ENDPOINT"][..]),
            ("MY_KEY=x", &[], &["HF_ENDPOINT", "MY_KEY"]),
            ("MY_KEY=", &["MY_KEY="], &["HF_ENDPOINT"]),
            ("HEADER=Bearer hf_abcdef", &[], &["HEADER", "HF_ENDPOINT"]),
            ("ALIAS=0123456789", &[], &["ALIAS", "HF_ENDPOINT"]),
            ("URL=redis://:pw@host/0", &[], &["HF_ENDPOINT", "URL"]),
            (
                "URL=http://host/a:b@c",
                &["URL=http://host/a:b@c"],
                &["HF_ENDPOINT"],
            ),
            ("HF_ENDPOINT=http://hub", &["HF_ENDPOINT=http://hub"], &[]),
        ] {
            let (told_shown, told_hidden) = told(&[given], &host);
            assert_eq!(told_shown, shown, "{given}");
            assert_eq!(told_hidden, hidden, "{given}");
        }
        // One that is given beside it counts too.
        let (shown, hidden) = told(&["A_TOKEN=abcdefgh", "B=x abcdefgh"], &[]);
        assert!(shown.is_empty());
        assert_eq!(hidden, ["A_TOKEN", "B"]);
    }
}
