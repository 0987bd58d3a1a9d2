//! What collection knows: tests, and how surely.

use crate::{Item, NamedModel};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One collected test with all that selection, order and `dyno collect` look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Id, place, markers.
    #[serde(flatten)]
    pub item: Item,
    /// Names that `-k` sees beside those of the id and the markers: attributes of the
    /// function, extra keywords of plugins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The fixtures that it is known to use (`fixturenames`), in pytest's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixtures: Vec<UsedFixture>,
    /// Its parameters, in the order of `callspec.params`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
}

/// A fixture that a test uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedFixture {
    /// Its name.
    pub name: String,
    /// Its scope; absent where there is no such fixture, so that the test will fail, and
    /// for `request`, which is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Models of the Hub that it names by `@dyno.model`, or one that it overrides and asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<NamedModel>,
}

/// A parameter of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// The argument or fixture.
    pub name: String,
    /// How long one value is kept, which decides what is reordered.
    pub scope: Scope,
    /// `callspec.indices`.
    pub index: u32,
    /// Equal for two values of a higher scope that pytest puts side by side; empty for
    /// function scope, where nothing depends on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// How long a fixture's value lives. The narrower, the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "pytest's own words")]
pub enum Scope {
    Function,
    Class,
    Module,
    Package,
    Session,
}

impl Scope {
    /// pytest's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Class => "class",
            Self::Module => "module",
            Self::Package => "package",
            Self::Session => "session",
        }
    }

    /// The scope of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Function,
            Self::Class,
            Self::Module,
            Self::Package,
            Self::Session,
        ]
        .into_iter()
        .find(|scope| scope.name() == name)
    }
}

/// A test as the text tells of it: what is known, and what is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundTest {
    /// What is known. Where [`Doubt::Ids`] is among the doubts, the id is that of the
    /// function, without brackets, and stands for any number of tests, none included.
    #[serde(flatten)]
    pub test: Test,
    /// What is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

impl FoundTest {
    /// The first thing that is not known of this kind.
    pub fn doubt(&self, doubt: Doubt) -> Option<&Unknown> {
        self.unknown.iter().find(|unknown| unknown.doubt == doubt)
    }
}

/// A thing that the text does not settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// What is in doubt.
    pub doubt: Doubt,
    /// Why, for a person: one lowercase clause, such as ``calls `make_cases` ``.
    pub reason: String,
    /// Of [`Doubt::Markers`]: the only names that are in doubt; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Where, as `file:line` with the line counted from 1; empty where there is no place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
}

impl Unknown {
    /// A doubt without a place.
    pub fn new(doubt: Doubt, reason: impl Into<String>) -> Self {
        Self {
            doubt,
            reason: reason.into(),
            names: Vec::new(),
            at: String::new(),
        }
    }

    /// The same doubt, at a place.
    #[must_use]
    pub fn at(mut self, file: &str, line: u32) -> Self {
        if !file.is_empty() {
            self.at = format!("{file}:{line}");
        }
        self
    }
}

/// What is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doubt {
    /// Of a file: it may hold other tests than those listed, or none of them. Of a test:
    /// it may not exist.
    Existence,
    /// How many tests a function makes, and what stands in their brackets.
    Ids,
    /// There may be further markers; those listed are there.
    Markers,
    /// There may be further names that `-k` sees.
    Keywords,
    /// Which fixtures are used, or their scopes.
    Fixtures,
    /// The place among the other tests.
    Order,
    /// The line or the heading name.
    Location,
}

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileTests {
    /// The file's node id: its path from the root directory.
    pub file: String,
    /// Its tests in the order in which pytest collects them (before it reorders).
    pub tests: Vec<FoundTest>,
    /// What is unknown of the file as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
    /// What it has to do with other files.
    #[serde(default, skip_serializing_if = "Shared::is_empty")]
    pub shared: Shared,
}

/// Functions and classes that more than one file may see.
///
/// A mark that one file puts on a function is seen by every file that collects it from the
/// same module, if that comes later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Those that the file's tests are made of and that are another file's, or that none
    /// of its tests is named after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Thing>,
    /// Those that the file, a conftest of its or a module that they import changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<Touch>,
}

/// A function or class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Thing {
    /// The file that defines it: its path.
    pub file: String,
    /// Its name; empty in a [`Touch`] of whatever the file defines.
    pub name: String,
}

/// A change of a function or class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Touch {
    /// What is changed.
    pub thing: Thing,
    /// What is done.
    pub reason: String,
    /// Where: file and line.
    pub at: String,
}

impl Shared {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.touches.is_empty()
    }
}

impl FileTests {
    /// Leaves out of [`Shared::uses`] what [`FileTests::are_made_of`] tells by the tests'
    /// own names.
    pub fn leave_out_own(&mut self, path: &str) {
        let domains = self
            .tests
            .iter()
            .map(|test| &test.test.item.location.domain);
        let classes = domains.filter_map(|domain| domain.split('[').next()?.rsplit_once('.'));
        let named: HashSet<&str> = classes.flat_map(|(above, _)| above.split('.')).collect();
        let uses = &mut self.shared.uses;
        uses.retain(|thing| thing.file != path || !named.contains(thing.name.as_str()));
        uses.sort_unstable();
    }

    /// Whether the tests of this file, whose path is given, are made of a thing.
    pub fn are_made_of(&self, thing: &Thing, path: &str) -> bool {
        let is = |used: &Thing| {
            used.file == thing.file && (thing.name.is_empty() || used.name == thing.name)
        };
        let is_named = |test: &FoundTest| {
            let domain = test.test.item.location.domain.split('[').next();
            let mut names = domain.unwrap_or_default().split('.');
            thing.name.is_empty() || names.any(|name| name == thing.name)
        };
        self.shared.uses.iter().any(is) || (thing.file == path && self.tests.iter().any(is_named))
    }

    /// Everything is known: ids, markers, order within the file.
    pub fn is_exact(&self) -> bool {
        self.unknown.is_empty() && self.tests.iter().all(|test| test.unknown.is_empty())
    }
}
