//! Configurations, compared with what pytest made of them (`record_pytest.py`).

mod recorded_tree;

use dyno_config::pytest::{Started, pytest_config};
use dyno_model::{ArgsSource, ImportMode, PytestConfig};
use recorded_tree::{files, version};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The part that was recorded, in the form in which it was.
fn seen(config: &PytestConfig) -> Value {
    json!({
        "rootdir": text(&config.rootdir),
        "inifile": config.inifile.as_deref().map(text),
        "args": config.args,
        "args_source": match config.args_source {
            ArgsSource::Args => "ARGS",
            ArgsSource::Testpaths => "TESTPATHS",
            ArgsSource::InvocationDir => "INVOCATION_DIR",
        },
        "confcutdir": config.confcutdir.as_deref().map(text),
        "python_files": config.python_files,
        "python_classes": config.python_classes,
        "python_functions": config.python_functions,
        "norecursedirs": config.norecursedirs,
        "usefixtures": config.usefixtures,
        "pythonpath": config.pythonpath.iter().map(|path| text(path)).collect::<Vec<_>>(),
        "cache_dir": text(&config.cache.dir),
        "strict_markers": config.strict_markers,
        "empty_mark": config.empty_parameter_set_mark,
        "keepduplicates": config.keep_duplicates,
        "collect_in_virtualenv": config.collect_in_virtualenv,
        "noconftest": config.noconftest,
        "importmode": match config.import_mode {
            ImportMode::Prepend => "prepend",
            ImportMode::Append => "append",
            ImportMode::Importlib => "importlib",
        },
        "pyargs": config.pyargs,
        "markexpr": config.marker_expression,
        "keyword": config.keyword_expression,
        "deselect": config.deselect,
        "lf": config.cache.last_failed,
        "failedfirst": config.cache.failed_first,
        "newfirst": config.cache.new_first,
        "stepwise": config.cache.stepwise,
        "stepwise_skip": config.cache.stepwise_skip,
        "last_failed_no_failures": config.cache.no_last_failed,
        "cacheclear": config.cache.clear,
        "doctestmodules": config.doctest_modules,
        "doctestglob": config.doctest_glob,
        "doctest_ignore_import_errors": config.doctest_ignore_import_errors,
        "collectonly": config.collect_only,
        "plugins": config.plugins,
    })
}

/// What was recorded of one option, whichever part of pytest it stands in.
fn recorded(config: &Value, name: &str) -> Option<Value> {
    let empty_lists = ["deselect", "plugins"];
    let found = [config, &config["ini"], &config["options"]]
        .into_iter()
        .find_map(|part| part.get(name))?
        .clone();
    Some(match (name, found) {
        // The plugin that has the option is blocked.
        (name, Value::Null) if CACHE.contains(&name) => return None,
        (name, Value::Null) if empty_lists.contains(&name) => json!([]),
        ("doctestglob", Value::Array(globs)) if globs.is_empty() => json!(["test*.txt"]),
        ("doctestglob", Value::Null) => json!(["test*.txt"]),
        ("doctestmodules" | "doctest_ignore_import_errors", Value::Null) => json!(false),
        // Before 9.2 the empty text stood for the default.
        ("empty_mark", Value::String(mark)) if mark.is_empty() => json!("skip"),
        (_, found) => found,
    })
}

#[test]
fn configurations_are_pytests() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("pytest.json")).unwrap();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let files = files(case);
        let args: Vec<String> = serde_json::from_value(case["args"].clone()).unwrap();
        let folder = PathBuf::from("/").join(case["cwd"].as_str().unwrap());
        let environment = |name: &str| match case["env"][name].as_str() {
            None if name == "HOME" => Some("/home/x".to_owned()),
            value => value.map(str::to_owned),
        };
        for answer in case["answers"].as_array().unwrap() {
            for number in answer[0].as_array().unwrap() {
                let number = number.as_str().unwrap();
                let made = pytest_config(
                    &Started {
                        version: version(number),
                        args: &args,
                        folder: &folder,
                        environment: &environment,
                        options: &[],
                    },
                    &files,
                );
                compared += 1;
                let said = &answer[1];
                match (made, said.get("config")) {
                    (Ok(config), Some(expected)) => {
                        let seen = seen(&config);
                        for (option, value) in seen.as_object().unwrap() {
                            let expected = recorded(expected, option);
                            if expected.as_ref() != Some(value) && expected.is_some() {
                                wrong.push(format!(
                                    "{name} {number}: {option} is {value}, pytest has {}",
                                    expected.unwrap_or_default()
                                ));
                            }
                        }
                        if !config.unknown.is_empty() {
                            wrong.push(format!("{name} {number}: {:?}", config.unknown));
                        }
                    }
                    // Some values are wrong only when pytest comes to look at them.
                    (Err(_), Some(_)) if said["exit"] == 3 || said["exit"] == 4 => {}
                    (Err(error), None) => {
                        let stderr = said["stderr"].as_str().unwrap();
                        let message = error.message.trim_start_matches("pytest: ");
                        if !stderr.contains(message) && !TOLD_OTHERWISE.contains(&name) {
                            wrong.push(format!("{name} {number}: {error:?}, pytest: {stderr:?}"));
                        }
                    }
                    (made, expected) => wrong.push(format!(
                        "{name} {number}: {:?}, pytest: {} {}",
                        made.map(|config| config.rootdir),
                        expected.is_some(),
                        said["stderr"]
                    )),
                }
            }
        }
    }
    assert!(compared > 480, "{compared}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

const CACHE: &[&str] = &[
    "cacheclear",
    "failedfirst",
    "last_failed_no_failures",
    "lf",
    "newfirst",
    "stepwise",
    "stepwise_skip",
];

/// Cases where pytest's text comes from another parser, or it ends with a traceback.
const TOLD_OTHERWISE: &[&str] = &["pyproject-broken", "option-c-missing"];
