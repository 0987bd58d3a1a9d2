//! The environment's variables, as they were when the command began.

use crate::Fingerprint;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The environment's variables.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<OsString, OsString>);

/// Beginnings of the names by which Python and pytest are told how to behave; `LC_` and
/// `LANG` choose how files are decoded.
const OF_PYTHON: [&str; 4] = ["PYTHON", "PYTEST_", "LC_", "LANG"];

/// Names among those that tell of the process that started this one.
const FLEETING: [&str; 4] = [
    "PYTEST_CURRENT_TEST",
    "PYTEST_XDIST_WORKER",
    "PYTEST_XDIST_TESTRUNUID",
    "PYTEST_VERSION",
];

/// What a shell counts or notes with each command.
const OF_SHELLS: [&str; 3] = ["_", "SHLVL", "OLDPWD"];

/// Whether a variable differs from one command to the next.
pub(crate) fn is_passing(name: &str) -> bool {
    FLEETING.contains(&name) || OF_SHELLS.contains(&name)
}

impl Variables {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of a variable, where it is set.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(std::ffi::OsStr::new(name))
    }

    /// Of all names and values, but for those that differ from one command to the next.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let lasting = self.0.iter();
        let lasting = lasting.filter(|(name, _)| !is_passing(&name.to_string_lossy()));
        Fingerprint::of_parts(lasting.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
    }

    /// Names and values of those that Python and pytest look at, by which answers differ.
    pub(crate) fn of_python(&self) -> Vec<Vec<u8>> {
        self.0
            .iter()
            .filter(|(name, _)| {
                let name = name.to_string_lossy();
                OF_PYTHON.iter().any(|begin| name.starts_with(begin))
                    && !FLEETING.contains(&name.as_ref())
            })
            .flat_map(|(name, value)| [name.as_bytes().to_vec(), value.as_bytes().to_vec()])
            .collect()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(variables: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.into(), value.into());
        Self(variables.into_iter().map(owned).collect())
    }
}
