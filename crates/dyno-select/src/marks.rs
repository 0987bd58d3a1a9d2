//! `-m`: an expression over the markers of a test.
//!
//! pytest's `MarkMatcher`: a name holds if a marker of that name is on the test, its
//! class, its module or a package; with keyword arguments if one marker of that name has
//! them all, equal by Python's `==`.
//!
//! What is looked at: `Item::markers` and, for `parametrize`, which that list leaves out,
//! `Test::keywords`, where whoever made the test names it. A marker that is not listed is
//! absent only if there is no [`Doubt::Markers`].

use crate::ExpressionError;
use crate::doubts::Doubts;
use crate::evaluation::{Leaf, Outcome, Tree};
use crate::literal::equals;
use crate::parser::parse_for;
use crate::tree::{Expr, Keyword, Value};
use crate::verdict::Verdict;
use dyno_model::{Doubt, Marker, PytestVersion, Test};

/// The marker whose table of arguments no item lists.
const PARAMETRIZE: &str = "parametrize";

/// An expression of `-m`, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkExpression {
    tree: Tree<MarkLeaf>,
    names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct MarkLeaf {
    name: String,
    arguments: Vec<(Keyword, Value)>,
}

impl MarkExpression {
    /// What was given to `-m`; absent for the empty text, which pytest does not ask.
    pub fn parse(text: &str, version: PytestVersion) -> Result<Option<Self>, ExpressionError> {
        if text.is_empty() {
            return Ok(None);
        }
        parse_for(text, version).map(|expr| Some(Self::of(&expr)))
    }

    /// An expression as an expression over markers.
    pub fn of(expr: &Expr) -> Self {
        let leaf = |leaf: Leaf<'_>| match leaf {
            Leaf::Name(name) => MarkLeaf {
                name: name.as_str().to_owned(),
                arguments: Vec::new(),
            },
            Leaf::Call(call) => MarkLeaf {
                name: call.name.as_str().to_owned(),
                arguments: call.arguments.clone(),
            },
        };
        let names = expr.names().into_iter();
        Self {
            tree: Tree::of(expr, &mut { leaf }),
            names: names.map(|name| name.as_str().to_owned()).collect(),
        }
    }

    /// Whether the test is wanted.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        self.evaluate(&mut |leaf| leaf.holds(test, doubts))
    }

    /// Whether a test of which nothing is known is wanted: certain only where every
    /// test is, or none.
    pub fn verdict_on_unknown(&self) -> Verdict {
        self.evaluate(&mut |_| Verdict::Ask)
    }

    fn evaluate(&self, look: &mut impl FnMut(&MarkLeaf) -> Verdict) -> Verdict {
        match self.tree.evaluate(&mut |leaf| Outcome::Ended(look(leaf))) {
            Outcome::Ended(verdict) => verdict,
            Outcome::MayRaise | Outcome::Raised => Verdict::Ask,
        }
    }

    /// pytest's complaint about names that are no registered markers, which it makes
    /// since 9.2 where `strict_markers` (or `strict`) is on. The caller says whether.
    pub fn unregistered(&self, is_registered: impl Fn(&str) -> bool) -> Option<String> {
        let mut unknown: Vec<&str> = self.names.iter().map(String::as_str).collect();
        unknown.retain(|name| !is_registered(name));
        unknown.sort_unstable();
        unknown.dedup();
        (!unknown.is_empty()).then(|| {
            format!(
                "Unknown marker(s) in '-m' expression: {}. \
                 Use 'pytest --markers' to see available markers.",
                unknown.join(", ")
            )
        })
    }
}

impl MarkLeaf {
    fn holds(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        if self.name == PARAMETRIZE {
            return self.holds_parametrize(test, doubts);
        }
        let more = doubts.about(Doubt::Markers, |name| name == self.name.as_str());
        let mut best = Verdict::seen(false, more);
        for marker in &test.item.markers {
            if marker.name == self.name {
                best = best.or(self.agrees(marker));
            }
            if best == Verdict::Keep {
                break;
            }
        }
        best
    }

    fn agrees(&self, marker: &Marker) -> Verdict {
        let mut all = Verdict::Keep;
        for (name, value) in &self.arguments {
            let given = marker
                .kwargs
                .iter()
                .find(|(given, _)| given == name.as_str());
            all = all.and(match given {
                None => Verdict::Drop,
                Some((_, None)) => Verdict::Ask,
                Some((_, Some(repr))) => equals(repr, value),
            });
        }
        all
    }

    /// The name among the keywords is the marker if the test has parameters; a function
    /// may also have an attribute of that name.
    fn holds_parametrize(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        let named = test.keywords.iter().any(|name| name == PARAMETRIZE);
        let is_it = |name: &str| name == PARAMETRIZE;
        let more = doubts.any(&[Doubt::Ids])
            || doubts.about(Doubt::Markers, is_it)
            || doubts.about(Doubt::Keywords, is_it);
        match (named, self.arguments.is_empty()) {
            (false, _) => Verdict::seen(false, more),
            (true, true) if !test.params.is_empty() => Verdict::Keep,
            (true, _) => Verdict::Ask,
        }
    }
}
