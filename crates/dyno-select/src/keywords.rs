//! `-k`: an expression over the names of a test.
//!
//! pytest's `KeywordMatcher`: a name of the expression holds if it stands within one of
//! the test's names, whatever the case of either (`str.lower`). Those names, and where
//! they are looked up here:
//!
//! | names | from |
//! |---|---|
//! | folders above the file but the topmost, and the file | `above`, see [`KeywordExpression::in_file`] |
//! | classes; the function with its brackets | the id after the file, split at each `::` before the first `[` |
//! | markers | `Item::markers`; `parametrize` in `Test::keywords` |
//! | attributes of the function, `extra_keyword_matches` | `Test::keywords` |
//!
//! Whoever fills `Test::keywords` applies the version's rule: up to pytest 9.1 every
//! attribute of the function counts, `pytestmark` among them wherever a marker stands on
//! the function itself; since 9.2 none that begins with `_`, nor `pytestmark`, nor
//! `cache_parameters`.
//!
//! A name that is not seen is absent only if there is no [`Doubt::Keywords`],
//! [`Doubt::Markers`] or [`Doubt::Ids`], which hides what the brackets hold.

use crate::ExpressionError;
use crate::doubts::Doubts;
use crate::evaluation::{Leaf, Outcome, Tree};
use crate::parser::parse_for;
use crate::path::NodePath;
use crate::tree::Expr;
use crate::verdict::Verdict;
use dyno_model::{Doubt, PytestVersion, Test};

/// An expression of `-k`, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordExpression {
    tree: Tree<Needle>,
    /// What is searched for, in lower case.
    needles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needle {
    /// The place of the name among the needles.
    Name(usize),
    Call,
}

/// pytest's error of use for `-k "name(argument=1)"`, which it raises when the evaluation
/// for a test comes to it, so never if there is no test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Keyword expressions do not support call parameters.")]
pub struct CallInKeywords;

impl KeywordExpression {
    /// What was given to `-k`; absent for a blank text, which pytest does not ask.
    pub fn parse(text: &str, version: PytestVersion) -> Result<Option<Self>, ExpressionError> {
        // `str.lstrip` takes these four for white space beside Unicode's.
        let blank = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
        let text = text.trim_start_matches(blank);
        if text.is_empty() {
            return Ok(None);
        }
        parse_for(text, version).map(|expr| Some(Self::of(&expr)))
    }

    /// An expression as an expression over names.
    pub fn of(expr: &Expr) -> Self {
        let mut needles = Vec::new();
        let tree = Tree::of(expr, &mut |leaf| match leaf {
            Leaf::Name(name) => {
                needles.push(name.as_str().to_lowercase());
                Needle::Name(needles.len() - 1)
            }
            Leaf::Call(_) => Needle::Call,
        });
        Self { tree, needles }
    }

    /// The expression for the tests of one file: what its own name and the folders'
    /// settle is looked up once.
    ///
    /// `above` are the names of the nodes above the file's tests, the file's own among
    /// them, without the session's and the topmost folder's. Without it they are taken
    /// from the file's id, which is right where collection begins in the root directory,
    /// that is without a `--confcutdir` of one's own and for files within it.
    pub fn in_file<'a>(&'a self, file: &'a str, above: Option<&[String]>) -> KeywordsInFile<'a> {
        let within = |name: &str| -> Vec<bool> {
            let holds = |needle: &String| contains(name, needle);
            self.needles.iter().map(holds).collect()
        };
        let mut found = vec![false; self.needles.len()];
        let mut add = |name: &str| {
            for (found, here) in found.iter_mut().zip(within(name)) {
                *found |= here;
            }
        };
        let mut all_known = true;
        match above {
            Some(names) => names.iter().for_each(|name| add(name)),
            None if file.starts_with("..") || file.starts_with('/') => all_known = false,
            None => file.split('/').for_each(&mut add),
        }
        KeywordsInFile {
            expression: self,
            file,
            found,
            all_known,
        }
    }
}

/// An expression of `-k` for the tests of one file.
#[derive(Debug, Clone)]
pub struct KeywordsInFile<'a> {
    expression: &'a KeywordExpression,
    file: &'a str,
    /// By needle: whether the names above the tests hold it.
    found: Vec<bool>,
    all_known: bool,
}

impl KeywordsInFile<'_> {
    /// Whether the test is wanted.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>) -> Result<Verdict, CallInKeywords> {
        let path = NodePath::of(test.item.id.as_str(), self.file);
        let open = !self.all_known || doubts.any(&[Doubt::Ids]);
        let mut names: Option<String> = None;
        self.evaluate(&mut |needle| {
            let names = names.get_or_insert_with(|| lowered(&path, test));
            let holds = names.contains(needle);
            let may_hold = |name: &str| contains(name, needle);
            let more = open
                || doubts.about(Doubt::Keywords, may_hold)
                || doubts.about(Doubt::Markers, may_hold);
            Verdict::seen(holds, more)
        })
    }

    /// Whether a test of the file of which nothing is known is wanted.
    pub fn verdict_on_unknown(&self) -> Result<Verdict, CallInKeywords> {
        self.evaluate(&mut |_| Verdict::Ask)
    }

    fn evaluate(&self, look: &mut dyn FnMut(&str) -> Verdict) -> Result<Verdict, CallInKeywords> {
        let outcome = self.expression.tree.evaluate(&mut |needle| match *needle {
            Needle::Call => Outcome::Raised,
            Needle::Name(place) => Outcome::Ended(
                match (self.found.get(place), self.expression.needles.get(place)) {
                    (Some(true), _) => Verdict::Keep,
                    (_, Some(needle)) => look(needle),
                    _ => Verdict::Ask,
                },
            ),
        });
        match outcome {
            Outcome::Ended(verdict) => Ok(verdict),
            Outcome::MayRaise => Ok(Verdict::Ask),
            Outcome::Raised => Err(CallInKeywords),
        }
    }
}

/// The names of a test in lower case, a line each: no name of an expression holds an end
/// of line, so none is found across two.
fn lowered(path: &NodePath<'_>, test: &Test) -> String {
    let markers = test.item.markers.iter().map(|marker| marker.name.as_str());
    let keywords = test.keywords.iter().map(String::as_str);
    let mut lowered = String::with_capacity(160);
    for name in path.names().chain(keywords).chain(markers) {
        if name.is_ascii() {
            let start = lowered.len();
            lowered.push_str(name);
            lowered[start..].make_ascii_lowercase();
        } else {
            lowered.push_str(&name.to_lowercase());
        }
        lowered.push('\n');
    }
    lowered
}

/// Whether a name holds a text that is in lower case, by Python's `needle in name.lower()`.
/// Nothing is allocated for a name in ASCII.
fn contains(name: &str, needle: &str) -> bool {
    if !name.is_ascii() {
        return name.to_lowercase().contains(needle);
    }
    let (name, needle) = (name.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else {
        return true;
    };
    name.windows(needle.len()).any(|window| {
        window.first().map(u8::to_ascii_lowercase) == Some(*first)
            && window.eq_ignore_ascii_case(needle)
    })
}
