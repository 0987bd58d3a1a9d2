//! An expression against a test, left to right as Python evaluates it.
//!
//! The order matters only where a leaf may raise: `-k "a or b(x=1)"` is an error of use
//! for the tests that do not match `a`, and for no other.

use crate::tree::{Call, Expr, Ident};
use crate::verdict::Verdict;

/// An expression whose leaves are ready to be looked at. No deeper than
/// [`MAX_DEPTH`](crate::MAX_DEPTH), as the parser made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree<L> {
    Nothing,
    Leaf(L),
    Not(Box<Tree<L>>),
    All(Vec<Tree<L>>),
    Any(Vec<Tree<L>>),
}

/// A leaf of an expression.
pub(crate) enum Leaf<'a> {
    Name(&'a Ident),
    Call(&'a Call),
}

/// What became of an evaluation, or of a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ended with this.
    Ended(Verdict),
    /// It ended or raised; pytest knows.
    MayRaise,
    /// It raised.
    Raised,
}

impl<L> Tree<L> {
    pub(crate) fn of(expr: &Expr, leaf: &mut impl FnMut(Leaf<'_>) -> L) -> Self {
        match expr {
            Expr::Nothing => Self::Nothing,
            Expr::Name(name) => Self::Leaf(leaf(Leaf::Name(name))),
            Expr::Call(call) => Self::Leaf(leaf(Leaf::Call(call))),
            Expr::Not(inner) => Self::Not(Box::new(Self::of(inner, leaf))),
            Expr::All(terms) => Self::All(terms.iter().map(|term| Self::of(term, leaf)).collect()),
            Expr::Any(terms) => Self::Any(terms.iter().map(|term| Self::of(term, leaf)).collect()),
        }
    }

    pub(crate) fn evaluate(&self, look: &mut impl FnMut(&L) -> Outcome) -> Outcome {
        match self {
            Self::Nothing => Outcome::Ended(Verdict::Drop),
            Self::Leaf(leaf) => look(leaf),
            Self::Not(inner) => match inner.evaluate(look) {
                Outcome::Ended(verdict) => Outcome::Ended(verdict.negated()),
                raised => raised,
            },
            Self::All(terms) => chain(terms, look, Verdict::Drop, Verdict::and),
            Self::Any(terms) => chain(terms, look, Verdict::Keep, Verdict::or),
        }
    }
}

/// `and` or `or` over terms: ends at the first that settles it.
fn chain<L>(
    terms: &[Tree<L>],
    look: &mut impl FnMut(&L) -> Outcome,
    settles: Verdict,
    join: fn(Verdict, Verdict) -> Verdict,
) -> Outcome {
    let mut so_far = settles.negated();
    for term in terms {
        let reached = so_far != Verdict::Ask;
        match term.evaluate(look) {
            Outcome::Ended(verdict) => so_far = join(so_far, verdict),
            // Whether Python came as far as this term depends on a doubt before it.
            Outcome::Raised if !reached => return Outcome::MayRaise,
            raised => return raised,
        }
        if so_far == settles {
            break;
        }
    }
    Outcome::Ended(so_far)
}
