//! Marks: what `pytest.mark.NAME(...)` stands for, and what is told of it.

mod shortened;

use crate::rules::Place;
use dyno_model::Marker;
use dyno_python::{Call, Reason, Value};
use shortened::shortened;
use std::sync::Arc;

/// How many calls of calls are looked through: `pytest.mark.a(1)(2)(3)`.
const DEPTH: usize = 20;

/// A mark, as `_pytest.mark.structures.Mark`.
#[derive(Debug, Clone)]
pub struct Mark {
    /// `mark.name`.
    pub name: Arc<str>,
    /// `mark.args`.
    pub args: Vec<Value>,
    /// `mark.kwargs`.
    pub kwargs: Vec<(Arc<str>, Value)>,
    /// There may be further arguments.
    pub more: Option<Reason>,
    /// Where it is applied.
    pub place: Place,
}

/// Marks in the order in which pytest keeps them.
#[derive(Debug, Clone, Default)]
pub struct MarkList {
    /// Those that are known.
    pub marks: Vec<Mark>,
    /// There may be further ones, anywhere among them.
    pub more: Option<Reason>,
    /// What was taken for a mark is none, which is an error as soon as pytest reads it.
    pub broken: Option<Reason>,
}

impl MarkList {
    /// The marks that a value of `pytestmark` holds: a mark or a list of them.
    pub fn from_value(value: &Value, place: &Place) -> Self {
        let mut list = Self::default();
        match value {
            Value::List(items) => items.iter().for_each(|item| list.push(item, place)),
            single => list.push(single, place),
        }
        list
    }

    /// The marks that `pytest.param(marks=...)` holds: a mark or any collection of them.
    pub(crate) fn of_row(value: &Value, place: &Place) -> Self {
        let mut list = Self::default();
        match value {
            Value::List(items) | Value::Tuple(items) => {
                items.iter().for_each(|item| list.push(item, place));
            }
            // A mark cannot be hashed, so that a set holds none.
            Value::Set(items) | Value::FrozenSet(items) if items.is_empty() => {}
            Value::Dict(items) if items.is_empty() => {}
            Value::Str(text) if text.is_empty() => {}
            single => list.push(single, place),
        }
        list
    }

    /// Appends what a value is: one mark.
    pub fn push(&mut self, value: &Value, place: &Place) {
        match Mark::from_value(value, place) {
            Ok(Some(mark)) => self.marks.push(mark),
            Ok(None) => {
                let reason = place.reason("holds what is no mark");
                self.broken.get_or_insert_with(|| reason.clone());
                self.doubt(reason);
            }
            Err(reason) => self.doubt(reason),
        }
    }

    /// Appends what a further list holds.
    pub fn extend(&mut self, other: Self) {
        self.marks.extend(other.marks);
        if let Some(reason) = other.more {
            self.doubt(reason);
        }
        if let Some(reason) = other.broken {
            self.broken.get_or_insert(reason);
        }
    }

    /// There may be further marks.
    pub fn doubt(&mut self, reason: Reason) {
        self.more.get_or_insert(reason);
    }
}

impl Mark {
    /// The mark that a value is: nothing where it is certainly none, the reason where that
    /// is not known.
    pub fn from_value(value: &Value, place: &Place) -> Result<Option<Self>, Reason> {
        Self::read(value, place, DEPTH)
    }

    fn read(value: &Value, place: &Place, depth: usize) -> Result<Option<Self>, Reason> {
        match value {
            Value::External(name) => Self::named(name, place),
            Value::Call(call) if depth > 0 => Self::called(call, place, depth),
            Value::Call(_) | Value::Attribute(_) | Value::Instance(_) => {
                Err(place.reason("a mark that only running the code would tell"))
            }
            Value::Unknown(reason) => Err(reason.clone()),
            _ => Ok(None),
        }
    }

    fn named(name: &str, place: &Place) -> Result<Option<Self>, Reason> {
        let Some(mark) = name.strip_prefix("pytest.mark.") else {
            return Err(place.reason(format!("`{name}` may be a mark")));
        };
        // An attribute of a mark, or what `pytest.mark` refuses with an AttributeError.
        if mark.is_empty() || mark.starts_with('_') || mark.contains('.') {
            return Err(place.reason(format!("`{name}` is not a mark that can be read")));
        }
        Ok(Some(Self {
            name: mark.into(),
            args: Vec::new(),
            kwargs: Vec::new(),
            more: None,
            place: place.clone(),
        }))
    }

    fn called(call: &Call, place: &Place, depth: usize) -> Result<Option<Self>, Reason> {
        if let Some(mark) = by_getattr(call, place) {
            return mark;
        }
        let (mut mark, with_args) = match &call.function {
            Value::External(name) => match name.strip_suffix(".with_args") {
                Some(mark) => (Self::named(mark, place)?, true),
                None => (Self::named(name, place)?, false),
            },
            Value::Attribute(of) if &*of.1 == "with_args" => {
                (Self::read(&of.0, place, depth - 1)?, true)
            }
            other => (Self::read(other, place, depth - 1)?, false),
        };
        // `MarkDecorator.__call__`: with nothing but a function or a class it decorates
        // that, and gives it back.
        if !with_args && call.kwargs.is_empty() && call.more.is_none() {
            match call.args.as_slice() {
                [Value::Class(_)] => return Ok(None),
                [Value::Function(function)] if &*function.name != "<lambda>" => return Ok(None),
                [Value::External(_) | Value::Module(_)] => {
                    return Err(place.reason("a mark that is applied to what may be a function"));
                }
                _ => {}
            }
        }
        if let Some(mark) = &mut mark {
            mark.combine(call);
        }
        Ok(mark)
    }

    /// `Mark.combined_with`.
    fn combine(&mut self, call: &Call) {
        self.args.extend(call.args.iter().cloned());
        for (name, value) in &call.kwargs {
            match self.kwargs.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value.clone(),
                None => self.kwargs.push((name.clone(), value.clone())),
            }
        }
        if self.more.is_none() {
            self.more.clone_from(&call.more);
        }
    }

    /// A keyword argument.
    pub(crate) fn keyword(&self, name: &str) -> Option<&Value> {
        let found = self.kwargs.iter().find(|(known, _)| &**known == name);
        found.map(|(_, value)| value)
    }

    /// As it is told of a test.
    pub fn marker(&self) -> Marker {
        Marker {
            name: self.name.to_string(),
            args: self.args.iter().map(shortened).collect(),
            kwargs: (self.kwargs.iter())
                .map(|(name, value)| (name.to_string(), shortened(value)))
                .collect(),
        }
    }
}

/// `getattr(pytest.mark, "NAME")`.
fn by_getattr(call: &Call, place: &Place) -> Option<Result<Option<Mark>, Reason>> {
    match (&call.function, call.args.as_slice()) {
        (Value::External(function), [Value::External(of), name])
            if &**function == "builtins.getattr" && &**of == "pytest.mark" =>
        {
            Some(match name {
                Value::Str(name) => Mark::named(&format!("pytest.mark.{name}"), place),
                _ => Err(place.reason("a mark whose name is computed")),
            })
        }
        _ => None,
    }
}
