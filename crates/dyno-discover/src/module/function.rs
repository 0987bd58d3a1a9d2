//! A function as pytest sees it: what it asks for, what marks it bears, where it is.

use super::decorators::{Decorator, Given, classify};
use crate::fixture::FixtureSignature;
use crate::mark::MarkList;
use crate::rules::Place;
use dyno_model::NamedModel;
use dyno_python::{Context, Function, Parameter, ParameterKind, Reason, Value, World, text_size};
use std::sync::Arc;
use text_size::Ranged;

/// A function after its decorators.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any may stand beside any other"
)]
#[derive(Debug)]
pub(crate) struct Decorated {
    /// Its own marks, nearest to the function first.
    pub(crate) marks: MarkList,
    /// Its parameters but for those that decorators fill.
    pub(crate) parameters: Vec<Parameter>,
    /// How many of the first arguments `mock.patch` fills, after `self` was dropped.
    pub(crate) patched: usize,
    /// `@staticmethod`.
    pub(crate) is_static: bool,
    /// `@classmethod`.
    pub(crate) is_class_method: bool,
    /// Attributes in its `__dict__`.
    pub(crate) keywords: Vec<&'static str>,
    /// Models that `@dyno.model` names, the nearest to the function first.
    pub(crate) models: Vec<NamedModel>,
    /// Other attributes may be there.
    pub(crate) more_keywords: Option<Reason>,
    /// Each of its marks is a call that is written in its decorators, not a name.
    pub(crate) marks_are_written: bool,
    /// Hypothesis wraps it.
    pub(crate) is_given: bool,
    /// `async def`.
    pub(crate) is_async: bool,
    /// It yields.
    pub(crate) is_generator: bool,
    /// Where its code begins: the first decorator's line, counted from 1.
    pub(crate) place: Place,
}

/// What becomes of a `def`.
#[derive(Debug)]
pub(crate) enum Definition {
    /// A function.
    Function(Box<Decorated>),
    /// A fixture, and what it asks for with its `self` still there.
    Fixture(Box<FixtureSignature>, Result<Vec<Parameter>, Reason>, bool),
    /// Not callable: no test.
    NotCallable,
    /// Something that the text does not settle.
    Unknown(Box<Decorated>, Reason),
}

/// Reads a function's definition. `context` is that of its decorators.
pub(crate) fn read(
    function: &Function,
    context: &Context,
    world: &World<'_>,
) -> Option<Definition> {
    let module = &function.module;
    let signature = function.signature()?;
    let mut decorated = Decorated {
        marks: MarkList::default(),
        parameters: signature.parameters,
        patched: 0,
        is_static: false,
        is_class_method: false,
        keywords: Vec::new(),
        models: Vec::new(),
        more_keywords: None,
        marks_are_written: true,
        is_given: false,
        is_async: signature.is_async,
        is_generator: signature.is_generator,
        place: Place {
            file: module.file.clone(),
            line: module.line(function.offset),
        },
    };
    let Some(definition) = module.function_at(function.offset) else {
        // A lambda.
        return Some(Definition::Function(Box::new(decorated)));
    };
    let mut unknown = None;
    let mut fixture = None;
    let outermost = definition.decorator_list.first();
    for decorator in definition.decorator_list.iter().rev() {
        let offset = decorator.range().start().to_u32();
        let place = Place {
            file: module.file.clone(),
            line: module.line(offset),
        };
        let value = world.evaluate(context, &decorator.expression);
        let before = decorated.marks.marks.len();
        let step = decorated.apply(classify(&value, &place, world));
        let is_mark = decorated.marks.marks.len() > before;
        decorated.marks_are_written &=
            !is_mark || matches!(decorator.expression, dyno_python::ast::Expr::Call(_));
        match step {
            Step::Fixture(mut signature) => {
                signature.models = std::mem::take(&mut decorated.models);
                fixture = Some(signature);
            }
            Step::Goes if fixture.is_some() && !decorated.models.is_empty() => {
                unknown.get_or_insert_with(|| place.reason("`dyno.model` refuses a fixture"));
            }
            Step::Goes => {}
            // What stands above it may give anything: a mark takes it for an argument.
            Step::NotCallable if !outermost.is_some_and(|first| std::ptr::eq(decorator, first)) => {
                unknown.get_or_insert_with(|| place.reason("decorates what is not callable"));
            }
            Step::NotCallable => return Some(Definition::NotCallable),
            Step::Unknown(reason) => {
                unknown.get_or_insert(reason);
            }
        }
    }
    Some(match (fixture, unknown) {
        (Some(signature), None) => {
            let argnames = Ok(decorated.parameters);
            Definition::Fixture(signature, argnames, decorated.is_static)
        }
        (Some(signature), Some(reason)) => {
            Definition::Fixture(signature, Err(reason), decorated.is_static)
        }
        (None, Some(reason)) => {
            // What is known of marks is known of the function, which may be gone.
            decorated.marks = MarkList::default();
            decorated.marks.doubt(reason.clone());
            Definition::Unknown(Box::new(decorated), reason)
        }
        (None, None) => Definition::Function(Box::new(decorated)),
    })
}

