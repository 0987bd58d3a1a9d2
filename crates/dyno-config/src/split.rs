//! Takes the arguments of `dyno test` apart: dyno's own, and pytest's.
//!
//! pytest's arguments keep their spelling and their order. To know an option from
//! another's value (`-k -n`), the options of pytest that take a value are listed here; an
//! option of a plugin that is given its value as a separate argument needs no entry,
//! because both go to pytest side by side anyway.

use crate::TestOptions;
use clap::{Arg, Args, Command};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Arguments, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// dyno's own options, in clap's spelling.
    pub own: Vec<OsString>,
    /// Everything else, as it was written.
    pub pytest: Vec<OsString>,
    /// The last `-m`, which is the one that counts.
    pub marker_expression: Option<String>,
    /// The last `-k`.
    pub keyword_expression: Option<String>,
    /// `--rootdir`.
    pub rootdir: Option<OsString>,
    /// `--pdb` or `--trace`: the terminal is the test's.
    pub debugger: bool,
    /// `-h` or `--help`: dyno's own help is wanted.
    pub help: bool,
}

/// pytest's short options that take a value (`pytest --help`, 8.0 to 9.2).
const VALUED_SHORT: &[u8] = b"kmpcorW";

/// pytest's long options that take a value and are looked at, or whose value may begin
/// with a dash.
const VALUED_LONG: &[&str] = &["rootdir", "config-file", "override-ini", "tb", "maxfail"];

/// Takes the arguments of `dyno test`, without the program's and the command's name, apart.
pub fn split(args: impl IntoIterator<Item = OsString>) -> Split {
    split_for::<TestOptions>(args)
}

/// The same for another command that takes pytest's arguments beside options of its own.
pub fn split_for<Own: Args>(args: impl IntoIterator<Item = OsString>) -> Split {
    let own = Own::augment_args(Command::new("own"));
    let mut rest: VecDeque<OsString> = args.into_iter().collect();
    let mut split = Split::default();
    while let Some(arg) = rest.pop_front() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            split.pytest.push(arg);
            split.pytest.extend(rest.drain(..));
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            let (name, value) = cut_at_equals(long);
            let name = String::from_utf8_lossy(name).into_owned();
            split.take_long(&own, arg.clone(), &name, value, &mut rest);
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            split.take_shorts(&own, &bytes[1..], &mut rest);
        } else {
            split.pytest.push(arg);
        }
    }
    split
}

impl Split {
    fn take_long(
        &mut self,
        own: &Command,
        arg: OsString,
        name: &str,
        value: Option<OsString>,
        rest: &mut VecDeque<OsString>,
    ) {
        if name == "help" {
            self.help = true;
        } else if let Some(option) = own.get_arguments().find(|a| a.get_long() == Some(name)) {
            self.own.push(arg);
            if takes_value(option) && value.is_none() && !option.is_require_equals_set() {
                self.own.extend(rest.pop_front());
            }
        } else {
            self.debugger |= matches!(name, "pdb" | "trace");
            self.pytest.push(arg);
            let value = match value {
                None if VALUED_LONG.contains(&name) => {
                    let next = rest.pop_front();
                    self.pytest.extend(next.clone());
                    next
                }
                value => value,
            };
            if name == "rootdir" {
                self.rootdir = value;
            }
        }
    }

