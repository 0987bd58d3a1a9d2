//! pytest's own options, and those that plugins are known to add.

use super::Arity;
use dyno_model::PytestVersion;
use std::collections::HashMap;

/// An option: what it is kept under, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known<'a> {
    pub(super) dest: &'a str,
    /// All its names, a space between.
    pub(super) names: &'a str,
    pub(super) arity: Arity,
    pub(super) is_plugins: bool,
}

/// Options by their names.
pub(super) struct Table<'a> {
    by_name: HashMap<&'a str, Known<'a>>,
}

impl<'a> Table<'a> {
    /// Those of pytest itself.
    pub(super) fn of_pytest(version: PytestVersion) -> Self {
        let mut by_name = HashMap::new();
        for (names, arity, since) in OPTIONS {
            if !version.at_least(since.0, since.1) {
                continue;
            }
            // The first name is the one that values are kept under here.
            let dest = names.split(' ').next().unwrap_or_default();
            for name in names.split(' ') {
                let known = Known {
                    dest,
                    names,
                    arity: *arity,
                    is_plugins: false,
                };
                by_name.insert(name, known);
            }
        }
        // 9.1 gave `-r` a long name.
        if !version.at_least(9, 1) {
            by_name.remove("--report-chars");
        }
        Self { by_name }
    }

    /// The same, with options of plugins.
    pub(super) fn with(mut self, options: &'a [super::PluginOption]) -> Self {
        for option in options {
            for name in &option.names {
                let known = Known {
                    dest: name,
                    names: name,
                    arity: option.arity,
                    is_plugins: true,
                };
                self.by_name.entry(name).or_insert(known);
            }
        }
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<Known<'a>> {
        self.by_name.get(name).copied()
    }
}

