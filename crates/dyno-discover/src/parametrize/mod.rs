//! Parametrization: the tests that one function makes.
//!
//! The order is pytest's: fixtures with `params` first, in the order of the test's fixtures,
//! then `parametrize` marks, the nearest first; each multiplies what there is.

mod call;
mod escape;
mod expansion;
mod external;
mod id;
mod key;
mod rows;
mod trouble;
mod value_id;

pub use expansion::{expand, family};

use crate::fixture::Layer;
use crate::mark::{Mark, MarkList};
use crate::rules::Place;
use dyno_model::{Marker, Param, Unknown, UsedFixture};
use dyno_python::Reason;
use std::sync::Arc;

/// What is known of a function that makes tests.
#[derive(Debug)]
pub struct FunctionFacts<'a> {
    /// `getfuncargnames`: what it asks for. Without `self`, without arguments that have a
    /// default, without those that `mock.patch` fills.
    pub argnames: Result<&'a [Arc<str>], Reason>,
    /// Its own marks, as `get_unpacked_marks` gives them: the decorator nearest to the
    /// function first.
    pub marks: &'a MarkList,
    /// The marks of the nodes above, the innermost class first, the module last; a class'
    /// marks with those of its bases as `get_unpacked_marks` gives them.
    pub above: &'a [&'a MarkList],
    /// The fixtures that it sees, the outermost layer (plugins) first.
    pub layers: &'a [&'a Layer],
    /// Whether it is a method of a `unittest.TestCase`: it asks for nothing and is not
    /// parametrized.
    pub is_unittest: bool,
    /// Whether each of its own marks is used but once: written as a call in its decorators
    /// and not taken from a name, and the function neither inherited by another class nor
    /// imported by another module. A mark that is used more than once gives its ids, and a
    /// generator among its arguments, only the first time.
    pub is_marked_alone: bool,
    /// How many tests the file has by now: those of a file are not listed without end.
    pub listed: usize,
    /// Where it is.
    pub place: Place,
}

/// What becomes of a function.
#[derive(Debug)]
pub enum Expansion {
    /// These tests, in this order.
    Tests(Vec<Instance>),
    /// Any number of tests; the unparametrized function stands for them. It bears the
    /// markers that are known of all, and tells what is in doubt.
    Unknown(Box<Instance>),
    /// Collecting the class or module that holds it fails.
    Fails(Reason),
}

/// A test that a function makes.
#[derive(Debug, Clone, Default)]
pub struct Instance {
    /// What stands in brackets after the function's name.
    pub brackets: Option<String>,
    /// All its markers, as `iter_markers` yields them, without `parametrize`.
    pub markers: Vec<Marker>,
    /// The marks that its own row of parameters adds.
    pub row_marks: Vec<Mark>,
    /// `callspec.params`.
    pub params: Vec<Param>,
    /// `fixturenames`.
    pub fixtures: Vec<UsedFixture>,
    /// What is not known.
    pub doubts: Vec<Unknown>,
}
