//! Which fixtures tests use where conftests load modules as plugins, as pytest said it:
//! `record/record_plugins.py` records.

use dyno_discover::Project;
use dyno_model::{Environment, FilesInMemory, PytestConfig, PytestVersion};
use serde::Deserialize;
use std::collections::BTreeMap;

const ENVIRONMENT: &str = r#"{
    "python": {"executable": "/python", "version": [3, 11, 0], "level": "final",
        "implementation": "cpython", "platform": "linux", "os_name": "posix",
        "machine": "x86_64", "prefix": "/", "stdlib": [], "site": [], "stdlib_names": []},
    "pytest": "9.2.0", "sys_path": ["/p"], "plugins": [], "hooks": [], "ini": [],
    "options": [], "markers": [], "fixtures": []
}"#;

/// What each test uses; nothing where pytest does not collect.
type Told = Option<BTreeMap<String, Vec<String>>>;

#[derive(Deserialize)]
struct Recorded {
    projects: BTreeMap<String, BTreeMap<String, String>>,
    told: BTreeMap<String, BTreeMap<String, Told>>,
}

fn of_text(project: &BTreeMap<String, String>, version: PytestVersion) -> Told {
    let mut files = FilesInMemory::new();
    for (name, text) in project {
        files = files.with(format!("/p/{name}"), text.as_str());
    }
    let environment: Environment = serde_json::from_str(ENVIRONMENT).unwrap();
    let mut config = PytestConfig::defaults(version, "/p");
    if project.contains_key("pytest.ini") {
        config.args = vec!["sub".to_owned()];
        config.args_source = dyno_model::ArgsSource::Testpaths;
    }
    let opened = Project::open(&files, &config, &environment);
    let mut told = BTreeMap::new();
    for file in &opened.layout().files {
        let tests = opened.tell(file).tests;
        if !tests.is_exact() {
            return None;
        }
        told.extend(tests.tests.into_iter().map(|found| {
            let names = found.test.fixtures.into_iter().map(|used| used.name);
            let names = names.filter(|name| name != "request").collect();
            (found.test.item.id.as_str().to_owned(), names)
        }));
    }
    Some(told)
}

#[test]
fn fixtures_of_modules_that_conftests_load_are_pytests() {
    let recorded: Recorded = serde_json::from_str(include_str!("record/plugins.json")).unwrap();
    let mut wrong = Vec::new();
    for (version, told) in &recorded.told {
        let mut numbers = version.split('.').map(|part| part.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        let pytest = PytestVersion::new(next(), next());
        for (name, pytests) in told {
            let own = of_text(&recorded.projects[name], pytest);
            if own != *pytests {
                wrong.push(format!("{version} {name}: {own:?}, pytest {pytests:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
