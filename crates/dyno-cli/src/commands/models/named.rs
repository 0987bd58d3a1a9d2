//! The models that tests name: `@pytest.mark.model("org/name")`, and `@dyno.model` on a fixture.

use crate::commands::collect::fail;
use crate::commands::refuse;
use crate::pytest::RealPytest;
use dyno_collect::{Disk, Settle, collect};
use dyno_model::{Marker, ModelFiles, ModelRequest, NamedModel, Test};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What tests name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// The models, each once.
    pub(crate) models: BTreeSet<ModelRequest>,
    /// What is no model's name, and which test says it.
    pub(crate) wrong: BTreeSet<String>,
}

/// The models of the tests that pytest would run with these arguments, as the tests want them, or
/// so much of each as is asked for. An exit code where there is no collection.
pub(super) fn of_tests(
    args: &[OsString],
    files: Option<ModelFiles>,
) -> anyhow::Result<Result<Named, ExitCode>> {
    let pytest = match RealPytest::find(None)? {
        Ok(pytest) => pytest,
        Err(error) => return Ok(Err(refuse(&error))),
    };
    let request = pytest.request(args, Settle::Fixtures, true);
    let collection = match collect(&request, &pytest, &Disk::new()) {
        Ok(collection) => collection,
        Err(error) => return Ok(Err(fail(&error))),
    };
    for note in &collection.notes {
        anstream::eprintln!("dyno: {note}");
    }
    for error in &collection.errors {
        anstream::eprintln!(
            "dyno: {} cannot be collected, and may name models",
            error.node
        );
    }
    let mut named = Named::default();
    for test in &collection.tests {
        named.add(&test.found.test, files);
    }
    Ok(Ok(named))
}

impl Named {
    /// Adds what a test names, by its markers and by those of its fixtures that it is known to use.
    pub(crate) fn add(&mut self, test: &Test, asked: Option<ModelFiles>) {
        let uses = |name: &str| test.fixtures.iter().any(|fixture| fixture.name == name);
        // Suites of Dynamo's fetch by one of these two fixtures.
        let weightless = uses("predownload_tokenizers") && !uses("predownload_models");
        let fewer = weightless.then_some(ModelFiles::Weightless);
        let markers = test.item.markers.iter();
        let of_markers = markers
            .filter(|marker| marker.name == "model")
            .flat_map(of_marker);
        let fixtures = test.fixtures.iter();
        let of_fixtures = fixtures.flat_map(|fixture| fixture.models.iter().cloned());
        let of_hub = |model: &NamedModel| !is_path(&model.name);
        for model in of_markers.chain(of_fixtures).filter(of_hub) {
            let over = asked.or(if model.files.is_none() { fewer } else { None });
            match model.request() {
                Ok(request) => {
                    let files = over.unwrap_or(request.files);
                    self.models.insert(ModelRequest { files, ..request });
                }
                Err(wrong) => {
                    let whole = wrong
                        .into_iter()
                        .map(|why| format!("{}: {why}", test.item.id));
                    self.wrong.extend(whole);
                }
            }
        }
    }
}

/// The models that `@pytest.mark.model("org/name", revision=, files=)` names, as far as its text
/// tells.
fn of_marker(marker: &Marker) -> impl Iterator<Item = NamedModel> {
    let keyword = |name: &str| {
        let found = marker.kwargs.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.as_deref().and_then(string))
    };
    let (revision, files) = (keyword("revision"), keyword("files"));
    let positional = marker.args.iter().flatten().filter_map(|arg| string(arg));
    positional
        .chain(keyword("name"))
        .map(move |name| NamedModel {
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
            files: files.map(str::to_owned),
        })
}

/// What a Python string's `repr` holds, where nothing in it is escaped: no model's name has a
/// character that would be.
fn string(repr: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| repr.strip_prefix(quote)?.strip_suffix(quote))
        .filter(|text| !text.contains('\\'))
}

