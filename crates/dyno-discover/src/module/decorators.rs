//! What the decorators of a function make of it, as far as collection can tell.

use crate::fixture::FixtureSignature;
use crate::mark::Mark;
use crate::rules::Place;
use dyno_model::NamedModel;
use dyno_python::{Call, Function, Reason, Value, World, ast};
use std::sync::Arc;

/// What one decorator does.
#[derive(Debug)]
pub(crate) enum Decorator {
    /// `@pytest.mark.NAME`.
    Mark(Box<Mark>),
    /// `@pytest.fixture`: it is no test any more.
    Fixture(Box<FixtureSignature>),
    /// `@staticmethod`.
    Static,
    /// `@classmethod`.
    ClassMethod,
    /// `@property` and its like: not callable.
    NotCallable,
    /// `mock.patch`: fills so many of the first arguments.
    Patch(usize),
    /// Hypothesis' `given`: fills arguments by position from the right, or by name.
    Given(Given),
    /// The same function to pytest: name, arguments, marks; attributes it may have more.
    Transparent,
    /// The function itself, untouched.
    Identity,
    /// `dyno.model`: the function itself, with an attribute that names models.
    Models(Vec<NamedModel>),
    /// Not known.
    Unknown(Reason),
}

/// What Hypothesis' `given` fills.
#[derive(Debug)]
pub(crate) enum Given {
    /// So many, from the right.
    Rightmost(usize),
    /// These.
    Names(Vec<Arc<str>>),
}

/// What a decorator does, by its value.
pub(crate) fn classify(value: &Value, place: &Place, world: &World<'_>) -> Decorator {
    if let Some(signature) = FixtureSignature::from_decorator(value, place) {
        return Decorator::Fixture(Box::new(signature));
    }
    if may_be_mark(value) {
        match Mark::from_value(value, place) {
            Ok(Some(mark)) => return Decorator::Mark(Box::new(mark)),
            Ok(None) => {}
            Err(reason) => return Decorator::Unknown(reason),
        }
    }
    match value {
        Value::External(name) => bare(name, place),
        Value::Call(call) => match &call.function {
            Value::External(name) => called(name, call, place),
            other => unknown(other, place),
        },
        Value::Function(function) if returns_its_like(function, world) => Decorator::Transparent,
        other => unknown(other, place),
    }
}

/// Whether a value is pytest's, or nobody knows whose.
pub(super) fn may_be_mark(value: &Value) -> bool {
    match value {
        Value::External(name) => {
            matches!(name.split('.').next(), Some("pytest" | "_pytest" | "py"))
                || &**name == "builtins.getattr"
        }
        Value::Call(call) => may_be_mark(&call.function),
        Value::Attribute(of) => may_be_mark(&of.0),
        Value::Function(_) | Value::Class(_) => false,
        _ => true,
    }
}

fn bare(name: &str, place: &Place) -> Decorator {
    match name {
        "builtins.staticmethod" => Decorator::Static,
        "builtins.classmethod" => Decorator::ClassMethod,
        "builtins.property" | "functools.cached_property" => Decorator::NotCallable,
        "typing.final"
        | "typing.override"
        | "typing.no_type_check"
        | "typing_extensions.final"
        | "typing_extensions.override"
        | "abc.abstractmethod" => Decorator::Identity,
        "hypothesis.settings"
        | "hypothesis.example"
        | "unittest.expectedFailure"
        | "unittest.case.expectedFailure" => Decorator::Transparent,
        _ => named(name, place),
    }
}

fn called(name: &str, call: &Call, place: &Place) -> Decorator {
    match name {
        "unittest.skip"
        | "unittest.skipIf"
        | "unittest.skipUnless"
        | "unittest.case.skip"
        | "unittest.case.skipIf"
        | "unittest.case.skipUnless"
        | "unittest.mock.patch.dict"
        | "mock.patch.dict"
        | "hypothesis.settings"
        | "hypothesis.example"
        | "hypothesis.seed" => Decorator::Transparent,
        "unittest.mock.patch"
        | "mock.patch"
        | "unittest.mock.patch.object"
        | "mock.patch.object" => patch(name, call, place),
        "hypothesis.given" => given(call, place),
        "dyno.model" | "dyno.fixtures.models.model" => models(call, place),
        "functools.wraps" => Decorator::Unknown(place.reason("is decorated by `functools.wraps`")),
        _ => named(name, place),
    }
}

/// How many arguments a `mock.patch` on a class fills in each of its tests.
pub(crate) fn classify_patch(value: &Value, place: &Place) -> Result<usize, Reason> {
    match value {
        Value::Call(call) => match &call.function {
            Value::External(name) => match patch(name, call, place) {
                Decorator::Patch(filled) => Ok(filled),
                Decorator::Unknown(reason) => Err(reason),
                _ => Err(place.reason("is patched as a whole")),
            },
            other => Err(other
                .first_unknown()
                .cloned()
                .unwrap_or_else(|| place.reason("is patched as a whole"))),
        },
        _ => Err(place.reason("is patched as a whole")),
    }
}

