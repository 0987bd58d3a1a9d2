//! A test module, with a conftest and others after lines of `#=== path`: what discovery
//! says of it, by the rules of both ends of the supported versions.

#[path = "files.rs"]
mod files;

use dyno_discover::Project;
use dyno_model::{Environment, PytestConfig, PytestVersion};

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

/// Reads; panics, endless loops and overflows are what is looked for.
pub(crate) fn run(data: &[u8]) {
    let Ok(environment) = serde_json::from_str::<Environment>(ENVIRONMENT) else {
        return;
    };
    let files = files::read(data, "test_a.py");
    for version in [
        PytestVersion { major: 8, minor: 0 },
        PytestVersion { major: 9, minor: 2 },
    ] {
        let config = PytestConfig::defaults(version, "/p");
        let project = Project::open(&files, &config, &environment);
        for file in &project.layout().files {
            let told = project.tell(file).tests;
            // A doubt without a reason helps nobody.
            for unknown in told
                .unknown
                .iter()
                .chain(told.tests.iter().flat_map(|test| &test.unknown))
            {
                assert!(!unknown.reason.is_empty(), "{unknown:?}");
            }
        }
    }
}
