//! The models that tests name: `@pytest.mark.model("org/name")`.

use crate::commands::collect::fail;
use crate::commands::refuse;
use crate::pytest::RealPytest;
use dyno_collect::{Disk, Listed, Settle, collect};
use dyno_model::{Marker, ModelFiles, ModelRequest, NamedModel};
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
    let request = pytest.request(args, Settle::Markers, true);
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
        named.add(test, files);
    }
    Ok(Ok(named))
}

impl Named {
    /// Adds what a test names.
    pub(crate) fn add(&mut self, test: &Listed, files: Option<ModelFiles>) {
        let test = &test.found.test;
        let uses = |name: &str| test.fixtures.iter().any(|fixture| fixture.name == name);
        // Suites of Dynamo's fetch by one of these two fixtures.
        let weightless = uses("predownload_tokenizers") && !uses("predownload_models");
        let fewer = weightless.then_some(ModelFiles::Weightless);
        for marker in &test.item.markers {
            if marker.name == "model" {
                self.add_marker(marker, test.item.id.as_str(), files, fewer);
            }
        }
    }

    fn add_marker(
        &mut self,
        marker: &Marker,
        test: &str,
        asked: Option<ModelFiles>,
        fewer: Option<ModelFiles>,
    ) {
        let keyword = |name: &str| {
            let found = marker.kwargs.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.as_deref().and_then(string))
        };
        let said = keyword("files");
        let over = asked.or(if said.is_none() { fewer } else { None });
        let texts = marker.args.iter().flatten().filter_map(|arg| string(arg));
        for name in texts.filter(|name| !is_path(name)) {
            let model = NamedModel {
                name: name.to_owned(),
                revision: keyword("revision").map(str::to_owned),
                files: said.map(str::to_owned),
            };
            match model.request() {
                Ok(request) => {
                    let files = over.unwrap_or(request.files);
                    self.models.insert(ModelRequest { files, ..request });
                }
                Err(wrong) => {
                    let whole = wrong.into_iter().map(|why| format!("{test}: {why}"));
                    self.wrong.extend(whole);
                }
            }
        }
    }
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
    name.starts_with(['/', '~', '.']) || Path::new(name).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(args: &[&str], kwargs: &[(&str, &str)]) -> Named {
        let marker = Marker {
            name: "model".to_owned(),
            args: args.iter().map(|arg| Some((*arg).to_owned())).collect(),
            kwargs: kwargs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
                .collect(),
        };
        let mut named = Named::default();
        named.add_marker(&marker, "test_a.py::test_a", None, None);
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
            (&["'a/b'"], &[("revision", "'v1'")], &["a/b@v1"], 0),
            (&["'/models/tiny'", "'./tiny'", "'~/tiny'"], &[], &[], 0),
            (&["<object at 0x1>", "3"], &[], &[], 0),
            (&["'a b/c'", "'x/y/z'"], &[], &[], 2),
            (&["'a/b'"], &[("revision", "'../x'")], &[], 1),
        ];
        for (args, kwargs, models, wrong) in table {
            let named = named(args, kwargs);
            let told: Vec<String> = named.models.iter().map(ToString::to_string).collect();
            assert_eq!(told, *models, "{args:?}");
            assert_eq!(named.wrong.len(), *wrong, "{args:?}");
        }
        let named = named(&["'a/b'"], &[("files", "'tokenizer'")]);
        assert_eq!(named.models.first().unwrap().files, ModelFiles::Tokenizer);
    }
}
