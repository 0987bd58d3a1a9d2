//! Layouts, compared with what pytest collected (dyno-config's `record_pytest.py`).

#[path = "../../dyno-config/tests/recorded_tree/mod.rs"]
mod recorded_tree;

use dyno_config::pytest::{Started, pytest_config};
use dyno_discover::layout::{
    CollectIgnore, FileRole, IgnoreList, Layout, LayoutFile, Wanted, layout,
};
use dyno_model::{FileKind, Files, FilesInMemory, FolderEntry, PytestConfig, PytestVersion};
use proptest::prelude::*;
use recorded_tree::{files, version};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn text(files: &FilesInMemory, path: &Path) -> String {
    let content = files.read(path).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

/// The lists of a conftest of the recorded trees, which are written as JSON has them.
fn ignored(files: &FilesInMemory, conftest: &Path) -> CollectIgnore {
    let content = text(files, conftest);
    let list = |name: &str| {
        let start = format!("{name} = ");
        content
            .lines()
            .find_map(|line| line.strip_prefix(&start))
            .map_or(IgnoreList::Absent, |list| {
                IgnoreList::Known(serde_json::from_str(list).unwrap())
            })
    };
    CollectIgnore {
        paths: list("collect_ignore"),
        globs: list("collect_ignore_glob"),
    }
}

/// The tests of a file of the recorded trees, outermost name first.
fn tests(content: &str) -> Vec<Vec<String>> {
    let mut class = None;
    let mut found = Vec::new();
    for line in content.lines() {
        let name = |rest: &str| rest.split(['(', ':']).next().unwrap().to_owned();
        if let Some(rest) = line.strip_prefix("class ") {
            class = Some(name(rest));
        } else if let Some(rest) = line.strip_prefix("    def ") {
            found.push(vec![class.clone().unwrap(), name(rest)]);
        } else if let Some(rest) = line.strip_prefix("def ") {
            found.push(vec![name(rest)]);
        }
    }
    found
}

fn is_wanted(test: &[String], wanted: &Wanted) -> bool {
    let is_class = test.len() > wanted.names.len();
    wanted.parametrization.is_none()
        && test.starts_with(&wanted.names)
        && !(is_class && wanted.only_functions)
}

fn ids(file: &LayoutFile, files: &FilesInMemory) -> Vec<String> {
    let tests = tests(&text(files, &file.path));
    let id = |test: &Vec<String>| format!("{}::{}", file.id, test.join("::"));
    if file.wanted.is_empty() {
        return tests.iter().map(id).collect();
    }
    let of = |wanted: &Wanted| {
        tests
            .iter()
            .filter(|test| is_wanted(test, wanted))
            .map(id)
            .collect()
    };
    file.wanted
        .iter()
        .flat_map(|wanted| -> Vec<String> { of(wanted) })
        .collect()
}

fn surroundings(file: &LayoutFile) -> Value {
    let folder = |folder: &dyno_discover::layout::FolderNode| {
        json!([folder.id, folder.name, folder.is_package])
    };
    json!({
        "folders": file.folders.iter().map(folder).collect::<Vec<_>>(),
        "conftests": file.conftests.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(),
        "module": file.module.name,
    })
}

struct Comparison {
    wrong: Vec<String>,
    unknown: Vec<String>,
}

impl Comparison {
    fn compare(
        &mut self,
        name: &str,
        laid: &Layout,
        said: &Value,
        files: &FilesInMemory,
        modules: bool,
    ) {
        let doubts = laid
            .unknown
            .iter()
            .chain(laid.files.iter().flat_map(|file| &file.unknown));
        let is_text = |file: &LayoutFile| file.role != FileRole::Module;
        if doubts.count() > 0 || laid.files.iter().any(is_text) {
            self.unknown
                .push(name.split(' ').next().unwrap().to_owned());
            return;
        }
        let stderr = said["stderr"].as_str().unwrap();
        if !laid.problems.is_empty() {
            for problem in &laid.problems {
                // One line each, the first behind `ERROR: `.
                if !stderr.contains(&problem.message) {
                    self.wrong
                        .push(format!("{name}: {problem}, pytest: {stderr:?}"));
                }
            }
            return;
        }
        let Some(expected) = said["items"].as_array() else {
            // What an argument names is not in the file: for others to see.
            let names = laid.files.iter().any(|file| !file.wanted.is_empty());
            if !names && !stderr.contains("Wrong expression") {
                self.wrong
                    .push(format!("{name}: pytest collected nothing: {stderr:?}"));
            }
            return;
        };
        let found: Vec<String> = laid
            .files
            .iter()
            .flat_map(|file| ids(file, files))
            .collect();
        if json!(found) != json!(expected) {
            self.wrong
                .push(format!("{name}: {found:?}, pytest: {expected:?}"));
        }
        for file in &laid.files {
            let mut seen = surroundings(file);
            if let Some(said) = said["files"].get(file.path.to_str().unwrap()) {
                if !modules {
                    seen["module"] = said["module"].clone();
                }
                if seen != *said {
                    self.wrong.push(format!("{name}: {seen}, pytest: {said}"));
                }
            }
        }
        // A set of folders is taken in the order of the disk by pytest: see `add_anchor`.
        let sorted = |paths: Vec<String>| {
            let mut paths = paths;
            paths.sort();
            paths
        };
        let loaded = laid
            .conftests
            .iter()
            .map(|path| path.to_str().unwrap().to_owned());
        let said_loaded: Vec<String> = serde_json::from_value(said["conftests"].clone()).unwrap();
        let loaded = sorted(loaded.collect());
        let initial = said["initial_conftests"].as_u64().unwrap();
        if loaded != sorted(said_loaded.clone()) || laid.initial_conftests as u64 != initial {
            self.wrong.push(format!(
                "{name}: conftests {loaded:?}, pytest: {said_loaded:?}"
            ));
        }
    }
}

/// Cases in which something is unknown, or that hold more than modules.
const UNKNOWN: &[&str] = &[
    "doctest-glob",
    "doctest-modules",
    "doctest-options",
    "doctest-rst-arg",
    "doctest-text",
    "link-cycle",
    "not-py",
    "same-name",
    "same-package",
    "stdlib-name",
];

#[test]
fn layouts_are_pytests() {
    let recorded = include_str!("../../dyno-config/tests/pytest.json");
    let cases: Vec<Value> = serde_json::from_str(recorded).unwrap();
    let mut comparison = Comparison {
        wrong: Vec::new(),
        unknown: Vec::new(),
    };
    let mut compared = 0;
    for case in &cases {
        let files = files(case);
        let args: Vec<String> = serde_json::from_value(case["args"].clone()).unwrap();
        let folder = PathBuf::from("/").join(case["cwd"].as_str().unwrap());
        for answer in case["answers"].as_array().unwrap() {
            for number in answer[0].as_array().unwrap() {
                let number = number.as_str().unwrap();
                let started = Started {
                    version: version(number),
                    args: &args,
                    folder: &folder,
                    environment: &|name| case["env"][name].as_str().map(str::to_owned),
                    options: &[],
                };
                let Ok(config) = pytest_config(&started, &files) else {
                    continue;
                };
                compared += 1;
                let laid = layout(&config, &files, &|path| ignored(&files, path));
                let name = format!("{} {number}", case["name"].as_str().unwrap());
                // Under importlib a name is either of two: see `ModuleName`.
                let modules = config.import_mode != dyno_model::ImportMode::Importlib;
                comparison.compare(&name, &laid, &answer[1], &files, modules);
            }
        }
    }
    assert!(compared > 480, "{compared}");
    comparison.unknown.dedup();
    let wrong = comparison.wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        comparison.wrong.len()
    );
    comparison.unknown.sort();
    assert_eq!(comparison.unknown, UNKNOWN);
}

