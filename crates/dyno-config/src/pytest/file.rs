//! Files of configuration: which there are, and what each says.

use super::UsageError;
use super::ini::{self, Section};
use dyno_model::{FileKind, Files, PytestVersion};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value as Toml};

/// What a file or `-o` gives an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// Text, to be taken apart by the option's type.
    Text(String),
    /// A list of `[tool.pytest.ini_options]`.
    List(Vec<Toml>),
    /// A value of `[tool.pytest]` or `[pytest]`, which is to have the option's type.
    Native(Toml),
}

/// Options by name, in the order of the file.
pub(super) type Values = Vec<(String, Given)>;

/// The names that are looked for in a folder, in this order.
pub(super) fn names(version: PytestVersion) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "pytest.toml",
        ".pytest.toml",
        "pytest.ini",
        ".pytest.ini",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
    ];
    // 9.0 brought pytest.toml.
    let first = if version.at_least(9, 0) { 0 } else { 2 };
    ALL.get(first..).unwrap_or_default()
}

/// Whether pytest reads files of such a name at all.
pub(super) fn is_supported(path: &Path) -> bool {
    matches!(extension(path), "ini" | "cfg" | "toml")
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(OsStr::to_str).unwrap_or_default()
}

/// Reads a file; nothing where it holds no configuration for pytest.
pub(super) fn load(
    path: &Path,
    version: PytestVersion,
    files: &dyn Files,
) -> Result<Option<Values>, UsageError> {
    let refuse = |message: String| UsageError { message };
    let content = match files.read(path) {
        Some(content) => content,
        None if files.kind(path) == Some(FileKind::File) => {
            return Err(refuse(format!("{}: cannot be read", path.display())));
        }
        None => Arc::default(),
    };
    let text = std::str::from_utf8(&content)
        .map_err(|_| refuse(format!("{}: not UTF-8", path.display())))?;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    match extension(path) {
        "ini" => {
            let found = section(&read_ini(path, text)?, "pytest");
            // These are the configuration even without the section; 9.0 added the second.
            let always = name == "pytest.ini" || (name == ".pytest.ini" && version.at_least(9, 0));
            Ok(found.or_else(|| always.then(Vec::new)))
        }
        "cfg" => {
            let sections = read_ini(path, text)?;
            let found = section(&sections, "tool:pytest");
            if found.is_none() && section(&sections, "pytest").is_some() {
                return Err(refuse(
                    "[pytest] section in setup.cfg files is no longer supported, change to \
                     [tool:pytest] instead."
                        .to_owned(),
                ));
            }
            Ok(found)
        }
        "toml" => {
            let table = parse_toml(text).map_err(|(message, line)| {
                refuse(format!("{}:{line}: {message}", path.display()))
            })?;
            load_toml(path, name, &table, version)
        }
        _ => Ok(None),
    }
}

/// A document as `tomllib` takes it from Python's `read_text`: any line end is one, and a
/// byte order mark is no part of a statement. Otherwise what is wrong, and the line.
fn parse_toml(text: &str) -> Result<Table, (String, usize)> {
    if text.starts_with('\u{feff}') {
        return Err(("begins with a byte order mark".to_owned(), 1));
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        (error.message().to_owned(), line)
    })
}

fn read_ini(path: &Path, text: &str) -> Result<Vec<Section>, UsageError> {
    ini::parse(text).map_err(|wrong| UsageError {
        message: format!("{}:{}: {}", path.display(), wrong.line, wrong.message),
    })
}

fn section(sections: &[Section], name: &str) -> Option<Values> {
    let found = sections.iter().find(|section| section.name == name)?;
    let text = |(name, value): &(String, String)| (name.clone(), Given::Text(value.clone()));
    Some(found.values.iter().map(text).collect())
}

