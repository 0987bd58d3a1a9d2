//! `IdMaker._idval_from_value`: the id that a value has of itself.

use super::escape::{escaped, escaped_bytes};
use super::external::{makes_plain, name_of, pattern};
use super::trouble::Trouble;
use crate::rules::{Objects, Place, Rules};
use dyno_python::{Call, Function, Value, python_str};

/// Python refuses to write longer integers.
const DIGITS: usize = 4300;

/// What is looked at to name a value.
pub(super) struct Naming<'a> {
    pub(super) rules: &'a Rules,
    pub(super) objects: &'a dyn Objects,
    pub(super) place: &'a Place,
}

impl Naming<'_> {
    /// The id; nothing where pytest takes the argument's name instead.
    pub(super) fn of_value(&self, value: &Value) -> Result<Option<String>, Trouble> {
        match value {
            Value::Str(text) => Ok(Some(self.text(text))),
            Value::Bytes(bytes) => self.bytes(bytes).map(Some),
            Value::Int(digits) if digits.len() > DIGITS => {
                Err(self.unknown("an integer that Python refuses to write"))
            }
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Complex(..) => {
                match python_str(value) {
                    Some(text) => Ok(Some(text)),
                    None => Err(self.unknown("a number whose text is not certain")),
                }
            }
            Value::EnumMember(member) => match &member.mixed_in {
                Some(text @ (Value::Str(_) | Value::Bytes(_))) => self.of_value(text),
                _ => match &member.text {
                    Ok(text) => Ok(Some(text.to_string())),
                    Err(reason) => Err(Trouble::ids(reason.clone())),
                },
            },
            Value::Function(function) if is_decorated(function) => {
                Err(self.unknown("a decorated function as a parameter"))
            }
            Value::Function(function) => Ok(Some(function.name.to_string())),
            Value::Class(class) => Ok(Some(class.name.to_string())),
            Value::Ellipsis
            | Value::Range(..)
            | Value::Tuple(_)
            | Value::List(_)
            | Value::Set(_)
            | Value::FrozenSet(_)
            | Value::Dict(_) => Ok(None),
            Value::Instance(instance) => match self.objects.is_plain(&instance.class) {
                Ok(()) => Ok(None),
                Err(reason) => Err(Trouble::ids(reason)),
            },
            other => self.of_external(other),
        }
    }

    fn of_external(&self, value: &Value) -> Result<Option<String>, Trouble> {
        match value {
            Value::External(name) => match name_of(name) {
                Some(own) => Ok(Some(own.to_owned())),
                None => match self.objects.outside(name) {
                    Some(value) if !matches!(value, Value::External(_)) => self.of_value(&value),
                    _ => Err(self.unknown(&format!("what `{name}` is called as a parameter"))),
                },
            },
            Value::Call(call) => match pattern(call) {
                // Not `_ascii_escaped_by_config`: a pattern is always escaped.
                Some(Value::Str(text)) => Ok(Some(escaped(text))),
                Some(Value::Bytes(bytes)) => Ok(Some(escaped_bytes(bytes))),
                _ if makes_plain(call) => Ok(None),
                _ if self.makes_plain_instance(call) => Ok(None),
                _ => Err(self.unknown(&match &call.function {
                    Value::External(name) => format!("calls `{name}`"),
                    _ => "calls what is not the project's".to_owned(),
                })),
            },
            // An iterator has a `__name__` if it is a generator, and none if it is a `zip`.
            Value::Iterator(_) => Err(self.unknown("an iterator as a parameter")),
            Value::Module(_) => Err(self.unknown("a module as a parameter")),
            Value::Attribute(_) => Err(self.unknown("an attribute of what a call returns")),
            // Whatever it is, it may also be a row with marks.
            Value::Unknown(reason) => Err(Trouble::ids(reason.clone())),
            _ => Ok(None),
        }
    }

    /// Whether a call makes an instance of a class whose text was found outside of the
    /// project, and which is plain.
    fn makes_plain_instance(&self, call: &Call) -> bool {
        let Value::External(name) = &call.function else {
            return false;
        };
        match self.objects.outside(name) {
            Some(Value::Class(class)) => self.objects.is_plain(&class).is_ok(),
            _ => false,
        }
    }

    /// `_ascii_escaped_by_config`.
    pub(super) fn text(&self, text: &str) -> String {
        if self.rules.disable_id_escaping {
            text.to_owned()
        } else {
            escaped(text)
        }
    }

    fn bytes(&self, bytes: &[u8]) -> Result<String, Trouble> {
        if self.rules.disable_id_escaping {
            // pytest then has bytes where it wants a string.
            return Err(self.unknown("bytes in an id, with escaping turned off"));
        }
        Ok(escaped_bytes(bytes))
    }

    pub(super) fn unknown(&self, what: &str) -> Trouble {
        Trouble::ids(self.place.reason(what))
    }
}

/// What a decorator makes of a function may be called anything.
fn is_decorated(function: &Function) -> bool {
    let definition = function.module.function_at(function.offset);
    definition.is_some_and(|definition| !definition.decorator_list.is_empty())
}
