//! Commands that can be pasted into a shell.

use dyno_model::shell_word;
use std::borrow::Cow;
use std::path::Path;

/// Words as a shell takes them, the plainest way.
pub(crate) fn command(words: &[&str]) -> String {
    let quoted: Vec<Cow<'_, str>> = words.iter().map(|word| shell_word(word)).collect();
    quoted.join(" ")
}

/// A path as a shell takes it.
pub(crate) fn path(path: &Path) -> String {
    command(&[&path.to_string_lossy()])
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
    }

    #[test]
    fn lists_read_as_people_write_them() {
        assert_eq!(listed(&[""; 0]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
