//! `dyno collect --json`: one document, whose schema is `docs/schema/collect.schema.json`.
//!
//! These types are the format. They stand apart from those that collection works with, so
//! that a change of one is not a change of the other.

use crate::{Collection, Source};
use dyno_model::{CollectFailure, Marker, Unknown};
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the format. A field may be added under the same version; a reader passes
/// over those it does not know.
const VERSION: u32 = 1;

/// The tests that a project holds.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "dyno collect --json")]
pub struct Document {
    /// The version of this format.
    pub version: u32,
    /// The version of dyno that wrote it.
    pub dyno: String,
    /// The version of pytest whose rules apply.
    pub pytest: String,
    /// The version of the interpreter.
    pub python: String,
    /// pytest's root directory, absolute.
    pub rootdir: String,
    /// The ini file, absolute.
    pub inifile: Option<String>,
    /// The tests that would run, in pytest's order.
    pub tests: Vec<DocumentTest>,
    /// How many tests were collected and then deselected.
    pub deselected: usize,
    /// Files that were looked at, in the order of collection.
    pub files: Vec<DocumentFile>,
    /// What could not be collected.
    pub errors: Vec<DocumentError>,
}

/// A test.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentTest {
    /// pytest's node id.
    pub id: String,
    /// The file in which it is defined, relative to the root directory: not always that of
    /// the node id, for a test may be inherited.
    pub file: String,
    /// The line of its definition, counted from 1; absent where it is not known.
    pub line: Option<u32>,
    /// Its markers, nearest first, without `parametrize`.
    pub markers: Vec<DocumentMarker>,
    /// What is not known of it. Empty: everything said here is pytest's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<DocumentDoubt>,
}

/// A marker.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentMarker {
    /// Its name.
    pub name: String,
    /// Positional arguments as Python's `repr` writes them, long ones shortened; null is
    /// one that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Option<String>>,
    /// Keyword arguments likewise, in the order in which they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kwargs: Vec<DocumentKeyword>,
}

/// A keyword argument of a marker.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentKeyword {
    /// Its name.
    pub name: String,
    /// Its value; null where it is not known.
    pub value: Option<String>,
}

/// Something that is not known.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentDoubt {
    /// What: `existence`, `ids`, `markers`, `keywords`, `fixtures`, `order`, `location`.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Where, as `file:line`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
}

/// A file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentFile {
    /// Its node id.
    pub id: String,
    /// Who said what it holds.
    pub source: Source,
    /// What its text left open, for which pytest was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<DocumentDoubt>,
    /// pytest's error, where pytest could not import it and its tests are known from the
    /// text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Something that could not be collected.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentError {
    /// The node id.
    pub node: String,
    /// pytest's text.
    pub text: String,
}

impl Document {
    /// The document of a collection.
    pub fn of(collection: &Collection) -> Self {
        Self {
            version: VERSION,
            dyno: env!("CARGO_PKG_VERSION").to_owned(),
            pytest: collection.pytest.clone(),
            python: collection.python.clone(),
            rootdir: collection.rootdir.display().to_string(),
            inifile: collection
                .inifile
                .as_ref()
                .map(|path| path.display().to_string()),
            tests: collection
                .tests
                .iter()
                .map(|listed| {
                    let item = &listed.found.test.item;
                    DocumentTest {
                        id: item.id.as_str().to_owned(),
                        file: item.location.file.clone(),
                        line: item.location.line.map(|line| line.saturating_add(1)),
                        markers: item.markers.iter().map(marker).collect(),
                        unknown: doubts(&listed.found.unknown),
                    }
                })
                .collect(),
            deselected: collection.deselected,
            files: collection
                .files
                .iter()
                .map(|file| DocumentFile {
                    id: file.id.clone(),
                    source: file.source,
                    open: doubts(&file.open),
                    failure: file
                        .failure
                        .as_ref()
                        .map(|failure| failure.longrepr.clone()),
                })
                .collect(),
            errors: collection.errors.iter().map(error).collect(),
        }
    }

    /// The schema, as it is published.
    pub fn schema() -> String {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<Self>();
        let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn marker(marker: &Marker) -> DocumentMarker {
    DocumentMarker {
        name: marker.name.clone(),
        args: marker.args.clone(),
        kwargs: marker
            .kwargs
            .iter()
            .map(|(name, value)| DocumentKeyword {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
    }
}

fn doubts(unknown: &[Unknown]) -> Vec<DocumentDoubt> {
    unknown
        .iter()
        .map(|unknown| DocumentDoubt {
            what: crate::why::doubt_name(unknown.doubt).to_owned(),
            reason: unknown.reason.clone(),
            at: unknown.at.clone(),
        })
        .collect()
}

fn error(failure: &CollectFailure) -> DocumentError {
    DocumentError {
        node: failure.node.clone(),
        text: failure.longrepr.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::collection;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/schema/collect.schema.json"
        );
        if std::env::var_os("DYNO_WRITE_SCHEMA").is_some() {
            std::fs::write(path, Document::schema()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            published,
            Document::schema(),
            "run this test with DYNO_WRITE_SCHEMA=1 and commit what it wrote"
        );
    }

    #[test]
    fn a_document() {
        let document = Document::of(&collection());
        let text = serde_json::to_string_pretty(&document).unwrap();
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
    }
}
