//! Built-in functions and those of `itertools`, on values that are settled.

use super::itertools::{product, tuples};
use super::number::{self, distinct, integer, order, truth};
use super::{Evaluator, Place, Result};
use crate::Value;
use crate::text::{python_repr, python_str};
use std::sync::Arc;

/// How many items a product, or a range, may give.
pub(super) const MOST: usize = 100_000;

impl Evaluator<'_, '_> {
    /// A call of something external that is worked out here; none where it is not.
    pub(crate) fn builtin(
        &mut self,
        place: &Place<'_>,
        full: &str,
        args: &[Value],
        kwargs: &[(Arc<str>, Value)],
        offset: u32,
    ) -> Result<Option<Value>> {
        let name = match full.split_once('.') {
            Some(("builtins", name)) => name,
            Some(("itertools", _)) => full,
            _ => return Ok(None),
        };
        if kwargs.is_empty() {
            return self.plain(place, name, args, offset);
        }
        let option = |wanted: &str| kwargs.iter().find(|(key, _)| **key == *wanted);
        match (name, args) {
            ("sorted", [items]) if kwargs.len() == 1 => {
                let Some(reverse) = option("reverse").and_then(|(_, value)| truth(value)) else {
                    return Ok(None);
                };
                let items = self.unordered(place, items, offset)?;
                Ok(sorted(items, reverse))
            }
            ("dict", _) if args.len() <= 1 => {
                let mut pairs = match args.first() {
                    None => Vec::new(),
                    Some(Value::Dict(pairs)) => pairs.to_vec(),
                    Some(_) => return Ok(None),
                };
                let named = kwargs.iter();
                pairs.extend(named.map(|(key, value)| (Value::Str(key.clone()), value.clone())));
                Ok(number::dict(pairs))
            }
            ("enumerate", [items]) if kwargs.len() == 1 => {
                let Some(first) = option("start").and_then(|(_, value)| integer(value)) else {
                    return Ok(None);
                };
                let items = self.iterate(place, items, offset)?;
                Ok(Some(enumerate(items, first)))
            }
            ("zip", _) if kwargs.len() == 1 && option("strict").is_some() => {
                let zipped = self.zip(place, args, offset)?;
                let lengths: std::collections::HashSet<usize> = args
                    .iter()
                    .map(|items| self.iterate(place, items, offset).map(|items| items.len()))
                    .collect::<Result<_>>()?;
                Ok((lengths.len() <= 1).then_some(zipped))
            }
            ("itertools.product", _) if kwargs.len() == 1 => {
                let Some(times) = option("repeat")
                    .and_then(|(_, value)| integer(value))
                    .and_then(|times| usize::try_from(times).ok())
                    .filter(|&times| times <= 20)
                else {
                    return Ok(None);
                };
                let pools: Vec<Vec<Value>> = args
                    .iter()
                    .map(|items| self.iterate(place, items, offset))
                    .collect::<Result<_>>()?;
                let pools: Vec<_> = std::iter::repeat_n(pools, times).flatten().collect();
                Ok(product(&pools).map(tuples))
            }
            _ => Ok(None),
        }
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each function")]
    fn plain(
        &mut self,
        place: &Place<'_>,
        name: &str,
        args: &[Value],
        offset: u32,
    ) -> Result<Option<Value>> {
        Ok(match (name, args) {
            ("list" | "tuple" | "set" | "frozenset" | "dict", []) => Some(match name {
                "list" => Value::List([].into()),
                "tuple" => Value::Tuple([].into()),
                "set" => Value::Set([].into()),
                "frozenset" => Value::FrozenSet([].into()),
                _ => Value::Dict([].into()),
            }),
            ("str", []) => Some(Value::str("")),
            ("int", []) => Some(Value::int(0)),
            ("float", []) => Some(Value::Float(0.0)),
            ("bool", []) => Some(Value::Bool(false)),
            ("list", [items]) => Some(Value::List(self.iterate(place, items, offset)?.into())),
            ("tuple", [items]) => Some(Value::Tuple(self.iterate(place, items, offset)?.into())),
            ("set", [items]) => distinct(self.unordered(place, items, offset)?).map(Value::Set),
            ("frozenset", [items]) => {
                distinct(self.unordered(place, items, offset)?).map(Value::FrozenSet)
            }
            ("dict", [Value::Dict(pairs)]) => Some(Value::Dict(pairs.clone())),
            ("dict", [items]) => {
                let mut pairs = Vec::new();
                for item in self.iterate(place, items, offset)? {
                    let pair = self.iterate(place, &item, offset)?;
                    let [key, value] = &pair[..] else {
                        return Ok(None);
                    };
                    pairs.push((key.clone(), value.clone()));
                }
                number::dict(pairs)
            }
            ("len", [items]) => self.length(place, items, offset)?.map(Value::int),
            ("range", bounds) => range(bounds),
            ("sorted", [items]) => sorted(self.unordered(place, items, offset)?, false),
            ("reversed", [Value::Dict(pairs)]) => Some(Value::Iterator(
                pairs.iter().rev().map(|(key, _)| key.clone()).collect(),
            )),
            (
                "reversed",
                [items @ (Value::List(_) | Value::Tuple(_) | Value::Range(..) | Value::Str(_))],
            ) => {
                let mut items = self.iterate(place, items, offset)?;
                items.reverse();
                Some(Value::Iterator(items.into()))
            }
            ("enumerate", [items]) => Some(enumerate(self.iterate(place, items, offset)?, 0)),
            ("enumerate", [items, first]) => match integer(first) {
                Some(first) => Some(enumerate(self.iterate(place, items, offset)?, first)),
                None => None,
            },
            ("iter", [items]) => Some(Value::Iterator(self.iterate(place, items, offset)?.into())),
            ("zip", _) => Some(self.zip(place, args, offset)?),
            ("min" | "max", [_, ..]) => {
                let items = match args {
                    [items] => self.unordered(place, items, offset)?,
                    items => items.to_vec(),
                };
                extreme(&items, name == "max")
            }
            ("sum", [items]) => {
                let mut sum = Some(Value::int(0));
                for item in self.iterate(place, items, offset)? {
                    // Since 3.12 floats are summed with compensation.
                    sum = match (&sum, &item) {
                        (Some(sum), Value::Int(_) | Value::Bool(_)) => {
                            number::binary(ruff_python_ast::Operator::Add, sum, &item)
                        }
                        _ => None,
                    };
                }
                sum
            }
            ("any" | "all", [items]) => {
                let stop = name == "any";
                let mut result = Some(!stop);
                for item in self.iterate(place, items, offset)? {
                    match truth(&item) {
                        Some(truth) if truth == stop => {
                            result = Some(stop);
                            break;
                        }
                        Some(_) => {}
                        None => {
                            result = None;
                            break;
                        }
                    }
                }
                result.map(Value::Bool)
            }
            ("str", [value]) => python_str(value).map(Value::str),
            ("repr", [value]) => python_repr(value).map(Value::str),
            ("bool", [value]) => truth(value).map(Value::Bool),
            ("int", [value]) => to_int(value),
            ("float", [value]) => to_float(value),
            ("abs", [Value::Float(float)]) => Some(Value::Float(float.abs())),
            ("abs", [value]) => integer(value).and_then(i128::checked_abs).map(Value::int),
            ("chr", [value]) => integer(value)
                .and_then(|code| u32::try_from(code).ok())
                .and_then(char::from_u32)
                .map(|one| Value::str(one.to_string())),
            ("ord", [Value::Str(text)]) => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(one), None) => Some(Value::int(i128::from(u32::from(one)))),
                    _ => None,
                }
            }
            ("hex" | "oct" | "bin", [value]) => integer(value).map(|int| {
                let size = int.unsigned_abs();
                let sign = if int < 0 { "-" } else { "" };
                Value::str(match name {
                    "hex" => format!("{sign}{size:#x}"),
                    "oct" => format!("{sign}{size:#o}"),
                    _ => format!("{sign}{size:#b}"),
                })
            }),
            ("bytes", [Value::Int(_)]) => match integer(&args[0]).map(usize::try_from) {
                Some(Ok(length)) if length <= MOST => Some(Value::Bytes(vec![0; length].into())),
                _ => None,
            },
            _ => self.iterators(place, name, args, offset)?,
        })
    }

    /// The items of an iterable of which the order is not asked for.
    fn unordered(&mut self, place: &Place<'_>, items: &Value, offset: u32) -> Result<Vec<Value>> {
        match items {
            Value::Set(items) | Value::FrozenSet(items) => Ok(items.to_vec()),
            _ => self.iterate(place, items, offset),
        }
    }

    fn length(&mut self, place: &Place<'_>, items: &Value, offset: u32) -> Result<Option<i128>> {
        if matches!(items, Value::Iterator(_)) {
            return Ok(None);
        }
        let length = self.unordered(place, items, offset)?.len();
        Ok(i128::try_from(length).ok())
    }

    fn zip(&mut self, place: &Place<'_>, args: &[Value], offset: u32) -> Result<Value> {
        let lists: Vec<Vec<Value>> = args
            .iter()
            .map(|items| self.iterate(place, items, offset))
            .collect::<Result<_>>()?;
        let length = lists.iter().map(Vec::len).min().unwrap_or(0);
        let row = |index: usize| {
            let row = lists.iter().filter_map(|list| list.get(index).cloned());
            Value::Tuple(row.collect())
        };
        Ok(Value::Iterator((0..length).map(row).collect()))
    }
}

