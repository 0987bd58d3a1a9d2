//! Commands that can be pasted into a shell.

use std::borrow::Cow;
use std::path::Path;

/// Words as a shell takes them, the plainest way.
pub(crate) fn command(words: &[&str]) -> String {
    let quoted: Vec<Cow<'_, str>> = words.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

/// As Python's `shlex.quote` has it: a version and an option need no quotes.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    // Only a NUL cannot be quoted, and no path or name has one.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// A path as a shell takes it.
pub(crate) fn path(path: &Path) -> String {
    command(&[&path.to_string_lossy()])
}

/// A command that root runs: with `sudo` where the user is another one.
pub(crate) fn as_root(is_root: bool, command: &str) -> String {
    if is_root {
        command.to_owned()
    } else {
        format!("sudo {command}")
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_is_quoted() {
        assert_eq!(
            command(&["chmod", "600", "/a b/it's"]),
            r#"chmod 600 "/a b/it's""#
        );
        assert_eq!(path(Path::new("/plain/path")), "/plain/path");
        assert_eq!(as_root(false, "true"), "sudo true");
        assert_eq!(as_root(true, "true"), "true");
    }

    #[test]
    fn lists_read_as_people_write_them() {
        assert_eq!(listed(&[""; 0]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
