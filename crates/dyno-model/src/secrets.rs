//! What an environment holds that nobody is to read in a report.

use std::borrow::Cow;

/// Stands where a secret was.
pub const MASK: &str = "***";

/// A variable is taken for a secret where a word of its name is one of these. Words, because
/// `TOKENIZERS_PARALLELISM` holds none, and `HF_TOKEN` does.
const TELLING: [&str; 11] = [
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
    "KEY",
    "PAT",
];

/// Shorter values are not looked for in texts, where they would be found all over: `1`, `true`.
const SHORTEST: usize = 6;

/// The secret values of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Longest first, so that one that holds another goes as a whole.
    values: Vec<String>,
}

impl Secrets {
    /// Those of an environment: by the variable's name, and the variables of `named`. Values
    /// that are no UTF-8 are looked for as texts show them.
    pub fn of<'a>(
        environment: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        named: &[String],
    ) -> Self {
        let mut values: Vec<String> = environment
            .into_iter()
            .filter(|(name, value)| value.len() >= SHORTEST && is_secret(name, named))
            .map(|(_, value)| value.into_owned())
            .collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    /// The text with [`MASK`] for each secret.
    pub fn hide<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let mut text = text.into();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), MASK));
            }
        }
        text
    }

    /// Whether a text holds one of them.
    pub fn are_in(&self, text: &str) -> bool {
        self.values.iter().any(|value| text.contains(value))
    }
}

/// Whether the value of a variable is a secret, by its name or because it is one of `named`.
pub fn is_secret(name: &str, named: &[String]) -> bool {
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    named.iter().any(|one| one == name)
        || words.any(|word| TELLING.contains(&word.to_ascii_uppercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(environment: &[(&'static str, &'static str)], named: &[&str]) -> Secrets {
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        let pairs = environment
            .iter()
            .map(|&(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        Secrets::of(pairs, &named)
    }

    #[test]
    fn names_tell_by_their_words() {
        for (name, expected) in [
            ("HF_TOKEN", true),
            ("hf_token", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("DB-PASSWORD", true),
            ("TOKENIZERS_PARALLELISM", false),
            ("KEYBOARD", false),
            ("PATH", false),
            ("PWD", false),
            ("", false),
        ] {
            assert_eq!(is_secret(name, &[]), expected, "{name}");
        }
        assert!(is_secret("LICENSE_FILE", &["LICENSE_FILE".to_owned()]));
    }

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let some = secrets(
            &[
                ("HF_TOKEN", "hf_abcdef"),
                ("API_KEY", "hf_abcdef-and-more"),
                ("MAX_TOKEN", "4096"),
                ("HOME", "/home/someone"),
                ("MINE", "my own words"),
            ],
            &["MINE"],
        );
        assert_eq!(
            some.hide("a hf_abcdef-and-more b hf_abcdef 4096 /home/someone my own words"),
            "a *** b *** 4096 /home/someone ***"
        );
        assert!(matches!(some.hide("nothing"), Cow::Borrowed("nothing")));
        assert!(some.are_in("Bearer hf_abcdef") && !some.are_in("4096"));
    }

    proptest! {
        #[test]
        fn no_secret_is_in_what_is_told(
            values in proptest::collection::vec("[a-c]{6,9}", 0..4),
            text in "[a-d]{0,60}",
        ) {
            let pairs = values.iter().map(|value| (Cow::Borrowed("T_TOKEN"), Cow::from(value)));
            let hidden = Secrets::of(pairs, &[]).hide(text.as_str()).into_owned();
            prop_assert!(values.iter().all(|value| !hidden.contains(value.as_str())));
        }
    }
}