fn enumerate(items: Vec<Value>, first: i128) -> Value {
    let numbered = (first..).zip(items);
    Value::Iterator(
        numbered
            .map(|(index, item)| Value::Tuple([Value::int(index), item].into()))
            .collect(),
    )
}

fn range(bounds: &[Value]) -> Option<Value> {
    let numbers: Vec<i64> = bounds
        .iter()
        .map(|bound| integer(bound).and_then(|int| i64::try_from(int).ok()))
        .collect::<Option<_>>()?;
    match numbers[..] {
        [stop] => Some(Value::Range(0, stop, 1)),
        [start, stop] => Some(Value::Range(start, stop, 1)),
        [start, stop, step] if step != 0 => Some(Value::Range(start, stop, step)),
        _ => None,
    }
}

/// A stable sort, if every two items that meet can be compared.
fn sorted(mut items: Vec<Value>, reverse: bool) -> Option<Value> {
    if reverse {
        items.reverse();
    }
    let mut sorted = merge_sort(items)?;
    if reverse {
        sorted.reverse();
    }
    Some(Value::List(sorted.into()))
}

/// The standard library's sort may panic where the order is not total.
fn merge_sort(items: Vec<Value>) -> Option<Vec<Value>> {
    let mut runs: Vec<Vec<Value>> = items.into_iter().map(|item| vec![item]).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(left) = rest.next() {
            merged.push(match rest.next() {
                Some(right) => merge(left, right)?,
                None => left,
            });
        }
        runs = merged;
    }
    Some(runs.pop().unwrap_or_default())
}

