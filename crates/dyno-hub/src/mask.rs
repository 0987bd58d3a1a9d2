//! What a server says, made fit to be shown.

use crate::Token;
use dyno_model::MASK;

/// Longer texts of servers are cut.
const LONGEST: usize = 300;

/// Takes the token out of texts.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    secret: Option<String>,
}

impl Mask {
    pub(crate) fn of(token: Option<&Token>) -> Self {
        Self {
            secret: token.map(|token| token.secret().to_owned()),
        }
    }

    /// The text on one line, without control characters, without the token, and not too long.
    pub(crate) fn clean(&self, text: &str) -> String {
        // Before anything is taken out of it, and after: a server may put something between.
        let shown: String = self
            .hide(text)
            .split(|letter: char| letter.is_whitespace() || letter.is_control())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .filter(|&letter| !turns_text(letter))
            .collect();
        let mut shown = self.hide(&shown);
        if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
            shown.truncate(end);
            shown.push('…');
        }
        shown
    }

    /// Whether the token is in a text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.secret
            .as_deref()
            .is_some_and(|secret| text.contains(secret))
    }

    fn hide(&self, text: &str) -> String {
        match &self.secret {
            Some(secret) => text.replace(secret.as_str(), MASK),
            None => text.to_owned(),
        }
    }
}

/// Characters without width, and those that turn the direction of what follows.
fn turns_text(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_servers_are_short_plain_and_without_the_token() {
        let mask = Mask {
            secret: Some("hf_secret".to_owned()),
        };
        for (text, shown) in [
            ("no such\r\n\x1b[31mthing", "no such [31mthing"),
            ("you sent Bearer hf_secret!", "you sent Bearer ***!"),
            ("hf_\u{200b}secret", "***"),
            ("a \u{202e}b", "a b"),
            ("", ""),
        ] {
            assert_eq!(mask.clean(text), shown, "{text:?}");
        }
        let long = format!("{}hf_secret", "x".repeat(LONGEST - 3));
        let shown = mask.clean(&long);
        assert!(!shown.contains("hf_") && shown.chars().count() <= LONGEST + 1);
        assert!(mask.is_in("a/hf_secret.json") && !mask.is_in("a"));
    }
}
