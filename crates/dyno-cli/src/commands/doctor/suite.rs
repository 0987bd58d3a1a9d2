//! Which models the tests of the working folder name, from their text.

use crate::pytest::RealPytest;
use dyno_collect::{Collection, Disk, Settle, collect};
use dyno_doctor::{ReadSuite, Suite, Surroundings};
use dyno_model::{Item, Marker, ModelFiles, ModelName, ModelRequest, Revision};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// A marker's models, or a name of it that is none and why.
type Named = Result<ModelRequest, String>;

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

/// Whether pytest is configured here or above: a home folder is not searched for tests.
fn is_suite(folder: &Path) -> bool {
    let holds = |path: &Path, word: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains(word))
    };
    folder.ancestors().any(|folder| {
        folder.join("pytest.ini").is_file()
            || folder.join(".pytest.ini").is_file()
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
        let item = &test.found.test.item;
        for named in models_of(item, &collection.rootdir) {
            match named {
                Ok(request) => *wants.entry(request).or_default() += 1,
                Err(why) => {
                    wrong.entry(why).or_insert_with(|| item.id.to_string());
                }
            }
        }
    }
    Suite::Read {
        tests: collection.tests.len(),
        wants: wants.into_iter().collect(),
        wrong: wrong.into_iter().collect(),
    }
}

/// The models that a test's markers name, each once.
fn models_of(item: &Item, root: &Path) -> Vec<Named> {
    let markers = item.markers.iter().filter(|marker| marker.name == "model");
    let mut named: Vec<Named> = markers.flat_map(|marker| models_in(marker, root)).collect();
    named.sort();
    named.dedup();
    named
}

fn models_in(marker: &Marker, root: &Path) -> Vec<Named> {
    let keyword = |name: &str| {
        let found = marker.kwargs.iter().find(|(keyword, _)| keyword == name);
        found.and_then(|(_, value)| text_of(value.as_deref()?))
    };
    let files = match keyword("files").as_deref() {
        Some("tokenizer") => ModelFiles::Tokenizer,
        Some("weightless") => ModelFiles::Weightless,
        _ => ModelFiles::All,
    };
    let revision = keyword("revision");
    let texts = marker
        .args
        .iter()
        .filter_map(|value| text_of(value.as_deref()?));
    let names = texts.filter(|name| !is_path(name, root));
    let request = |name: String| {
        let name: ModelName = name.parse().map_err(|error| format!("{error}"))?;
        let revision = match &revision {
            Some(revision) => revision
                .parse::<Revision>()
                .map_err(|error| format!("{error}"))?,
            None => Revision::default(),
        };
        Ok(ModelRequest {
            name,
            revision,
            files,
        })
    };
    names.map(request).collect()
}

/// A directory with a model is nothing of the Hub's.
fn is_path(name: &str, root: &Path) -> bool {
    name.starts_with(['/', '.', '~']) || root.join(name).is_dir()
}

/// The text of a `repr` of a text. One with escapes is no model's name, and neither is one that
/// was shortened.
fn text_of(repr: &str) -> Option<String> {
    let quote = repr
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = repr.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_name_models() {
        let marker = |args: &[&str], kwargs: &[(&str, &str)]| Marker {
            name: "model".to_owned(),
            args: args.iter().map(|one| Some((*one).to_owned())).collect(),
            kwargs: kwargs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned())))
                .collect(),
        };
        let named = |args: &[&str], kwargs: &[(&str, &str)]| -> Vec<String> {
            let models = models_in(&marker(args, kwargs), Path::new("/nowhere"));
            let shown = |one: &Named| match one {
                Ok(request) => format!("{request} {:?}", request.files),
                Err(why) => why.clone(),
            };
            models.iter().map(shown).collect()
        };
        assert_eq!(
            named(&["'org/name'", "\"b\""], &[]),
            ["org/name All", "b All"]
        );
        let tokenizer = [("files", "'tokenizer'"), ("revision", "'v1'")];
        assert_eq!(named(&["'a/b'"], &tokenizer), ["a/b@v1 Tokenizer"]);
        for path in [
            "'/models/tiny'",
            "'./tiny'",
            "'~/tiny'",
            "<class 'Config'>",
            "7",
        ] {
            assert!(named(&[path], &[]).is_empty(), "{path}");
        }
        assert!(named(&["'a b'"], &[])[0].contains("is no model's name"));
        assert!(named(&["'a/b'"], &[("revision", "'../x'")])[0].contains("is no revision"));
        assert!(
            models_in(
                &Marker {
                    args: vec![None],
                    ..marker(&[], &[])
                },
                Path::new("/")
            )
            .is_empty()
        );
    }
}
