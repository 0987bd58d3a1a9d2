//! Which models the tests of the working folder name, from their text.

use crate::commands::models::named::Named;
use crate::pytest::RealPytest;
use dyno_collect::{Collection, Disk, Settle, collect};
use dyno_doctor::{ReadSuite, Suite, Surroundings};
use dyno_model::ModelRequest;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// What reads the suite, later and on another thread.
pub(super) fn reader(around: &Surroundings, args: Vec<OsString>) -> ReadSuite {
    let (python, folder) = (around.python.clone(), around.folder.clone());
    Box::new(move || {
        if args.is_empty() && !is_suite(&folder) {
            return Suite::None;
        }
        let python = match python {
            Ok(python) => python,
            Err(error) => return Suite::Unread(first_line(&error)),
        };
        match RealPytest::of(python, folder) {
            Ok(pytest) => read(&pytest, &args),
            Err(error) => Suite::Unread(first_line(&error.to_string())),
        }
    })
}

/// Files of configuration that are pytest's alone.
const OF_PYTEST: [&str; 4] = ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"];

/// Whether pytest is configured here or above: a home folder is not searched for tests.
fn is_suite(folder: &Path) -> bool {
    let holds = |path: &Path, word: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains(word))
    };
    folder.ancestors().any(|folder| {
        OF_PYTEST.iter().any(|name| folder.join(name).is_file())
            || holds(&folder.join("pyproject.toml"), "[tool.pytest")
            || holds(&folder.join("tox.ini"), "[pytest]")
            || holds(&folder.join("setup.cfg"), "[tool:pytest]")
    })
}

fn read(pytest: &RealPytest, args: &[OsString]) -> Suite {
    let request = pytest.request(args, Settle::Nothing, true);
    match collect(&request, pytest, &Disk::new()) {
        Ok(collection) => named_by(&collection),
        Err(error) => Suite::Unread(first_line(&error.to_string())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn named_by(collection: &Collection) -> Suite {
    let mut wants: BTreeMap<ModelRequest, usize> = BTreeMap::new();
    let mut wrong: BTreeMap<String, String> = BTreeMap::new();
    for test in &collection.tests {
        let mut named = Named::default();
        named.add(&test.found.test, None);
        for request in named.models {
            *wants.entry(request).or_default() += 1;
        }
        let id = &test.found.test.item.id;
        for sentence in named.wrong {
            let why = sentence
                .strip_prefix(&format!("{id}: "))
                .unwrap_or(&sentence);
            wrong
                .entry(why.to_owned())
                .or_insert_with(|| id.to_string());
        }
    }
    Suite::Read {
        tests: collection.tests.len(),
        wants: wants.into_iter().collect(),
        wrong: wrong.into_iter().collect(),
    }
}
