//! What a test needs of the Hugging Face Hub.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A model that a test needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelRequest {
    /// Which.
    pub name: ModelName,
    /// A branch, a tag or a commit.
    #[serde(default)]
    pub revision: Revision,
    /// How much of it.
    #[serde(default)]
    pub files: ModelFiles,
}

/// How much of a model is needed.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ModelFiles {
    /// What makes and reads tokens, the chat template and the configuration.
    Tokenizer,
    /// All but the weights.
    Weightless,
    /// Everything.
    #[default]
    All,
}

/// Why a text does not say how much of a model is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("files={0:?} is none of \"all\", \"weightless\" and \"tokenizer\"")]
pub struct InvalidModelFiles(String);

impl FromStr for ModelFiles {
    type Err = InvalidModelFiles;

    fn from_str(files: &str) -> Result<Self, Self::Err> {
        match files {
            "tokenizer" => Ok(Self::Tokenizer),
            "weightless" => Ok(Self::Weightless),
            "all" => Ok(Self::All),
            other => Err(InvalidModelFiles(other.to_owned())),
        }
    }
}

/// The name of a repository on the Hub: `org/name`, or `name` for those from before there were
/// organizations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

/// Why a text is no name of a model. Its text begins with the text that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no model's name: {why}")]
pub struct InvalidModelName {
    /// The text.
    pub name: String,
    /// One lowercase clause.
    pub why: &'static str,
}

/// A branch, a tag or a commit of a model's repository; `main` where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(String);

/// Why a text is no revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no revision: a branch, a tag or a commit has letters, digits and . _ - /, and no \"..\""
)]
pub struct InvalidRevision(String);

impl ModelName {
    /// The longest name that the Hub takes, of each of the two parts.
    const LONGEST: usize = 96;

    /// The name as the Hub writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of a Hub cache that holds it: `models--org--name`.
    pub fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }

    /// The name that belongs to a folder of a Hub cache.
    pub fn of_folder(folder: &str) -> Option<Self> {
        folder
            .strip_prefix("models--")?
            .replacen("--", "/", 1)
            .parse()
            .ok()
    }
}

/// The rules are those of `huggingface_hub`'s `validate_repo_id`.
impl FromStr for ModelName {
    type Err = InvalidModelName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match what_is_wrong(name) {
            None => Ok(Self(name.to_owned())),
            Some(why) => Err(InvalidModelName {
                name: name.to_owned(),
                why,
            }),
        }
    }
}

fn what_is_wrong(name: &str) -> Option<&'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    let wrong_letter =
        |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    let edge = |part: &&str| part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
    if name.is_empty() {
        Some("it is empty")
    } else if parts.len() > 2 {
        Some("it has more than one slash; a name is `org/name`")
    } else if parts.iter().any(|part| part.is_empty()) {
        Some("a part of it is empty; a name is `org/name`")
    } else if name.replace('/', "").contains(wrong_letter) {
        Some("it may have letters, digits, and - _ . only")
    } else if parts.iter().any(|part| part.len() > ModelName::LONGEST) {
        Some("a part of it is longer than 96 letters")
    } else if parts.iter().any(edge) {
        Some("no part may begin or end with - or .")
    } else if name.contains("--") || name.contains("..") {
        Some("it may not have -- or ..")
    } else if parts
        .last()
        .and_then(|part| part.rsplit_once('.'))
        .is_some_and(|(_, end)| end == "git")
    {
        Some("it may not end with .git")
    } else {
        None
    }
}

impl Revision {
    /// The revision as git writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a commit in full, which can never move.
    pub fn is_commit(&self) -> bool {
        self.0.len() == 40 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".to_owned())
    }
}

impl FromStr for Revision {
    type Err = InvalidRevision;

    fn from_str(revision: &str) -> Result<Self, Self::Err> {
        let letter =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
        let parts_named = revision.split('/').all(|part| !part.is_empty());
        if parts_named && revision.bytes().all(letter) && !revision.contains("..") {
            Ok(Self(revision.to_owned()))
        } else {
            Err(InvalidRevision(revision.to_owned()))
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = InvalidModelName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Revision {
    type Error = InvalidRevision;

    fn try_from(revision: String) -> Result<Self, Self::Error> {
        revision.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// `org/name`, with `@revision` where it is not `main`.
impl fmt::Display for ModelRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.name)?;
        if self.revision == Revision::default() {
            Ok(())
        } else {
            write!(out, "@{}", self.revision)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_hub_takes() {
        let long = "a".repeat(97);
        let table: &[(&str, bool)] = &[
            ("gpt2", true),
            ("Qwen/Qwen3-0.6B", true),
            ("org_1/a.b-c_d", true),
            ("", false),
            ("org/", false),
            ("/name", false),
            ("a/b/c", false),
            ("/models/tiny", false),
            ("org/na me", false),
            ("org/näme", false),
            ("org/-name", false),
            ("org/name.", false),
            ("org/a--b", false),
            ("org/a..b", false),
            ("org/name.git", false),
            (&long, false),
        ];
        for &(text, taken) in table {
            assert_eq!(text.parse::<ModelName>().is_ok(), taken, "{text:?}");
        }
    }

    #[test]
    fn a_folder_tells_its_name() {
        for name in ["gpt2", "org/name", "a_b/c.d-e"] {
            let name: ModelName = name.parse().unwrap();
            assert_eq!(ModelName::of_folder(&name.folder()), Some(name));
        }
        assert_eq!(ModelName::of_folder("datasets--a--b"), None);
    }

    #[test]
    fn revisions_stay_within_their_folder() {
        for (text, taken) in [
            ("main", true),
            ("refs/pr/1", true),
            ("v1.0", true),
            ("", false),
            ("../main", false),
            ("/main", false),
            ("a b", false),
        ] {
            assert_eq!(text.parse::<Revision>().is_ok(), taken, "{text:?}");
        }
        assert!(
            "0123456789abcdef0123456789abcdef01234567"
                .parse::<Revision>()
                .unwrap()
                .is_commit()
        );
        assert!(!Revision::default().is_commit());
    }
}