/// `patch(target, new=DEFAULT, spec=None, create=False, ...)` and `patch.object(target,
/// attribute, new=DEFAULT, ...)` give the function a mock only if `new` is left out.
fn patch(name: &str, call: &Call, place: &Place) -> Decorator {
    if let Some(reason) = &call.more {
        return Decorator::Unknown(reason.clone());
    }
    let new_at = if name.ends_with(".object") { 2 } else { 1 };
    let new = call
        .args
        .get(new_at)
        .or_else(|| keyword(call, "new"))
        .is_some_and(|new| !matches!(new, Value::External(name) if name.ends_with("mock.DEFAULT")));
    // It may be `DEFAULT` by another way.
    let given = call.args.get(new_at).or_else(|| keyword(call, "new"));
    if given.is_some_and(Value::is_unknown) {
        return Decorator::Unknown(place.reason("is patched with a value that is not known"));
    }
    Decorator::Patch(usize::from(!new))
}

/// `dyno.model(*names, revision=None, files=None)`.
fn models(call: &Call, place: &Place) -> Decorator {
    let text = |value: &Value| match value {
        Value::Str(text) => Some(text.to_string()),
        _ => None,
    };
    let optional = |name| match keyword(call, name) {
        None | Some(Value::None) => Some(None),
        Some(value) => text(value).map(Some),
    };
    let names: Option<Vec<String>> = call.args.iter().map(text).collect();
    match (names, optional("revision"), optional("files")) {
        (Some(names), Some(revision), Some(files)) if call.more.is_none() && !names.is_empty() => {
            let model = |name| NamedModel {
                name,
                revision: revision.clone(),
                files: files.clone(),
            };
            Decorator::Models(names.into_iter().map(model).collect())
        }
        _ => Decorator::Unknown(place.reason("names models that the text does not settle")),
    }
}

fn given(call: &Call, place: &Place) -> Decorator {
    if let Some(reason) = &call.more {
        return Decorator::Unknown(reason.clone());
    }
    if call.args.iter().any(|arg| matches!(arg, Value::Ellipsis)) {
        return Decorator::Unknown(place.reason("is decorated by `given(...)`"));
    }
    Decorator::Given(if call.args.is_empty() {
        Given::Names(call.kwargs.iter().map(|(name, _)| name.clone()).collect())
    } else {
        Given::Rightmost(call.args.len())
    })
}

fn keyword<'c>(call: &'c Call, name: &str) -> Option<&'c Value> {
    let mut named = call.kwargs.iter().filter(|(key, _)| &**key == name);
    named.next().map(|(_, value)| value)
}

fn named(name: &str, place: &Place) -> Decorator {
    Decorator::Unknown(place.reason(format!("is decorated by `{name}`")))
}

fn unknown(value: &Value, place: &Place) -> Decorator {
    Decorator::Unknown(match value.first_unknown() {
        Some(reason) => reason.clone(),
        None => place.reason("is decorated by something that the text does not settle"),
    })
}

/// Whether a decorator of the project returns the function that it is given, or one that
/// `functools.wraps` made its like: then name, signature, marks and place stay.
///
/// Only two shapes are taken for sure: `def d(f): ...; return f`, and `def d(f): @wraps(f)
/// def inner(...): ...; return inner`, with nothing but the definition, a docstring and
/// attributes in between.
fn returns_its_like(function: &Function, world: &World<'_>) -> bool {
    let Some(definition) = function.module.function_at(function.offset) else {
        return false;
    };
    if definition.is_async || !definition.decorator_list.is_empty() {
        return false;
    }
    let [parameter] = &*definition.parameters.args else {
        return false;
    };
    let given = parameter.parameter.name.as_str();
    let mut inner = None;
    for (index, statement) in definition.body.iter().enumerate() {
        let last = index + 1 == definition.body.len();
        match statement {
            ast::Stmt::Expr(docstring)
                if matches!(&*docstring.value, ast::Expr::StringLiteral(_)) => {}
            ast::Stmt::FunctionDef(def) if inner.is_none() => {
                let [wraps] = &*def.decorator_list else {
                    return false;
                };
                if !wraps_the(&wraps.expression, given, function, world) {
                    return false;
                }
                inner = Some(def.name.as_str());
            }
            ast::Stmt::Return(returned) if last => {
                let Some(ast::Expr::Name(name)) = returned.value.as_deref() else {
                    return false;
                };
                return inner.map_or(name.id.as_str() == given, |inner| name.id.as_str() == inner);
            }
            _ => return false,
        }
    }
    false
}

fn wraps_the(decorator: &ast::Expr, given: &str, function: &Function, world: &World<'_>) -> bool {
    let ast::Expr::Call(call) = decorator else {
        return false;
    };
    let [ast::Expr::Name(argument)] = &*call.arguments.args else {
        return false;
    };
    let context = dyno_python::Context::after(&function.module);
    let wraps = world.evaluate(&context, &call.func);
    call.arguments.keywords.is_empty()
        && argument.id.as_str() == given
        && matches!(wraps, Value::External(name) if &*name == "functools.wraps")
}
