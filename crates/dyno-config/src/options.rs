//! dyno's own options of `dyno test`: one definition for the parser, the help and [`crate::split()`].

use clap::Args;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

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

    /// Import every test file, also those that the text shows to hold no selected test,
    /// and all in one process.
    #[arg(long)]
    pub import_all: bool,

    /// The Python to test with [default: the one of dyno's own environment, else the
    /// active one].
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
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
