//! Commands that can be pasted into a shell.

use std::borrow::Cow;

/// A word as a POSIX shell takes it, in quotes only where it needs them (as Python's
/// `shlex.quote`: a version, an option and a path need none).
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    let quoted = shlex::Quoter::new().allow_nul(true).quote(word);
    quoted.unwrap_or(Cow::Borrowed(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_shell_would_split_is_quoted() {
        for (word, shown) in [
            ("", "''"),
            ("numpy==2.0", "numpy==2.0"),
            ("--models-dir", "--models-dir"),
            ("/a b", "'/a b'"),
            ("it's", "\"it's\""),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_word_that_was_meant(word in "[^\0]*") {
            prop_assert_eq!(shlex::split(&shell_word(&word)), Some(vec![word]));
        }
    }
}
