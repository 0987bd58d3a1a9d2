//! What pytest says of the files.

use super::render::Rendered;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A marker as pytest has it: name, arguments, named arguments, all by `repr`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Marker {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) kwargs: Vec<Keyword>,
}

/// A named argument.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Keyword {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A fixture as pytest has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) scope: Option<String>,
}

/// A test as pytest collected it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) file: String,
    pub(crate) line: Option<i64>,
    pub(crate) markers: Vec<Marker>,
    pub(crate) fixtures: Vec<Fixture>,
}

#[derive(Deserialize)]
struct End {
    failed: Vec<String>,
    why: Vec<String>,
}

/// A node that pytest could not collect, or that skipped itself.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) node: String,
    pub(crate) why: String,
}

impl Failure {
    /// Whether a file could not import another module, or misses a file: that imports
    /// succeed is what discovery takes for granted.
    pub(crate) fn is_import(&self) -> bool {
        let last = self.why.lines().next_back().unwrap_or_default();
        self.why
            .starts_with("ImportError while importing test module")
            || last.starts_with("E   FileNotFoundError")
            // Of a conftest.
            || last.starts_with("ModuleNotFoundError")
            || last.starts_with("E   ModuleNotFoundError")
            || last.starts_with("ImportError")
    }

    /// Whether pytest failed on one of these functions, by their node ids: that a function
    /// whose parameters are in doubt can be collected at all is taken for granted too.
    pub(crate) fn is_of<'t>(&self, mut functions: impl Iterator<Item = &'t str>) -> bool {
        functions.any(|function| {
            let mut after = self.why.match_indices(function);
            after.any(|(at, _)| self.why[at + function.len()..].starts_with(':'))
        })
    }
}

/// What pytest collected.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// In the order of collection, by file.
    pub(crate) files: BTreeMap<String, Vec<Recorded>>,
    /// Nodes whose collection failed or was skipped.
    pub(crate) failed: Vec<Failure>,
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that `make` provides, or the one named by `VIRTUAL_ENV`.
pub(crate) fn python() -> PathBuf {
    let environment =
        std::env::var_os("VIRTUAL_ENV").map_or_else(|| repository().join(".venv"), PathBuf::from);
    environment.join("bin/python")
}

const PROBE: &str = "
import json, os, sys, pytest
from dyno._probe import Probe
bare = ['-c', os.devnull, '--rootdir', '.', '--noconftest', '-p', 'no:cacheprovider']
with open(sys.argv[1], 'w') as file:
    pytest.main(bare, [Probe(list(sys.path), lambda found: json.dump(found, file))])
";

/// Python with pytest and no plugins, below which nothing is remembered.
fn bare_python() -> Command {
    let mut command = Command::new(python());
    command
        .env("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTEST_ADDOPTS")
        .env_remove("PYTEST_PLUGINS");
    command
}

/// What the environment in which [`collect`] runs brings, as JSON.
pub(crate) fn probe() -> String {
    let place = tempfile::tempdir().expect("a folder for the probe");
    let path = place.path().join("environment.json");
    let output = bare_python()
        .args(["-c", PROBE])
        .arg(&path)
        .env("PYTHONPATH", repository().join("python"))
        .current_dir(place.path())
        .output()
        .expect("make provides a Python with pytest");
    fs::read_to_string(path).unwrap_or_else(|error| panic!("no probe: {error}: {output:?}"))
}

/// Writes the files below `root`, which gets an empty ini file.
pub(crate) fn write(root: &Path, files: &Rendered) {
    fs::create_dir_all(root).unwrap();
    fs::write(root.join("pytest.ini"), "[pytest]\n").unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Has pytest collect what is below `root`.
pub(crate) fn collect(root: &Path) -> Collected {
    let record = root.with_extension("record");
    let output = bare_python()
        .args([
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-q",
            "--continue-on-collection-errors",
            "--tb=no",
        ])
        .args(["-p", "recording", "-p", "no:cacheprovider", "-W", "ignore"])
        .env("PYTHONPATH", repository().join("scripts/parity"))
        .env("RECORD_TO", &record)
        .current_dir(root)
        .output()
        .expect("make provides a Python with pytest");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("INTERNALERROR"),
        "pytest ended by an internal error:\n{said}"
    );
    let Ok(text) = fs::read_to_string(&record) else {
        panic!(
            "pytest recorded nothing:\n{}",
            said.lines().rev().take(60).collect::<Vec<_>>().join("\n")
        );
    };
    let mut lines: Vec<&str> = text.lines().collect();
    let end: End =
        serde_json::from_str(lines.pop().expect("the last line tells the order")).unwrap();
    let recorded: Vec<Recorded> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let mut files: BTreeMap<String, Vec<Recorded>> = BTreeMap::new();
    for test in recorded {
        files.entry(test.file.clone()).or_default().push(test);
    }
    Collected {
        files,
        failed: (end.failed.into_iter().zip(end.why))
            .map(|(node, why)| Failure { node, why })
            .collect(),
    }
}
