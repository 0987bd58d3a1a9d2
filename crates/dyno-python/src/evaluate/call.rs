//! Calls: of built-ins, of the project's classes and simple functions, and of what is
//! outside, which stay as they are.

use super::{Evaluator, Place, Result};
use crate::class::Made;
use crate::walk::start;
use crate::{Call, ClassRef, EnumMember, Instance, Value};
use ruff_python_ast::{Expr, ExprCall};
use std::sync::Arc;

/// The arguments of a call, worked out.
pub(super) struct Arguments {
    pub(super) args: Vec<Value>,
    pub(super) kwargs: Vec<(Arc<str>, Value)>,
    pub(super) more: Option<crate::Reason>,
}

impl Evaluator<'_, '_> {
    pub(crate) fn call<'e>(&mut self, place: &mut Place<'e>, call: &'e ExprCall) -> Value {
        let offset = start(call);
        if let Expr::Attribute(method) = &*call.func {
            let object = self.evaluate(place, &method.value);
            if is_plain(&object) {
                let arguments = self.arguments(place, call);
                if let Some(reason) = arguments.more {
                    return Value::Unknown(reason);
                }
                let (args, kwargs) = (&arguments.args, &arguments.kwargs);
                let made = self.method(place, &object, &method.attr, args, kwargs, offset);
                return match made {
                    Ok(Some(value)) => value,
                    Ok(None) => place.unknown(format!("calls `.{}`", method.attr), offset),
                    Err(reason) => Value::Unknown(reason),
                };
            }
            let function = self.attribute(place, object, &method.attr, offset);
            return self.call_value(place, call, function);
        }
        let function = self.evaluate(place, &call.func);
        self.call_value(place, call, function)
    }

    /// Calls something with values that are there already.
    pub(crate) fn apply(&mut self, function: &Value, arguments: &[Value]) -> Value {
        let arguments = Arguments {
            args: arguments.to_vec(),
            kwargs: Vec::new(),
            more: None,
        };
        let nowhere = |text: String| {
            Value::Unknown(crate::Reason {
                text: text.into(),
                file: "".into(),
                line: 0,
            })
        };
        match function {
            Value::Function(function) => {
                let context = crate::Context::after(&function.module);
                let place = Place::of(&context);
                match self.run(&place, function, &arguments, function.offset) {
                    Ok(value) => value,
                    Err(reason) => Value::Unknown(reason),
                }
            }
            Value::External(full) => {
                let text = match (&**full, arguments.args.as_slice()) {
                    ("builtins.str", [value]) => crate::python_str(value),
                    ("builtins.repr", [value]) => crate::python_repr(value),
                    _ => None,
                };
                text.map_or_else(|| nowhere(format!("calls `{full}`")), Value::str)
            }
            _ => nowhere("calls something that is not settled".to_owned()),
        }
    }

    fn call_value<'e>(
        &mut self,
        place: &mut Place<'e>,
        call: &'e ExprCall,
        function: Value,
    ) -> Value {
        let offset = start(call);
        if function.is_unknown() {
            return function;
        }
        let arguments = self.arguments(place, call);
        let made = match &function {
            Value::External(full) => {
                let (args, kwargs) = (&arguments.args, &arguments.kwargs);
                if arguments.more.is_none() {
                    match self.builtin(place, full, args, kwargs, offset) {
                        Ok(Some(value)) => return value,
                        Ok(None) => {}
                        Err(reason) => return Value::Unknown(reason),
                    }
                }
                if full.starts_with("builtins.") {
                    Self::builtin_class(place, full, &arguments, offset)
                } else {
                    Ok(None)
                }
            }
            Value::Call(_) | Value::Attribute(_) => Ok(None),
            Value::Class(class) => self.instantiate(place, class, &arguments, offset).map(Some),
            Value::Function(function) => self.run(place, function, &arguments, offset).map(Some),
            _ => Err(place.reason("calls something that is not settled", offset)),
        };
        match made {
            Ok(Some(value)) => value,
            Ok(None) => Value::Call(Arc::new(Call {
                function,
                args: arguments.args,
                kwargs: arguments.kwargs,
                more: arguments.more,
            })),
            Err(reason) => Value::Unknown(reason),
        }
    }

    /// Exceptions and a few others stay calls; functions of unsettled things are unknown.
    fn builtin_class(
        place: &Place<'_>,
        full: &str,
        arguments: &Arguments,
        offset: u32,
    ) -> Result<Option<Value>> {
        let name = full.strip_prefix("builtins.").unwrap_or(full);
        let is_type = name.starts_with(char::is_uppercase) || name == "object" || name == "slice";
        if is_type {
            return Ok(None);
        }
        let inner = arguments.args.iter().find_map(Value::first_unknown);
        Err(inner
            .or(arguments.more.as_ref())
            .cloned()
            .unwrap_or_else(|| place.reason(format!("calls `{name}`"), offset)))
    }

    fn arguments<'e>(&mut self, place: &mut Place<'e>, call: &'e ExprCall) -> Arguments {
        let mut all = Arguments {
            args: Vec::new(),
            kwargs: Vec::new(),
            more: None,
        };
        for argument in &call.arguments.args {
            if let Expr::Starred(starred) = argument {
                let value = self.evaluate(place, &starred.value);
                match self.iterate(place, &value, start(argument)) {
                    Ok(items) if all.more.is_none() => all.args.extend(items),
                    Ok(_) => {}
                    Err(reason) => all.more = Some(reason),
                }
            } else {
                let value = self.evaluate(place, argument);
                if all.more.is_none() {
                    all.args.push(value);
                }
            }
        }
        for keyword in &call.arguments.keywords {
            let value = self.evaluate(place, &keyword.value);
            match (&keyword.arg, value) {
                (Some(name), value) => all.kwargs.push((name.as_str().into(), value)),
                (None, Value::Dict(pairs)) => {
                    for (key, value) in pairs.iter() {
                        if let Value::Str(key) = key {
                            all.kwargs.push((key.clone(), value.clone()));
                        } else {
                            let offset = start(keyword);
                            all.more = Some(place.reason("a keyword not settled", offset));
                        }
                    }
                }
                (None, value) => {
                    let reason = match value {
                        Value::Unknown(reason) => reason,
                        _ => place.reason("keywords that are not settled", start(keyword)),
                    };
                    all.more = Some(reason);
                }
            }
        }
        all
    }

    /// An instance of a class of the project, or an enum's member by value.
    fn instantiate(
        &mut self,
        place: &Place<'_>,
        class: &ClassRef,
        arguments: &Arguments,
        offset: u32,
    ) -> Result<Value> {
        if self.is_enum(class)? {
            let ([wanted], [], None) =
                (&arguments.args[..], &arguments.kwargs[..], &arguments.more)
            else {
                return Err(place.reason(format!("calls the enum `{}`", class.name), offset));
            };
            for (_, member) in self.enum_members(class)? {
                if let Value::EnumMember(found) = &member
                    && super::number::equal(&found.value, wanted) == Some(true)
                {
                    return Ok(member);
                }
            }
            return Err(place.reason(format!("calls the enum `{}`", class.name), offset));
        }
        let fields = match self.made(class)? {
            Made::Plain => Vec::new(),
            Made::Fields(fields) => Self::fill(&fields, arguments).unwrap_or_default(),
            Made::Tuple(fields) => {
                let filled = Self::fill(&fields, arguments).ok_or_else(|| {
                    place.reason(format!("a `{}` that is not followed", class.name), offset)
                })?;
                return Ok(Value::Instance(Arc::new(Instance {
                    class: class.clone(),
                    fields: filled,
                    is_tuple: true,
                })));
            }
        };
        Ok(Value::Instance(Arc::new(Instance {
            class: class.clone(),
            fields,
            is_tuple: false,
        })))
    }

    /// The fields of an instance, if the arguments fit them.
    fn fill(
        fields: &[(Arc<str>, Option<Value>)],
        arguments: &Arguments,
    ) -> Option<Vec<(Arc<str>, Value)>> {
        if arguments.more.is_some() || arguments.args.len() > fields.len() {
            return None;
        }
        let known = |name: &Arc<str>| fields.iter().any(|(field, _)| field == name);
        if !arguments.kwargs.iter().all(|(name, _)| known(name)) {
            return None;
        }
        let mut filled = Vec::with_capacity(fields.len());
        for (index, (name, default)) in fields.iter().enumerate() {
            let named = arguments.kwargs.iter().find(|(key, _)| key == name);
            let value = match (arguments.args.get(index), named, default) {
                (Some(value), None, _) | (None, Some((_, value)), _) => value.clone(),
                (None, None, Some(default)) => default.clone(),
                _ => return None,
            };
            filled.push((name.clone(), value));
        }
        Some(filled)
    }
}

/// Whether methods of it are those of a built-in type.
fn is_plain(value: &Value) -> bool {
    matches!(
        value,
        Value::Str(_)
            | Value::Bytes(_)
            | Value::Dict(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Set(_)
            | Value::FrozenSet(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Range(..)
            | Value::Bool(_)
            | Value::None
    )
}

impl EnumMember {
    /// Whether it is the same member of the same enum.
    pub fn is(&self, other: &Self) -> bool {
        self.class == other.class && self.name == other.name
    }
}