enum Step {
    Goes,
    Fixture(Box<FixtureSignature>),
    NotCallable,
    Unknown(Reason),
}

impl Decorated {
    fn apply(&mut self, decorator: Decorator) -> Step {
        match decorator {
            Decorator::Mark(mark) => {
                self.keywords.push("pytestmark");
                self.marks.marks.push(*mark);
            }
            Decorator::Fixture(signature) => return Step::Fixture(signature),
            Decorator::NotCallable => return Step::NotCallable,
            Decorator::Static => self.is_static = true,
            Decorator::ClassMethod => self.is_class_method = true,
            Decorator::Patch(filled) => {
                self.patched += filled;
                self.keywords.extend(["patchings", "__wrapped__"]);
            }
            Decorator::Given(given) => {
                self.fill(&given);
                self.is_given = true;
                self.more_keywords.get_or_insert_with(|| {
                    self.place.reason("hypothesis adds attributes and marks")
                });
            }
            Decorator::Transparent => {
                self.more_keywords
                    .get_or_insert_with(|| self.place.reason("a decorator may add attributes"));
            }
            Decorator::Identity => {}
            Decorator::Models(models) => {
                self.keywords.push("_dyno_models");
                self.models.extend(models);
            }
            Decorator::Unknown(reason) => return Step::Unknown(reason),
        }
        Step::Goes
    }

    fn fill(&mut self, given: &Given) {
        match given {
            Given::Names(names) => self
                .parameters
                .retain(|parameter| !names.iter().any(|name| **name == *parameter.name)),
            Given::Rightmost(count) => {
                let by_position =
                    |parameter: &Parameter| parameter.kind == ParameterKind::PositionalOrKeyword;
                let positional = self.parameters.iter().filter(|p| by_position(p)).count();
                let mut keep = positional.saturating_sub(*count);
                self.parameters.retain(|parameter| {
                    let stays = !by_position(parameter) || keep > 0;
                    keep = keep.saturating_sub(usize::from(by_position(parameter)));
                    stays
                });
            }
        }
    }

    /// `getfuncargnames`: what the function asks for, and what has a default.
    ///
    /// `bound` is whether pytest drops the first argument: in a class, and not static.
    pub(crate) fn argnames(&self, in_class: bool) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        // A class method comes bound, so that its `cls` is not among its parameters any more.
        argnames(&self.parameters, in_class && !self.is_static, self.patched)
    }
}

/// The names without a default, the first dropped if the function is `bound`, then so many
/// as are `patched`; and the names with one.
pub(crate) fn argnames(
    parameters: &[Parameter],
    bound: bool,
    patched: usize,
) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let by_name = |parameter: &&Parameter| {
        matches!(
            parameter.kind,
            ParameterKind::PositionalOrKeyword | ParameterKind::KeywordOnly
        )
    };
    let positional_only = parameters
        .iter()
        .any(|parameter| parameter.kind == ParameterKind::PositionalOnly);
    let (with, without): (Vec<_>, Vec<_>) = parameters
        .iter()
        .filter(by_name)
        .partition(|parameter| parameter.default.is_some());
    let named = |parameter: &Parameter| Arc::from(parameter.name.as_str());
    let dropped = usize::from(bound && !positional_only) + patched;
    (
        without.into_iter().map(named).skip(dropped).collect(),
        with.into_iter().map(named).collect(),
    )
}

/// Whether a value, bound to a name that looks like a test's, can be one: only functions,
/// and what wraps one, are.
pub(crate) fn can_be_function(value: &Value) -> Result<bool, Reason> {
    Ok(match value {
        Value::Function(_) => true,
        Value::Unknown(reason) => return Err(reason.clone()),
        Value::External(name) => return Err(from_outside(name)),
        Value::Call(call) => return Err(call_of(call)),
        Value::Attribute(of) => {
            return Err(of
                .0
                .first_unknown()
                .cloned()
                .unwrap_or_else(|| from_outside(&of.1)));
        }
        _ => false,
    })
}

fn from_outside(name: &str) -> Reason {
    Reason {
        text: format!("`{name}` is not the project's").into(),
        file: "".into(),
        line: 0,
    }
}

fn call_of(call: &dyno_python::Call) -> Reason {
    match &call.function {
        Value::External(name) => Reason {
            text: format!("calls `{name}`").into(),
            file: "".into(),
            line: 0,
        },
        other => other.first_unknown().cloned().unwrap_or_else(|| Reason {
            text: "is made by a call".into(),
            file: "".into(),
            line: 0,
        }),
    }
}
