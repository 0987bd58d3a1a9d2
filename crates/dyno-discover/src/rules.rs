//! What the rules of fixtures and parametrization depend on beside the text.

use dyno_model::{PytestConfig, PytestVersion};
use dyno_python::{ClassRef, Reason, Value};
use std::sync::Arc;

/// Configuration and versions, as far as ids, fixtures and their order depend on them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// pytest's version.
    pub version: PytestVersion,
    /// Python's version, major and minor: `str()` of an enum differs by it.
    pub python: (u32, u32),
    /// `disable_test_id_escaping_and_forfeit_all_rights_to_community_support`.
    pub disable_id_escaping: bool,
    /// `parametrize_long_str_id_strategy`.
    pub long_strings: LongStrings,
    /// `strict_parametrization_ids`.
    pub strict_ids: bool,
    /// `empty_parameter_set_mark`.
    pub empty_set: EmptySet,
    /// The ini option `usefixtures`.
    pub usefixtures: Vec<Arc<str>>,
    /// Who implements `pytest_make_parametrize_id` beside pytest: no id that is made from a
    /// value is then known.
    pub id_hook: Option<Reason>,
}

/// What becomes of a string of more than 100 characters in an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongStrings {
    /// It is used as it is: all that pytest before 9.2 knows.
    Legacy,
    /// The argument's name and index stand for it.
    Short,
    /// Its SHA-256 stands for it.
    Sha256,
    /// It is an error.
    Disallow,
}

/// What becomes of a test that is parametrized with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptySet {
    /// It is skipped.
    Skip,
    /// It is expected to fail, and not run.
    Xfail,
    /// Collection fails.
    FailAtCollect,
}

impl Rules {
    /// The rules of a configuration, under a version of Python.
    pub fn new(config: &PytestConfig, python: (u32, u32)) -> Self {
        let strategy = config.long_str_ids.as_deref().unwrap_or("short");
        Self {
            version: config.version,
            python,
            disable_id_escaping: config.disable_id_escaping,
            long_strings: match strategy {
                _ if !has_long_strings(config.version) => LongStrings::Legacy,
                "legacy" => LongStrings::Legacy,
                "sha256" => LongStrings::Sha256,
                "short" | "" => LongStrings::Short,
                _ => LongStrings::Disallow,
            },
            strict_ids: config.strict_parametrization_ids,
            empty_set: match config.empty_parameter_set_mark.as_str() {
                "xfail" => EmptySet::Xfail,
                "fail_at_collect" => EmptySet::FailAtCollect,
                _ => EmptySet::Skip,
            },
            usefixtures: config
                .usefixtures
                .iter()
                .map(|name| Arc::from(name.as_str()))
                .collect(),
            id_hook: None,
        }
    }

    /// Whether pytest is of this version or a later one.
    pub fn since(&self, major: u32, minor: u32) -> bool {
        self.version >= PytestVersion { major, minor }
    }
}

fn has_long_strings(version: PytestVersion) -> bool {
    version >= PytestVersion { major: 9, minor: 2 }
}

/// What only whoever understands Python can tell of a value.
pub trait Objects {
    /// What `function(argument)` returns.
    fn call(&self, function: &Value, argument: &Value) -> Value;

    /// What iterating gives: the members of an enum class, what an external call makes.
    fn iterate(&self, iterable: &Value) -> Result<Arc<[Value]>, Reason>;

    /// Something outside of the project by its full name, where its text is found.
    fn outside(&self, name: &str) -> Option<Value>;

    /// Whether instances of a class of the project are plain objects to an id: no `str`,
    /// `bytes`, number or enum among their bases, nothing that gives them a `__name__`
    /// (an attribute, a property, `__getattr__`), no metaclass that makes something else.
    fn is_plain(&self, class: &ClassRef) -> Result<(), Reason>;
}

/// A place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
}

impl Place {
    /// A reason that holds here.
    pub fn reason(&self, text: impl Into<Arc<str>>) -> Reason {
        Reason {
            text: text.into(),
            file: self.file.clone(),
            line: self.line,
        }
    }
}
