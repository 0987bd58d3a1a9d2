//! Subscripts and slices.

use super::iterate::range_items;
use super::{Evaluator, Place, Result, number};
use crate::Value;
use ruff_python_ast::{Expr, ExprSlice};
use std::sync::Arc;

impl Evaluator<'_, '_> {
    pub(super) fn subscript<'e>(
        &mut self,
        place: &mut Place<'e>,
        object: Value,
        index: &'e Expr,
        offset: u32,
    ) -> Result<Value> {
        if let Value::Unknown(reason) = object {
            return Err(reason);
        }
        if let Expr::Slice(slice) = index {
            return self.slice(place, &object, slice, offset);
        }
        let index = self.evaluate(place, index);
        if let Value::Unknown(reason) = index {
            return Err(reason);
        }
        self.element(&object, &index)
            .ok_or_else(|| place.reason("an element that is not settled", offset))
    }

    pub(super) fn element(&mut self, object: &Value, index: &Value) -> Option<Value> {
        match object {
            Value::Dict(pairs) => {
                let wanted = number::key(index)?;
                for (key, value) in pairs.iter() {
                    if number::key(key)? == wanted {
                        return Some(value.clone());
                    }
                }
                None
            }
            Value::Class(class) => {
                let name = index.as_str()?;
                let members = self.enum_members(class).ok()?;
                members
                    .into_iter()
                    .find(|(member, _)| &**member == name)
                    .map(|(_, value)| value)
            }
            Value::External(_) => None,
            _ => {
                let index = number::integer(index)?;
                match object {
                    Value::Str(text) => {
                        let length = text.chars().count();
                        let at = position(index, length)?;
                        text.chars().nth(at).map(|one| Value::str(one.to_string()))
                    }
                    Value::Bytes(bytes) => {
                        let at = position(index, bytes.len())?;
                        bytes.get(at).map(|&byte| Value::int(i128::from(byte)))
                    }
                    Value::Instance(instance) if instance.is_tuple => {
                        let at = position(index, instance.fields.len())?;
                        instance.fields.get(at).map(|(_, value)| value.clone())
                    }
                    Value::Tuple(items) | Value::List(items) => {
                        items.get(position(index, items.len())?).cloned()
                    }
                    Value::Range(..) => {
                        let items = range_items(object)?;
                        items.get(position(index, items.len())?).cloned()
                    }
                    _ => None,
                }
            }
        }
    }

    pub(super) fn slice<'e>(
        &mut self,
        place: &mut Place<'e>,
        object: &Value,
        slice: &'e ExprSlice,
        offset: u32,
    ) -> Result<Value> {
        let mut bound = |bound: &'e Option<Box<Expr>>| -> Result<Option<i128>> {
            let Some(bound) = bound else {
                return Ok(None);
            };
            match self.evaluate(place, bound) {
                Value::None => Ok(None),
                Value::Unknown(reason) => Err(reason),
                value => number::integer(&value)
                    .map(Some)
                    .ok_or_else(|| place.reason("a slice that is not followed", offset)),
            }
        };
        let (lower, upper, step) = (
            bound(&slice.lower)?,
            bound(&slice.upper)?,
            bound(&slice.step)?,
        );
        let take = |length: usize| indices(length, lower, upper, step);
        let picked = match object {
            Value::Str(text) => {
                let chars: Vec<char> = text.chars().collect();
                take(chars.len()).map(|at| {
                    let picked = at.into_iter().filter_map(|at| chars.get(at));
                    Value::str(picked.collect::<String>())
                })
            }
            Value::Bytes(bytes) => take(bytes.len()).map(|at| {
                let picked = at.into_iter().filter_map(|at| bytes.get(at).copied());
                Value::Bytes(picked.collect::<Vec<_>>().into())
            }),
            Value::List(items) => take(items.len()).map(|at| Value::List(pick(items, at))),
            Value::Tuple(items) => take(items.len()).map(|at| Value::Tuple(pick(items, at))),
            _ => None,
        };
        picked.ok_or_else(|| place.reason("a slice that is not followed", offset))
    }
}

fn position(index: i128, length: usize) -> Option<usize> {
    let length = i128::try_from(length).ok()?;
    let at = if index < 0 { index + length } else { index };
    usize::try_from(at).ok().filter(|_| at < length)
}

/// `slice.indices`, followed.
fn indices(
    length: usize,
    lower: Option<i128>,
    upper: Option<i128>,
    step: Option<i128>,
) -> Option<Vec<usize>> {
    let step = step.unwrap_or(1);
    let length = i128::try_from(length).ok()?;
    let (least, most) = if step < 0 {
        (-1, length - 1)
    } else {
        (0, length)
    };
    let clamp = |bound: i128| {
        let bound = if bound < 0 {
            bound.saturating_add(length)
        } else {
            bound
        };
        bound.clamp(least, most)
    };
    let first = lower.map_or(if step < 0 { most } else { least }, clamp);
    let stop = upper.map_or(if step < 0 { least } else { most }, clamp);
    let mut picked = Vec::new();
    let mut at = first;
    while step != 0 && ((step > 0 && at < stop) || (step < 0 && at > stop)) {
        picked.push(usize::try_from(at).ok()?);
        at = at.checked_add(step)?;
    }
    (step != 0).then_some(picked)
}

fn pick(items: &[Value], at: Vec<usize>) -> Arc<[Value]> {
    at.into_iter()
        .filter_map(|at| items.get(at).cloned())
        .collect()
}
