//! dyno's own options of `dyno test`: one definition for the parser, the help and [`crate::split()`].

use crate::Models;
use clap::Args;
use dyno_model::Partition;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What `dyno test` owns. Every other argument is pytest's and goes to it as it is.
#[derive(Debug, Clone, Default, Args)]
pub struct TestOptions {
    /// Workers that run tests side by side: a number, or `auto` for one a processor.
    ///
    /// 1 keeps pytest's own order in one worker.
    #[arg(short = 'n', long = "numprocesses", value_name = "N|auto")]
    pub workers: Option<Workers>,

    /// Show what tests print, as it comes (pytest's -s).
    #[arg(long)]
    pub no_capture: bool,

    /// Try a test that fails up to so many times again, each time in a fresh process. One
    /// that then passes is reported as FLAKY.
    #[arg(long, value_name = "N", conflicts_with_all = ["repeat", "until_fail"])]
    pub retries: Option<u32>,

    /// Run each test so many times, each time in a fresh process.
    #[arg(long, value_name = "N")]
    pub repeat: Option<NonZeroU32>,

    /// Run the tests again and again, in fresh processes, until one fails.
    #[arg(long, conflicts_with = "repeat")]
    pub until_fail: bool,

    /// Run tests in another order: that of the seed, or of one that is drawn and shown.
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    pub shuffle: Option<Option<u64>>,

    /// Run one part of the tests: `hash:1/4` or `slice:1/4` is the first of four.
    ///
    /// `hash` puts a test where its name says, whatever else is selected; `slice` deals the
    /// selected tests out one by one.
    #[arg(long, value_name = "KIND:I/N")]
    pub partition: Option<Partition>,

    /// Go on where a run was cut off, the latest or this one: its tests that came to their
    /// end are not run again, and what is said at the end is of all.
    ///
    /// Its command line is taken over; options given here come after it.
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true)]
    pub resume: Option<Option<String>>,

    /// Stop the run after so long (`30m`, `2h`), as Ctrl-C would.
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    pub deadline: Option<Duration>,

    /// Follow this profile, a table `[tool.dyno.profiles.NAME]` of pyproject.toml.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Models that tests name (`@pytest.mark.model`): `fetch` what is not in the cache,
    /// `cached` asks no Hub, `ignore` leaves them to the tests [default: fetch].
    #[arg(long, value_name = "WHAT")]
    pub models: Option<Models>,

    /// The Hub's cache for this run, for dyno and its tests (`HF_HUB_CACHE`).
    #[arg(long, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,

    /// Import every test file, also those that the text shows to hold no selected test,
    /// and all in one process.
    #[arg(long)]
    pub import_all: bool,

    /// The Python to test with [default: the one of dyno's own environment, else the
    /// active one].
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
}

fn deadline(text: &str) -> Result<Duration, String> {
    crate::terms::length(text)
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "expected a length of time such as `90s` or `2h`".to_owned())
}

/// How many workers may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One a processor.
    Auto,
    /// This many.
    Count(NonZeroU32),
}

impl FromStr for Workers {
    type Err = String;

    /// Reads pytest-xdist's spellings. Its 0, `no workers`, is one worker here: the tests
    /// then run in one process and in pytest's order, which is what 0 asks for.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" | "logical" => Ok(Self::Auto),
            _ => text
                .parse::<u32>()
                .map(|count| Self::Count(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)))
                .map_err(|_| "expected a number of workers or `auto`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_spelled_as_under_xdist() {
        let count = |n| Ok(Workers::Count(NonZeroU32::new(n).unwrap()));
        assert_eq!("auto".parse(), Ok(Workers::Auto));
        assert_eq!("logical".parse(), Ok(Workers::Auto));
        assert_eq!("4".parse::<Workers>(), count(4));
        assert_eq!("0".parse::<Workers>(), count(1));
        assert!("-1".parse::<Workers>().is_err());
        assert!("many".parse::<Workers>().is_err());
    }
}
