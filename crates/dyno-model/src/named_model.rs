//! A model as a test names it: a marker takes any text.

use crate::{ModelFiles, ModelName, ModelRequest, Revision};
use serde::{Deserialize, Serialize};

/// A model that a marker or a fixture names, before it is known whether that is a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedModel {
    /// `org/name`.
    pub name: String,
    /// A branch, a tag or a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `all`, `weightless` or `tokenizer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

impl NamedModel {
    /// What is to be had of the Hub, or everything that is wrong with it, one clause each.
    pub fn request(&self) -> Result<ModelRequest, Vec<String>> {
        let mut wrong = Vec::new();
        let name = (self.name.parse::<ModelName>()).map_err(|error| wrong.push(error.to_string()));
        let revision = match &self.revision {
            None => Ok(Revision::default()),
            Some(text) => (text.parse::<Revision>()).map_err(|error| wrong.push(error.to_string())),
        };
        let files = match &self.files {
            None => Ok(ModelFiles::All),
            Some(text) => {
                (text.parse::<ModelFiles>()).map_err(|error| wrong.push(error.to_string()))
            }
        };
        match (name, revision, files) {
            (Ok(name), Ok(revision), Ok(files)) => Ok(ModelRequest {
                name,
                revision,
                files,
            }),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, revision: Option<&str>, files: Option<&str>) -> NamedModel {
        NamedModel {
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
            files: files.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_silent_is_all_of_main() {
        let request = named("org/name", None, None).request().unwrap();
        assert_eq!(request.to_string(), "org/name");
        assert_eq!(request.files, ModelFiles::All);
        let request = named("name", Some("v1"), Some("tokenizer"))
            .request()
            .unwrap();
        assert_eq!(request.to_string(), "name@v1");
        assert_eq!(request.files, ModelFiles::Tokenizer);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let wrong = named("a b", Some("../x"), Some("weights"))
            .request()
            .unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].starts_with("\"a b\" is no model's name"));
        assert!(wrong[2].starts_with("files=\"weights\" is none of"));
    }
}
