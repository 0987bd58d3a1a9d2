//! `--mount`, which takes paths that `--volume` would take apart.

use crate::error::Problem;
use std::path::Path;

/// `--mount` of a folder. Both engines read its value as one line of comma-separated values,
/// quotes included.
pub(super) fn bind(source: &Path, target: &str, read_only: bool) -> Result<String, Problem> {
    let shown = source.display();
    let Some(text) = source.to_str() else {
        return Err(Problem::new(
            format!("the path {shown} is no UTF-8, which container engines cannot mount"),
            "rename the folder, or reach it by another path",
        ));
    };
    if text.chars().any(char::is_control) {
        return Err(Problem::new(
            format!(
                "the path {text:?} has control characters, which container engines cannot mount"
            ),
            "rename the folder, or reach it by another path",
        ));
    }
    let mut fields = vec![
        "type=bind".to_owned(),
        field(&format!("source={text}")),
        format!("target={target}"),
    ];
    if read_only {
        fields.push("readonly".to_owned());
    }
    Ok(format!("--mount={}", fields.join(",")))
}

/// As RFC 4180 quotes it, where it must be quoted.
fn field(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn paths_of_all_kinds() {
        let mount = |path: &str| bind(Path::new(path), "/w", false);
        for (path, expected) in [
            ("/a b", "--mount=type=bind,source=/a b,target=/w"),
            ("/a:b", "--mount=type=bind,source=/a:b,target=/w"),
            ("/a,b", "--mount=type=bind,\"source=/a,b\",target=/w"),
            ("/a\"b", "--mount=type=bind,\"source=/a\"\"b\",target=/w"),
            ("/ä=漢", "--mount=type=bind,source=/ä=漢,target=/w"),
        ] {
            assert_eq!(mount(path).as_deref(), Ok(expected));
        }
        assert!(mount("/a\nb").is_err());
        let wrong = Path::new(OsStr::from_bytes(b"/a\xff"));
        assert!(
            bind(wrong, "/w", true)
                .unwrap_err()
                .what
                .contains("no UTF-8")
        );
    }

    /// Reads a line of comma-separated values as the engines do.
    fn fields(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let (mut quoted, mut letters) = (false, line.chars().peekable());
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.next_if_eq(&'"').is_some() => {
                    fields.last_mut().unwrap().push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                letter => fields.last_mut().unwrap().push(letter),
            }
        }
        fields
    }

    proptest! {
        #[test]
        fn a_path_comes_back_as_it_was(path in "/[ -~é漢]{0,30}") {
            let word = bind(Path::new(&path), "/w", true).unwrap();
            let fields = fields(word.strip_prefix("--mount=").unwrap());
            prop_assert_eq!(
                fields,
                ["type=bind".to_owned(), format!("source={path}"), "target=/w".into(), "readonly".into()]
            );
        }
    }
}