fn load_toml<'a>(
    path: &Path,
    name: &str,
    document: &'a Table,
    version: PytestVersion,
) -> Result<Option<Values>, UsageError> {
    let refuse = |message: &str| UsageError {
        message: format!("{}: {message}", path.display()),
    };
    let is_pytest_toml = matches!(name, "pytest.toml" | ".pytest.toml") && version.at_least(9, 0);
    if is_pytest_toml {
        let found = pytest_table(path, document, version)?;
        return Ok(Some(found.unwrap_or_default()));
    }
    // Where it is no table, pytest ends with a traceback.
    let table = |within: Option<&'a Table>, name: &str| match within.and_then(|it| it.get(name)) {
        Some(Toml::Table(table)) => Ok(Some(table)),
        None => Ok(None),
        Some(_) => Err(refuse(&format!("`{name}` is not a table"))),
    };
    let pytest = table(table(Some(document), "tool")?, "pytest")?;
    // 9.0 brought [tool.pytest] itself.
    let native: Values = pytest
        .filter(|_| version.at_least(9, 0))
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "ini_options")
        .map(|(key, value)| (key.clone(), Given::Native(value.clone())))
        .collect();
    let options = pytest.and_then(|pytest| pytest.get("ini_options"));
    if !native.is_empty() && options.is_some_and(is_truthy) {
        return Err(refuse(
            "Cannot use both [tool.pytest] (native TOML types) and \
             [tool.pytest.ini_options] (string-based INI format) simultaneously. Please use \
             [tool.pytest] with native TOML types (recommended) or [tool.pytest.ini_options] \
             for backwards compatibility.",
        ));
    }
    let found = if native.is_empty() {
        table(pytest, "ini_options")?.map(as_text)
    } else {
        Some(native)
    };
    // 9.2 reads [pytest] of any other TOML file given by -c.
    if name == "pyproject.toml" || !version.at_least(9, 2) {
        return Ok(found);
    }
    if found.is_some() && document.contains_key("pytest") {
        return Err(refuse(
            "Cannot use both [pytest] and [tool.pytest]/[tool.pytest.ini_options] in the same \
             file. Please use [pytest], which is what pytest's own configuration files use; the \
             [tool.pytest] tables are meant for pyproject.toml.",
        ));
    }
    match found {
        Some(found) => Ok(Some(found)),
        None => pytest_table(path, document, version),
    }
}

fn pytest_table(
    path: &Path,
    document: &Table,
    version: PytestVersion,
) -> Result<Option<Values>, UsageError> {
    match document.get("pytest") {
        Some(Toml::Table(table)) => {
            let native =
                |(key, value): (&String, &Toml)| (key.clone(), Given::Native(value.clone()));
            return Ok(Some(table.iter().map(native).collect()));
        }
        // Up to 9.1 what is empty was passed over. Other values end pytest with a traceback.
        Some(other) if is_truthy(other) || version.at_least(9, 2) => {
            let message = format!("{}: `pytest` is not a table", path.display());
            return Err(UsageError { message });
        }
        _ => {}
    }
    let loose: Vec<&str> = document
        .iter()
        .filter(|(_, value)| !value.is_table())
        .map(|(key, _)| key.as_str())
        .collect();
    // 9.2 began to complain.
    if loose.is_empty() || !version.at_least(9, 2) {
        return Ok(None);
    }
    Err(UsageError {
        message: format!(
            "{}: pytest configuration must be under a [pytest] table (found top-level options: {})",
            path.display(),
            loose.join(", ")
        ),
    })
}

/// `bool(value)`.
fn is_truthy(value: &Toml) -> bool {
    match value {
        Toml::String(text) => !text.is_empty(),
        Toml::Integer(number) => *number != 0,
        Toml::Float(number) => *number != 0.0,
        Toml::Boolean(yes) => *yes,
        Toml::Array(items) => !items.is_empty(),
        Toml::Table(table) => !table.is_empty(),
        Toml::Datetime(_) => true,
    }
}

/// `[tool.pytest.ini_options]`: lists stay, everything else becomes Python's text for it.
fn as_text(table: &Table) -> Values {
    let text = |value: &Toml| match value {
        Toml::Array(items) => Given::List(items.clone()),
        Toml::String(text) => Given::Text(text.clone()),
        Toml::Boolean(true) => Given::Text("True".to_owned()),
        Toml::Boolean(false) => Given::Text("False".to_owned()),
        other => Given::Text(other.to_string()),
    };
    table
        .iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}