    /// Walks a cluster (`-vxn4`): flags, until an option takes the remainder as its value.
    fn take_shorts(&mut self, own: &Command, cluster: &[u8], rest: &mut VecDeque<OsString>) {
        for (index, letter) in cluster.iter().enumerate() {
            let (before, after) = (&cluster[..index], &cluster[index + 1..]);
            let is_own = own
                .get_arguments()
                .any(|option| option.get_short() == Some(char::from(*letter)));
            if *letter == b'h' {
                self.help = true;
                return;
            }
            if !is_own && !VALUED_SHORT.contains(letter) {
                continue;
            }
            let value = if after.is_empty() {
                rest.pop_front()
            } else {
                Some(OsString::from_vec(after.to_vec()))
            };
            let option = OsString::from(format!("-{}", char::from(*letter)));
            if is_own {
                if !before.is_empty() {
                    self.pytest.push(dashed(before));
                }
                self.own.push(option);
                self.own.extend(value);
                return;
            }
            let text = value.as_deref().and_then(OsStr::to_str).map(str::to_owned);
            match letter {
                b'm' => self.marker_expression = text,
                b'k' => self.keyword_expression = text,
                _ => {}
            }
            self.pytest.push(dashed(cluster));
            if after.is_empty() {
                self.pytest.extend(value);
            }
            return;
        }
        self.pytest.push(dashed(cluster));
    }
}

fn dashed(cluster: &[u8]) -> OsString {
    OsString::from_vec([b"-", cluster].concat())
}

fn cut_at_equals(long: &[u8]) -> (&[u8], Option<OsString>) {
    match long.iter().position(|byte| *byte == b'=') {
        Some(at) => (
            &long[..at],
            Some(OsString::from_vec(long[at + 1..].to_vec())),
        ),
        None => (long, None),
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(line: &str) -> Split {
        split(line.split_whitespace().map(OsString::from))
    }

    fn joined(args: &[OsString]) -> String {
        args.iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn own_options_are_taken_out_wherever_they_stand() {
        for (line, own, pytest) in [
            ("-n 4 tests", "-n 4", "tests"),
            ("tests -v -n4", "-n 4", "tests -v"),
            ("-vxn4 tests", "-n 4", "-vx tests"),
            ("-v -m vllm", "", "-v -m vllm"),
            (
                "-m unit --numprocesses=auto a.py::b",
                "--numprocesses=auto",
                "-m unit a.py::b",
            ),
            ("--numprocesses 2 -q", "--numprocesses 2", "-q"),
            ("--no-capture -x", "--no-capture", "-x"),
            (
                "--python p --junitxml=o.xml",
                "--python p",
                "--junitxml=o.xml",
            ),
            // The value of another option is no option.
            ("-k -n 4", "", "-k -n 4"),
            (
                "-p no:cacheprovider -nauto",
                "-n auto",
                "-p no:cacheprovider",
            ),
            ("-o addopts=-n4", "", "-o addopts=-n4"),
            ("--rootdir -n -n 2", "-n 2", "--rootdir -n"),
            ("-- -n 4", "", "-- -n 4"),
            ("-", "", "-"),
            // An option whose value is missing is clap's or pytest's to refuse.
            ("-n", "-n", ""),
            ("-m", "", "-m"),
        ] {
            let split = of(line);
            assert_eq!(joined(&split.own), own, "own of {line:?}");
            assert_eq!(joined(&split.pytest), pytest, "pytest's of {line:?}");
        }
    }

    #[test]
    fn expressions_and_flags_are_seen_on_the_way() {
        let split = of("-m unit -m not_slow -kfoo --rootdir=r --pdb");
        assert_eq!(split.marker_expression.as_deref(), Some("not_slow"));
        assert_eq!(split.keyword_expression.as_deref(), Some("foo"));
        assert_eq!(split.rootdir.as_deref(), Some(OsStr::new("r")));
        assert!(split.debugger);
        assert!(of("-vh").help && of("--help").help && !of("-k h").help);
    }

    proptest! {
        #[test]
        fn what_is_not_dynos_goes_to_pytest_unchanged(
            args in proptest::collection::vec("(--?)?[a-gi-mo-z]{0,5}(=[a-gi-m]*)?", 0..8)
        ) {
            let args: Vec<_> = args.into_iter().map(OsString::from).collect();
            let split = split(args.clone());
            prop_assert_eq!(split.own, Vec::<OsString>::new());
            prop_assert_eq!(split.pytest, args);
        }
    }
}
