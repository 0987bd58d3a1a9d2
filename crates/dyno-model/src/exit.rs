//! Exit codes, pytest's own.

use serde::{Deserialize, Serialize};

/// What `dyno test` exits with; the numbers are `pytest.ExitCode`'s.
///
/// A plugin may end pytest with a number of its own (`pytest.exit(returncode=...)`),
/// which is passed on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum ExitCode {
    /// 0: all tests passed.
    Ok,
    /// 1: a test failed.
    TestsFailed,
    /// 2: the run was interrupted, or collection failed.
    Interrupted,
    /// 3: an internal error of pytest or dyno.
    InternalError,
    /// 4: the command line or the configuration is wrong.
    UsageError,
    /// 5: no test was collected.
    NoTestsCollected,
    /// What a plugin chose.
    Other(u8),
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::TestsFailed,
            2 => Self::Interrupted,
            3 => Self::InternalError,
            4 => Self::UsageError,
            5 => Self::NoTestsCollected,
            other => Self::Other(other),
        }
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        match code {
            ExitCode::Ok => 0,
            ExitCode::TestsFailed => 1,
            ExitCode::Interrupted => 2,
            ExitCode::InternalError => 3,
            ExitCode::UsageError => 4,
            ExitCode::NoTestsCollected => 5,
            ExitCode::Other(other) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_an_exit_code_and_comes_back() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(ExitCode::from(code)), code);
        }
    }
}
