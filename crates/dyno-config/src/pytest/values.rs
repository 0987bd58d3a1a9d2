//! Options of the file of configuration, by their types: `Config.getini`.

use super::UsageError;
use super::file::{Given, Values};
use super::ini::repr;
use super::text::{split_shell, strip};
use std::path::{Path, PathBuf};
use toml::Value as Toml;

/// All options that were given, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Ini {
    values: Values,
    pub(super) inifile: Option<PathBuf>,
}

impl Ini {
    pub(super) fn new(values: Values, inifile: Option<PathBuf>) -> Self {
        Self { values, inifile }
    }

    /// Takes `-o`: it outranks the file.
    pub(super) fn override_with(&mut self, overrides: Vec<(String, String)>) {
        for (name, text) in overrides {
            self.values.retain(|(known, _)| *known != name);
            self.values.push((name, Given::Text(text)));
        }
    }

    fn get(&self, name: &str) -> Option<&Given> {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, given)| given)
    }

    fn refuse(&self, name: &str, what: &str) -> UsageError {
        let file = self.inifile.as_deref().unwrap_or(Path::new("None"));
        UsageError {
            message: format!("{}: config option '{name}' {what}", file.display()),
        }
    }

    /// A list, in text taken apart as by a shell.
    pub(super) fn args(&self, name: &str) -> Result<Option<Vec<String>>, UsageError> {
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        match given {
            Given::Text(text) => match split_shell(text) {
                Ok(words) => Ok(Some(words)),
                Err(message) => Err(UsageError {
                    message: message.to_owned(),
                }),
            },
            Given::List(items) | Given::Native(Toml::Array(items)) => {
                self.texts(name, items).map(Some)
            }
            Given::Native(other) => {
                let got = describe(other);
                Err(self.refuse(name, &format!("expects a list for type 'args', got {got}")))
            }
        }
    }

    fn texts(&self, name: &str, items: &[Toml]) -> Result<Vec<String>, UsageError> {
        let text = |(index, item): (usize, &Toml)| match item {
            Toml::String(text) => Ok(text.clone()),
            other => Err(self.refuse(
                name,
                &format!(
                    "expects a list of strings, but item at index {index} is {}",
                    describe(other)
                ),
            )),
        };
        items.iter().enumerate().map(text).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, UsageError> {
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        let text = match given {
            Given::Native(Toml::Boolean(value)) => return Ok(Some(*value)),
            Given::Native(other) => {
                let got = describe(other);
                return Err(self.refuse(name, &format!("expects a bool, got {got}")));
            }
            Given::Text(text) => strip(text).to_lowercase(),
            Given::List(items) => Toml::Array(items.clone()).to_string(),
        };
        match text.as_str() {
            "y" | "yes" | "t" | "true" | "on" | "1" => Ok(Some(true)),
            "n" | "no" | "f" | "false" | "off" | "0" => Ok(Some(false)),
            other => Err(UsageError {
                message: format!("invalid truth value {}", repr(other)),
            }),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, UsageError> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Text(text) | Given::Native(Toml::String(text))) => Ok(Some(text.clone())),
            Some(Given::Native(other)) => {
                let got = describe(other);
                Err(self.refuse(name, &format!("expects a string, got {got}")))
            }
            Some(Given::List(items)) => {
                let got = describe(&Toml::Array(items.clone()));
                Err(self.refuse(name, &format!("expects a string, got {got}")))
            }
        }
    }

    /// A list of paths, from the folder of the file, else the working directory.
    pub(super) fn paths(&self, name: &str, folder: &Path) -> Result<Vec<PathBuf>, UsageError> {
        let base = self
            .inifile
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(folder);
        let words = self.args(name)?.unwrap_or_default();
        Ok(words
            .iter()
            .map(|word| base.join(word).components().collect())
            .collect())
    }

    /// Everything as text, lists one value a line.
    pub(super) fn flat(&self) -> Vec<(String, String)> {
        let item = |item: &Toml| match item {
            Toml::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = |given: &Given| match given {
            Given::Text(text) => text.clone(),
            Given::List(items) | Given::Native(Toml::Array(items)) => {
                items.iter().map(item).collect::<Vec<_>>().join("\n")
            }
            Given::Native(other) => item(other),
        };
        self.values
            .iter()
            .map(|(name, given)| (name.clone(), text(given)))
            .collect()
    }
}

/// A value and its type, in Python's words for messages.
fn describe(value: &Toml) -> String {
    match value {
        Toml::String(text) => format!("str: {}", repr(text)),
        Toml::Integer(number) => format!("int: {number}"),
        Toml::Float(number) => format!("float: {number}"),
        Toml::Boolean(true) => "bool: True".to_owned(),
        Toml::Boolean(false) => "bool: False".to_owned(),
        Toml::Datetime(_) => format!("datetime: {value}"),
        Toml::Array(_) => format!("list: {value}"),
        Toml::Table(_) => format!("dict: {value}"),
    }
}