/// Names, what they take, and the version that brought them (those of 8.0 say so).
///
/// From `_pytest` of 8.0.2, 8.4.2, 9.0.2 and 9.2.0; a test compares them.
const OPTIONS: &[(&str, Arity, (u32, u32))] = &[
    ("--assert", Arity::Value, (8, 0)),
    ("--basetemp", Arity::Value, (8, 0)),
    ("--cache-clear", Arity::Flag, (8, 0)),
    ("--cache-show", Arity::Optional, (8, 0)),
    ("--capture", Arity::Value, (8, 0)),
    ("--code-highlight", Arity::Value, (8, 0)),
    ("--collect-in-virtualenv", Arity::Flag, (8, 0)),
    ("--collect-only --collectonly --co", Arity::Flag, (8, 0)),
    ("--color", Arity::Value, (8, 0)),
    ("--confcutdir", Arity::Value, (8, 0)),
    ("--continue-on-collection-errors", Arity::Flag, (8, 0)),
    ("--debug", Arity::Optional, (8, 0)),
    ("--deselect", Arity::Value, (8, 0)),
    ("--disable-plugin-autoload", Arity::Flag, (8, 4)),
    (
        "--disable-warnings --disable-pytest-warnings",
        Arity::Flag,
        (8, 0),
    ),
    ("--doctest-continue-on-failure", Arity::Flag, (8, 0)),
    ("--doctest-glob", Arity::Value, (8, 0)),
    ("--doctest-ignore-import-errors", Arity::Flag, (8, 0)),
    ("--doctest-modules", Arity::Flag, (8, 0)),
    ("--doctest-report", Arity::Value, (8, 0)),
    ("--durations", Arity::Value, (8, 0)),
    ("--durations-min", Arity::Value, (8, 0)),
    ("--ff --failed-first", Arity::Flag, (8, 0)),
    ("--fixtures --funcargs", Arity::Flag, (8, 0)),
    ("--fixtures-per-test", Arity::Flag, (8, 0)),
    ("--force-short-summary", Arity::Flag, (8, 4)),
    ("--full-trace --fulltrace", Arity::Flag, (8, 0)),
    ("--ignore", Arity::Value, (8, 0)),
    ("--ignore-glob", Arity::Value, (8, 0)),
    ("--import-mode", Arity::Value, (8, 0)),
    ("--junit-prefix --junitprefix", Arity::Value, (8, 0)),
    ("--junit-xml --junitxml", Arity::Value, (8, 0)),
    ("--keep-duplicates --keepduplicates", Arity::Flag, (8, 0)),
    ("--lf --last-failed", Arity::Flag, (8, 0)),
    ("--lfnf --last-failed-no-failures", Arity::Value, (8, 0)),
    ("--log-auto-indent", Arity::Value, (8, 0)),
    ("--log-cli-date-format", Arity::Value, (8, 0)),
    ("--log-cli-format", Arity::Value, (8, 0)),
    ("--log-cli-level", Arity::Value, (8, 0)),
    ("--log-date-format", Arity::Value, (8, 0)),
    ("--log-disable", Arity::Value, (8, 0)),
    ("--log-file", Arity::Value, (8, 0)),
    ("--log-file-date-format", Arity::Value, (8, 0)),
    ("--log-file-format", Arity::Value, (8, 0)),
    ("--log-file-level", Arity::Value, (8, 0)),
    ("--log-file-mode", Arity::Value, (8, 1)),
    ("--log-format", Arity::Value, (8, 0)),
    ("--log-level", Arity::Value, (8, 0)),
    ("--markers", Arity::Flag, (8, 0)),
    ("--max-warnings", Arity::Value, (9, 1)),
    ("--maxfail", Arity::Value, (8, 0)),
    ("--nf --new-first", Arity::Flag, (8, 0)),
    ("--no-fold-skipped", Arity::Flag, (8, 3)),
    ("--no-header", Arity::Flag, (8, 0)),
    ("--no-showlocals", Arity::Flag, (8, 0)),
    ("--no-summary", Arity::Flag, (8, 0)),
    ("--noconftest", Arity::Flag, (8, 0)),
    ("--pastebin", Arity::Value, (8, 0)),
    ("--pdb", Arity::Flag, (8, 0)),
    ("--pdbcls", Arity::Value, (8, 0)),
    ("--pyargs", Arity::Flag, (8, 0)),
    ("--rootdir", Arity::Value, (8, 0)),
    ("--runxfail", Arity::Flag, (8, 0)),
    ("--setup-only --setuponly", Arity::Flag, (8, 0)),
    ("--setup-plan --setupplan", Arity::Flag, (8, 0)),
    ("--setup-show --setupshow", Arity::Flag, (8, 0)),
    ("--show-capture", Arity::Value, (8, 0)),
    ("--strict", Arity::Flag, (8, 0)),
    ("--strict-config", Arity::Flag, (8, 0)),
    ("--strict-markers", Arity::Flag, (8, 0)),
    ("--sw --stepwise", Arity::Flag, (8, 0)),
    ("--sw-reset --stepwise-reset", Arity::Flag, (8, 4)),
    ("--sw-skip --stepwise-skip", Arity::Flag, (8, 0)),
    ("--tb", Arity::Value, (8, 0)),
    ("--trace", Arity::Flag, (8, 0)),
    ("--trace-config --traceconfig", Arity::Flag, (8, 0)),
    ("--verbosity", Arity::Value, (8, 0)),
    ("--xfail-tb", Arity::Flag, (8, 3)),
    ("--version -V", Arity::Flag, (8, 0)),
    ("-W --pythonwarnings", Arity::Value, (8, 0)),
    ("-c --config-file", Arity::Value, (8, 0)),
    ("--help -h", Arity::Flag, (8, 0)),
    ("-k", Arity::Value, (8, 0)),
    ("-l --showlocals", Arity::Flag, (8, 0)),
    ("-m", Arity::Value, (8, 0)),
    ("-o --override-ini", Arity::Value, (8, 0)),
    ("-p", Arity::Value, (8, 0)),
    ("-q --quiet", Arity::Flag, (8, 0)),
    ("-r --report-chars", Arity::Value, (8, 0)),
    ("-s", Arity::Flag, (8, 0)),
    ("-v --verbose", Arity::Flag, (8, 0)),
    ("-x --exitfirst", Arity::Flag, (8, 0)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_table_is_pytests() {
        let recorded: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(include_str!("../../tests/options.json")).unwrap();
        assert_eq!(recorded.len(), 8);
        for (version, expected) in recorded {
            let (major, minor) = version.split_once('.').unwrap();
            let version = PytestVersion::new(major.parse().unwrap(), minor.parse().unwrap());
            let found: BTreeMap<String, String> = Table::of_pytest(version)
                .by_name
                .iter()
                .map(|(name, known)| ((*name).to_owned(), format!("{:?}", known.arity)))
                .collect();
            assert_eq!(found, expected, "{version:?}");
        }
    }
}
