//! Settings, resolved once.

use crate::{Models, Rules, Split, TestOptions, Workers};
use dyno_model::Partition;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How `dyno test` is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What `-n` said; absent where it was not given.
    pub workers: Option<Workers>,
    /// The interpreter that was asked for.
    pub python: Option<PathBuf>,
    /// pytest's arguments.
    pub pytest_args: Vec<OsString>,
    /// `--rootdir`.
    pub rootdir: Option<PathBuf>,
    /// Files that cannot hold a selected test are not imported: the command line selects
    /// by `-m` or `-k`, and `--import-all` was not given.
    pub prune: bool,
    /// Several templates may share the import: `--import-all` was not given.
    pub share: bool,
    /// The tests have the terminal: one worker in the foreground.
    pub debugger: bool,
    /// `--retries`; where it was not given, rules say it.
    pub retries: Option<u32>,
    /// How often each test runs.
    pub repeat: Repeat,
    /// `--shuffle`, and its seed if one was given.
    pub shuffle: Option<Option<u64>>,
    /// Which of the tests are run.
    pub partition: Option<Partition>,
    /// How long the run may take.
    pub deadline: Option<Duration>,
    /// What is done about the models that tests name.
    pub models: Models,
    /// `--models-dir`.
    pub models_dir: Option<PathBuf>,
    /// On what terms each test runs.
    pub rules: Rules,
}

/// How many workers a run may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many may run now.
    pub slots: u32,
    /// How many may ever run at once.
    pub most: u32,
    /// dyno decides: units count for the part of a processor that they used in earlier runs.
    pub by_cpu: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            slots: 1,
            most: 1,
            by_cpu: false,
        }
    }
}

/// So many workers for each processor there may be where dyno decides. Each is a fork that
/// holds some 10 to 50 MB of its own.
const WORKERS_PER_PROCESSOR: u32 = 8;

/// How often each test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// So often.
    Times(NonZeroU32),
    /// Until one test fails.
    UntilFail,
}

impl Repeat {
    /// Once, as everywhere.
    pub const ONCE: Self = Self::Times(NonZeroU32::MIN);
}

impl Settings {
    /// How many templates may share the import, on a machine with so many `processors`: no
    /// more than workers, as far as the command line tells their number.
    pub fn templates(&self, processors: NonZeroU32) -> u32 {
        if self.share {
            self.slots(processors, None, false).min(processors.get())
        } else {
            1
        }
    }

    /// How many workers may run at once, on a machine with so many `processors`. Where dyno
    /// decides, that is one a processor, and more as the machine shows that it bears them: what
    /// a test starts and does not wait for is in no history.
    pub fn load(&self, processors: NonZeroU32, addopts: Option<&str>, debugger: bool) -> Load {
        let slots = self.slots(processors, addopts, debugger);
        let by_cpu = self.asked(addopts) == Workers::Auto
            && !(self.debugger || debugger)
            && processors.get() > 1;
        let most = if by_cpu {
            slots.saturating_mul(WORKERS_PER_PROCESSOR)
        } else {
            slots
        };
        Load {
            slots,
            most,
            by_cpu,
        }
    }

    /// What the command line, the rules or the ini file ask for.
    fn asked(&self, addopts: Option<&str>) -> Workers {
        let from_addopts = || addopts.and_then(|text| text.parse().ok());
        let written = self.workers.or(self.rules.workers);
        written.or_else(from_addopts).unwrap_or(Workers::Auto)
    }

    /// How many workers may run at once, on a machine with so many `processors`.
    ///
    /// `addopts` is what pytest-xdist's `-n` resolved to in the ini file, which counts
    /// where the command line says nothing.
    pub fn slots(&self, processors: NonZeroU32, addopts: Option<&str>, debugger: bool) -> u32 {
        if self.debugger || debugger {
            return 1;
        }
        match self.asked(addopts) {
            Workers::Count(count) => count.get(),
            Workers::Auto => processors.get(),
        }
    }
}

/// Arguments that cannot be resolved. The text is ready for a terminal.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An expression does not parse.
    #[error("{0}")]
    Expression(String),
}

/// Makes settings of dyno's own options, of what was seen among pytest's, and of the
/// project's rules.
pub fn resolve(
    options: TestOptions,
    split: Split,
    rules: Rules,
) -> Result<Settings, SettingsError> {
    // pytest strips -k before it looks whether there is anything, and -m it does not.
    let keyword = split.keyword_expression.as_deref().map(str::trim_start);
    for (option, text) in [("-m", split.marker_expression.as_deref()), ("-k", keyword)] {
        if let Some(Err(error)) = text.filter(|text| !text.is_empty()).map(dyno_select::parse) {
            return Err(SettingsError::Expression(error.render(option)));
        }
    }
    let selects = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let selected = selects(&split.marker_expression) || selects(&split.keyword_expression);
    let mut pytest_args = split.pytest;
    if options.no_capture {
        pytest_args.insert(0, "-s".into());
    }
    Ok(Settings {
        workers: options.workers,
        python: options.python,
        pytest_args,
        rootdir: split.rootdir.map(PathBuf::from),
        prune: selected && !options.import_all,
        share: !options.import_all,
        debugger: split.debugger,
        retries: options.retries,
        repeat: match options.repeat {
            _ if options.until_fail => Repeat::UntilFail,
            times => times.map_or(Repeat::ONCE, Repeat::Times),
        },
        shuffle: options.shuffle,
        partition: options.partition,
        deadline: options.deadline.or(rules.deadline),
        models: options.models.unwrap_or(rules.models),
        models_dir: options.models_dir,
        rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str], options: TestOptions) -> Result<Settings, SettingsError> {
        resolve(
            options,
            crate::split(args.iter().map(OsString::from)),
            Rules::default(),
        )
    }

    #[test]
    fn the_command_line_outranks_addopts_and_a_debugger_outranks_both() {
        let four = NonZeroU32::new(4).unwrap();
        let given = TestOptions {
            workers: Some("3".parse().unwrap()),
            ..TestOptions::default()
        };
        let asked = settings(&[], given.clone()).unwrap();
        let silent = settings(&[], TestOptions::default()).unwrap();
        assert_eq!(asked.slots(four, Some("2"), false), 3);
        assert_eq!(silent.slots(four, Some("2"), false), 2);
        assert_eq!(silent.slots(four, Some("auto"), false), 4);
        assert_eq!(silent.slots(four, None, false), 4);
        assert_eq!(asked.slots(four, None, true), 1);
        let debugged = settings(&["--pdb"], given).unwrap();
        assert_eq!(debugged.slots(four, None, false), 1);
    }

    #[test]
    fn an_expression_that_does_not_parse_is_refused_with_a_caret() {
        let error = settings(&["-m", "unit and"], TestOptions::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("unit and\n") && text.contains('^'), "{text}");
        assert!(settings(&["-k", " "], TestOptions::default()).is_ok());
    }
}
