//! What holds for the text of any source file: its names, its length, its paths.

use regex::Regex;
use std::path::Path;
use std::sync::LazyLock;

/// Longest source file, in lines, tests aside: a longer one has two purposes.
pub const MAX_LINES: usize = 400;

/// Words that name no concept.
const EMPTY_WORDS: [&str; 6] = ["util", "utils", "helpers", "manager", "common", "misc"];

/// Whatever a Rust or Python file defines.
static DEFINITION: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:mod|struct|enum|trait|type|fn|class|def)\s+(\w+)"));

/// A word of a name, in snake or camel case.
static WORD: LazyLock<Regex> = LazyLock::new(|| regex("[A-Z]*[a-z0-9]+|[A-Z]+"));

/// Places that exist on one person's machine only.
static MACHINE_PATH: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[^\w./~-])(/(?:root|work|(?:home|Users)/[\w.-]+)/[\w.-]*)"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant that the tests compile")
}

/// Names in `path` and in its `text` that say nothing.
pub fn check_names(path: &Path, text: &str) -> Vec<String> {
    let in_path = path.iter().filter_map(|part| part.to_str());
    let in_text = DEFINITION
        .captures_iter(text)
        .filter_map(|found| Some(found.get(1)?.as_str()));
    in_path
        .chain(in_text)
        .filter(|name| {
            WORD.find_iter(name)
                .any(|word| EMPTY_WORDS.contains(&word.as_str().to_lowercase().as_str()))
        })
        .map(|name| format!("`{}`: the name `{name}` says nothing", path.display()))
        .collect()
}

/// A file that is too long. Rust's unit tests at its end do not count.
pub fn check_length(path: &Path, text: &str) -> Option<String> {
    let lines = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count();
    (lines > MAX_LINES).then(|| {
        format!(
            "`{}` has {lines} lines without its tests, {MAX_LINES} are the limit",
            path.display()
        )
    })
}

/// Paths of a developer's machine in `text`.
pub fn check_machine_paths(path: &Path, text: &str) -> Vec<String> {
    text.lines()
        .zip(1..)
        .flat_map(|(line, number)| {
            MACHINE_PATH
                .captures_iter(line)
                .filter_map(|found| Some(found.get(1)?.as_str()))
                .map(move |found| {
                    format!(
                        "`{}:{number}` names `{found}`, a place of one machine",
                        path.display()
                    )
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("crates/dyno-plan/src/order.rs")
    }

    #[test]
    fn empty_names_are_found_where_they_are_given_and_not_where_they_are_used() {
        for defines in [
            "mod utils;",
            "pub(crate) struct ProcessManager;",
            "def common_things():",
            "class Misc:",
        ] {
            assert_eq!(check_names(path(), defines).len(), 1, "{defines}");
        }
        for uses in [
            "config.pluginmanager.register(x)",
            "// the manager of it",
            "fn commonly() {}",
        ] {
            assert_eq!(check_names(path(), uses), [""; 0], "{uses}");
        }
        let helpers = Path::new("python/dyno/helpers.py");
        assert_eq!(check_names(helpers, "").len(), 1);
    }

    #[test]
    fn length_is_counted_without_the_tests() {
        let fits = "line\n".repeat(MAX_LINES);
        let tested = format!("{fits}#[cfg(test)]\n{fits}");
        assert_eq!(check_length(path(), &tested), None);
        assert!(check_length(path(), &format!("{fits}more\n")).is_some());
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for there in [
            "see /root/x",
            "\"/work/repository/a\"",
            "cd=/home/jane/src",
            "/Users/jane/",
        ] {
            assert_eq!(check_machine_paths(path(), there).len(), 1, "{there}");
        }
        for fine in [
            "crates/work/x",
            "~/work/x",
            "/workspace/x",
            "/home/",
            "the /root.",
        ] {
            assert_eq!(check_machine_paths(path(), fine), [""; 0], "{fine}");
        }
    }
}
