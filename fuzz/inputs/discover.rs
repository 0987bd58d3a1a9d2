//! A test module, with a conftest and others after lines of `#=== path`: what discovery
//! says of it, by the rules of both ends of the supported versions.

#[path = "files.rs"]
mod files;

use dyno_discover::Project;
use dyno_model::{
    Environment, FileTests, FilesInMemory, FoundTest, PytestConfig, PytestVersion, Unknown,
};
use std::collections::HashSet;
use std::path::Path;

/// An environment without plugins.
const ENVIRONMENT: &str = r#"{
    "python": {"executable": "/python", "version": [3, 11, 0], "level": "final",
        "implementation": "cpython", "platform": "linux", "os_name": "posix",
        "machine": "x86_64", "prefix": "/", "stdlib": [], "site": [], "stdlib_names": []},
    "pytest": "9.2.0", "sys_path": [], "plugins": [], "hooks": [], "ini": [], "options": [],
    "markers": [],
    "fixtures": [{"name": "tmp_path", "scope": "function", "arguments": ["request"],
        "autouse": false, "file": "/tmpdir.py"}]
}"#;

/// More tests than this are listed, and not looked at: it would take seconds.
const MANY: usize = 5_000;

/// Reads. Whoever asks for the files in another order is told the same; every doubt has a
/// reason, every id is its file's, every place lies in the text.
pub(crate) fn run(data: &[u8]) {
    let Ok(environment) = serde_json::from_str::<Environment>(ENVIRONMENT) else {
        return;
    };
    let files = files::read(data, "test_a.py");
    for version in [PytestVersion::new(8, 0), PytestVersion::new(9, 2)] {
        let config = PytestConfig::defaults(version, "/p");
        let project = Project::open(&files, &config, &environment);
        let told: Vec<FileTests> = (project.layout().files.iter())
            .map(|file| project.tell(file).tests)
            .collect();
        if told.iter().map(|file| file.tests.len()).sum::<usize>() > MANY {
            return;
        }
        for tests in &told {
            sound(tests, &files);
        }
        let again = Project::open(&files, &config, &environment);
        let mut backwards: Vec<FileTests> = (again.layout().files.iter().rev())
            .map(|file| again.tell(file).tests)
            .collect();
        backwards.reverse();
        assert_eq!(told, backwards);
    }
}

/// What is promised of every file's tests, and that they survive being kept.
fn sound(told: &FileTests, files: &FilesInMemory) {
    assert!(!told.file.is_empty());
    let of_tests = told.tests.iter().flat_map(|test| &test.unknown);
    for unknown in told.unknown.iter().chain(of_tests) {
        assert!(!unknown.reason.is_empty(), "{unknown:?}");
        in_text(unknown, files);
    }
    for test in &told.tests {
        let FoundTest { test, .. } = test;
        let id = test.item.id.as_str();
        let own = id.strip_prefix(told.file.as_str());
        let name = own.and_then(|own| own.strip_prefix("::"));
        assert!(name.is_some_and(|name| !name.is_empty()), "{id:?}");
        let location = &test.item.location;
        let line = location.line.unwrap_or_default();
        assert!(line < lines(&location.file, files), "{location:?}");
    }
    if told.is_exact() {
        let ids: HashSet<&str> = (told.tests.iter())
            .map(|test| test.test.item.id.as_str())
            .collect();
        assert_eq!(ids.len(), told.tests.len(), "{told:?}");
    }
    let kept = serde_json::to_string(told).unwrap_or_default();
    assert_eq!(serde_json::from_str(&kept).ok().as_ref(), Some(told));
}

fn in_text(unknown: &Unknown, files: &FilesInMemory) {
    if let Some((file, line)) = unknown.at.rsplit_once(':') {
        let line: u32 = line.parse().expect("a place has a line");
        assert!((1..=lines(file, files)).contains(&line), "{unknown:?}");
    }
}

/// The lines of a file; of one outside the project any number.
fn lines(file: &str, files: &FilesInMemory) -> u32 {
    files::lines(files, &Path::new("/p").join(file)).unwrap_or(u32::MAX)
}