fn merge(left: Vec<Value>, right: Vec<Value>) -> Option<Vec<Value>> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let next = if order(one, other)?.is_le() {
            left.next()
        } else {
            right.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Some(merged)
}

fn extreme(items: &[Value], largest: bool) -> Option<Value> {
    let (first, rest) = items.split_first()?;
    let mut found = first;
    for item in rest {
        let ordering = order(item, found)?;
        if (largest && ordering.is_gt()) || (!largest && ordering.is_lt()) {
            found = item;
        }
    }
    Some(found.clone())
}

fn to_int(value: &Value) -> Option<Value> {
    match value {
        Value::Float(float) if float.is_finite() && float.abs() < 1e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "it fits")]
            let whole = float.trunc() as i64;
            Some(Value::int(i128::from(whole)))
        }
        Value::Str(text) => {
            let text = text.trim_matches(' ');
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok().map(Value::int))?
        }
        _ => integer(value).map(Value::int),
    }
}

fn to_float(value: &Value) -> Option<Value> {
    match value {
        Value::Float(_) => Some(value.clone()),
        Value::Str(text) => {
            let float = match text.to_ascii_lowercase().as_str() {
                "inf" | "+inf" | "infinity" => f64::INFINITY,
                "-inf" | "-infinity" => f64::NEG_INFINITY,
                "nan" => f64::NAN,
                plain => {
                    let digits = |byte: u8| byte.is_ascii_digit() || b".+-e".contains(&byte);
                    plain.bytes().all(digits).then(|| plain.parse().ok())??
                }
            };
            Some(Value::Float(float))
        }
        _ => number::exact_float(integer(value)?).map(Value::Float),
    }
}
