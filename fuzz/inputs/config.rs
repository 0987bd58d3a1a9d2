//! An ini file, read as each of the files that pytest looks for. The first line may hold
//! arguments, after `#`, apart by spaces.

use dyno_config::pytest::{Started, pytest_config};
use dyno_model::{FilesInMemory, PytestConfig, PytestVersion};
use std::path::Path;

/// Reads, twice: the same both times, and paths that are absolute.
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
        for version in [PytestVersion::new(8, 0), PytestVersion::new(9, 2)] {
            let started = Started {
                version,
                args: &args,
                folder: Path::new("/p"),
                environment: &|name: &str| (name == "PYTEST_ADDOPTS").then(|| "-q".to_owned()),
                options: &[],
            };
            let resolved = pytest_config(&started, &files);
            assert_eq!(resolved, pytest_config(&started, &files));
            match resolved {
                Ok(config) => sound(&config),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

/// What is promised of every configuration, and that it survives being kept.
fn sound(config: &PytestConfig) {
    let one = [&config.rootdir, &config.invocation_dir, &config.cache.dir];
    let paths = (one.into_iter()).chain(&config.inifile);
    let paths = paths.chain(&config.confcutdir).chain(&config.ignore);
    for path in paths.chain(&config.pythonpath) {
        assert!(path.is_absolute(), "{}", path.display());
    }
    assert!(config.unknown.iter().all(|reason| !reason.is_empty()));
    let kept = serde_json::to_string(config).unwrap_or_default();
    assert_eq!(serde_json::from_str(&kept).ok().as_ref(), Some(config));
}
