//! An ini file, read as each of the files that pytest looks for. The first line may hold
//! arguments, after `#`, apart by spaces.

use dyno_config::pytest::{Started, pytest_config};
use dyno_model::{FilesInMemory, PytestVersion};
use std::path::Path;

/// Reads; panics are what is looked for.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = text.lines().next().and_then(|line| line.strip_prefix('#'));
    let args: Vec<String> = line
        .unwrap_or_default()
        .split(' ')
        .filter(|arg| !arg.is_empty())
        .map(str::to_owned)
        .collect();
    for name in [
        "pytest.ini",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
        "pytest.toml",
    ] {
        let files = FilesInMemory::new()
            .with(format!("/p/{name}"), data)
            .with("/p/tests/test_a.py", "");
        for version in [
            PytestVersion { major: 8, minor: 0 },
            PytestVersion { major: 9, minor: 2 },
        ] {
            let started = Started {
                version,
                args: &args,
                folder: Path::new("/p"),
                environment: &|name: &str| (name == "PYTEST_ADDOPTS").then(|| "-q".to_owned()),
                options: &[],
            };
            if let Err(error) = pytest_config(&started, &files) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
