//! What a Python has installed: asked of the interpreter itself, which imports none of it.

use crate::child::{Answer, ask};
use crate::paste;
use crate::version::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INSPECT: &str = include_str!("inspect.py");

/// It takes 0.1 s with 90 packages, and 0.4 s with the 250 of vLLM (2 cores, 2026-11); a cold
/// disk takes seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// Modules that are looked for, imported by nobody.
const MODULES: [&str; 10] = [
    "pip",
    "pytest",
    "dynamo.frontend",
    "sklearn",
    "prometheus_api_client",
    "plotly",
    "pandas",
    "pmdarima",
    "filterpy",
    "prophet",
];

/// A Python and what it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interpreter {
    /// The path it was started by.
    pub(crate) path: PathBuf,
    pub(crate) has: Has,
    /// `uv`, where it is on the `PATH`.
    pub(crate) has_uv: bool,
}

/// What [`INSPECT`] prints.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Has {
    pub(crate) version: (u32, u32, u32),
    /// By normal names.
    pub(crate) distributions: BTreeMap<String, Distribution>,
    /// Normal names of distributions that bring plugins of pytest.
    pub(crate) plugins: Vec<String>,
    /// What `ai-dynamo` asks for.
    pub(crate) requires: Vec<String>,
    /// Those of [`MODULES`] that are there.
    pub(crate) modules: Vec<String>,
    pub(crate) dyno: Option<DynoPackage>,
    /// The distribution forbids to install into it.
    pub(crate) is_managed: bool,
}

/// An installed package.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) version: String,
    /// Its folder of metadata; further ones are hidden by it.
    pub(crate) copies: Vec<String>,
}

/// dyno's own package.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DynoPackage {
    pub(crate) folder: PathBuf,
    pub(crate) protocol: Option<u32>,
}

impl Interpreter {
    /// Asks one; otherwise why it does not tell.
    pub(crate) fn look(path: &Path, has_uv: bool) -> Result<Self, String> {
        let mut command = Command::new(path);
        command.args(["-c", INSPECT]).args(MODULES);
        // Nothing is left behind where the packages are.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let answer = ask(&mut command, LIMIT);
        match answer.said().map(serde_json::from_str) {
            Some(Ok(has)) => Ok(Self {
                path: path.to_owned(),
                has,
                has_uv,
            }),
            Some(Err(_)) => Err("it does not answer as a Python does".to_owned()),
            None => Err(answer.why_not()),
        }
    }

    /// Whether a statement succeeds; otherwise why not. It may load libraries.
    pub(crate) fn can(&self, statement: &str) -> Result<(), String> {
        let mut command = Command::new(&self.path);
        command.args(["-c", statement]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        match ask(&mut command, LIMIT) {
            answer @ Answer::Ended { .. } if answer.said().is_some() => Ok(()),
            answer => Err(answer.why_not()),
        }
    }

    /// The version of an installed package, by its normal name.
    pub(crate) fn version_of(&self, name: &str) -> Option<Version> {
        Version::parse(&self.has.distributions.get(name)?.version)
    }

    pub(crate) fn has_module(&self, name: &str) -> bool {
        self.has.modules.iter().any(|module| module == name)
    }

    /// The command that installs packages into it.
    pub(crate) fn install(&self, packages: &[&str]) -> String {
        let python = self.path.to_string_lossy();
        if self.has.is_managed {
            let mut into = vec![".venv/bin/python", "-m", "pip", "install"];
            into.extend(packages);
            let make = paste::command(&[&python, "-m", "venv", ".venv"]);
            return format!("{make} && {}", paste::command(&into));
        }
        let mut words = if self.has_module("pip") {
            vec![&*python, "-m", "pip", "install"]
        } else if self.has_uv {
            vec!["uv", "pip", "install", "--python", &*python]
        } else {
            let pip = paste::command(&[&python, "-m", "ensurepip"]);
            let mut words = vec![&*python, "-m", "pip", "install"];
            words.extend(packages);
            return format!("{pip} && {}", paste::command(&words));
        };
        words.extend(packages);
        paste::command(&words)
    }
}

#[cfg(test)]
impl Interpreter {
    /// One that has these packages and modules.
    pub(crate) fn with(packages: &[(&str, &str)], modules: &[&str]) -> Self {
        let distribution = |(name, version): &(&str, &str)| {
            let distribution = Distribution {
                version: (*version).to_owned(),
                copies: vec![format!("/venv/lib/{name}-{version}.dist-info")],
            };
            ((*name).to_owned(), distribution)
        };
        Self {
            path: PathBuf::from("/venv/bin/python"),
            has: Has {
                version: (3, 11, 7),
                distributions: packages.iter().map(distribution).collect(),
                modules: modules.iter().map(ToString::to_string).collect(),
                ..Has::default()
            },
            has_uv: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_by_what_there_is() {
        let mut python = Interpreter::with(&[], &["pip"]);
        assert_eq!(
            python.install(&["pytest>=8"]),
            "/venv/bin/python -m pip install 'pytest>=8'"
        );
        python.has.modules.clear();
        assert!(
            python
                .install(&["a"])
                .starts_with("/venv/bin/python -m ensurepip && ")
        );
        python.has_uv = true;
        assert_eq!(
            python.install(&["a"]),
            "uv pip install --python /venv/bin/python a"
        );
        python.has.is_managed = true;
        assert!(
            python
                .install(&["a"])
                .ends_with("venv .venv && .venv/bin/python -m pip install a")
        );
    }

    #[test]
    fn what_is_no_python_says_so() {
        assert!(Interpreter::look(Path::new("/nowhere/python"), false).is_err());
        let error = Interpreter::look(Path::new("/bin/true"), false).unwrap_err();
        assert_eq!(error, "it does not answer as a Python does");
        let error = Interpreter::look(Path::new("/bin/false"), false).unwrap_err();
        assert!(error.contains("exit code 1"), "{error}");
    }
}