/// Whether a text names a folder of this machine, and no model of the Hub.
fn is_path(name: &str) -> bool {
    let begins = ["/", "./", "../", "~"];
    begins.iter().any(|begin| name.starts_with(begin)) || Path::new(name).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::{Item, Location, Scope, TestId, UsedFixture};

    fn test(args: &[&str], kwargs: &[(&str, &str)]) -> Test {
        let marker = Marker {
            name: "model".to_owned(),
            args: args.iter().map(|arg| Some((*arg).to_owned())).collect(),
            kwargs: kwargs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
                .collect(),
        };
        Test {
            item: Item {
                id: TestId::new("test_a.py::test_a").unwrap(),
                location: Location {
                    file: "test_a.py".to_owned(),
                    line: None,
                    domain: "test_a".to_owned(),
                },
                markers: vec![marker],
                shares: Vec::new(),
                models: Vec::new(),
            },
            keywords: Vec::new(),
            fixtures: Vec::new(),
            params: Vec::new(),
        }
    }

    fn fixture(name: &str, models: &[(&str, Option<&str>)]) -> UsedFixture {
        let named = |(name, files): &(&str, Option<&str>)| NamedModel {
            name: (*name).to_owned(),
            revision: None,
            files: files.map(str::to_owned),
        };
        UsedFixture {
            name: name.to_owned(),
            scope: Some(Scope::Session),
            models: models.iter().map(named).collect(),
        }
    }

    fn named(test: &Test) -> Named {
        let mut named = Named::default();
        named.add(test, None);
        named
    }

    #[test]
    fn markers_name_models() {
        type Row<'a> = (
            &'a [&'a str],
            &'a [(&'a str, &'a str)],
            &'a [&'a str],
            usize,
        );
        let table: &[Row<'_>] = &[
            (&["'org/name'"], &[], &["org/name"], 0),
            (&["\"a/b\"", "'c'"], &[], &["a/b", "c"], 0),
            (&[], &[("name", "'a/b'")], &["a/b"], 0),
            (&["'a/b'"], &[("revision", "'v1'")], &["a/b@v1"], 0),
            (&["'/models/tiny'", "'./tiny'", "'~/tiny'"], &[], &[], 0),
            (&["<object at 0x1>", "3"], &[], &[], 0),
            (&["'a b/c'", "'x/y/z'"], &[], &[], 2),
            (&["'a/b'"], &[("revision", "'../x'")], &[], 1),
            (&["'a/b'"], &[("files", "'some'")], &[], 1),
        ];
        for (args, kwargs, models, wrong) in table {
            let named = named(&test(args, kwargs));
            let told: Vec<String> = named.models.iter().map(ToString::to_string).collect();
            assert_eq!(told, *models, "{args:?}");
            assert_eq!(named.wrong.len(), *wrong, "{args:?}");
        }
    }

    #[test]
    fn what_is_wanted_of_a_model_is_said_or_follows_from_the_fixtures() {
        let files = |test: &Test, asked| {
            let mut named = Named::default();
            named.add(test, asked);
            named.models.first().unwrap().files
        };
        let said = test(&["'a/b'"], &[("files", "'tokenizer'")]);
        assert_eq!(files(&said, None), ModelFiles::Tokenizer);
        assert_eq!(files(&said, Some(ModelFiles::All)), ModelFiles::All);
        let mut silent = test(&["'a/b'"], &[]);
        assert_eq!(files(&silent, None), ModelFiles::All);
        silent.fixtures.push(fixture("predownload_tokenizers", &[]));
        assert_eq!(files(&silent, None), ModelFiles::Weightless);
        silent.fixtures.push(fixture("predownload_models", &[]));
        assert_eq!(files(&silent, None), ModelFiles::All);
    }

    #[test]
    fn fixtures_name_models_too() {
        let mut both = test(&["'a/b'"], &[]);
        let models = [("c/d", Some("tokenizer")), ("/a/folder", None)];
        both.fixtures.push(fixture("tokenizer", &models));
        let named = named(&both);
        let told: Vec<String> = named.models.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a/b", "c/d"]);
        assert!(named.wrong.is_empty());
    }
}