proptest! {
    #[test]
    fn no_tree_is_too_strange(
        paths in proptest::collection::vec("(/(a|b|test_a\\.py|__init__\\.py|conftest\\.py|\\[x|é)){1,4}", 0..12),
        links in proptest::collection::vec(("(/(a|b|l)){1,3}", "(\\.|\\.\\.|a|/b|l)"), 0..3),
        args in proptest::collection::vec("(a|b|\\.\\.|/a/b|l|a/test_a\\.py(::[A-z\\[]{0,3})?|\\[)", 0..4),
        old in any::<bool>(),
    ) {
        let mut files = FilesInMemory::new().with("/p/test_p.py", "");
        for path in &paths {
            files = files.with(path, "");
        }
        for (path, target) in &links {
            files = files.with_link(path, target);
        }
        let version = if old { PytestVersion::new(8, 0) } else { PytestVersion::new(9, 2) };
        let mut config = PytestConfig::defaults(version, "/p");
        config.args = if args.is_empty() { vec!["/".to_owned()] } else { args };
        let laid = layout(&config, &files, &|_| CollectIgnore::default());
        let again = layout(&config, &files, &|_| CollectIgnore::default());
        prop_assert_eq!(laid, again);
    }
}

#[test]
fn a_wide_tree_is_laid_out_whole() {
    for count in [200, 2000] {
        let files = Wide(count);
        let mut config = PytestConfig::defaults(PytestVersion::new(9, 2), "/p");
        config.args = vec!["/p".to_owned()];
        let laid = layout(&config, &files, &|_| CollectIgnore::default());
        assert_eq!(laid.files.len(), count);
        assert!(laid.unknown.is_empty());
    }
}

/// So many files, twenty in a folder, without a map to search.
struct Wide(usize);

impl Files for Wide {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        match path.extension() {
            None => Some(FileKind::Folder),
            Some(_) => path
                .starts_with("/p/d")
                .then_some(FileKind::File)
                .filter(|_| {
                    path.file_name()
                        .is_some_and(|name| name.to_string_lossy().starts_with("test_"))
                }),
        }
    }

    fn read(&self, _: &Path) -> Option<Arc<[u8]>> {
        None
    }

    fn list(&self, folder: &Path) -> Option<Arc<[FolderEntry]>> {
        let entry = |kind, name: String| FolderEntry {
            name: name.into(),
            kind: Some(kind),
            is_link: false,
        };
        let name = folder.file_name()?.to_string_lossy().into_owned();
        Some(match name.strip_prefix('d') {
            Some(number) => (0..20)
                .map(|index| entry(FileKind::File, format!("test_{number}_{index:02}.py")))
                .collect(),
            None => (0..self.0 / 20)
                .map(|index| entry(FileKind::Folder, format!("d{index:04}")))
                .collect(),
        })
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }
}
