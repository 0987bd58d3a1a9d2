//! Arithmetic, equality and order of values, as Python's operators have them. Whatever is
//! not exactly what CPython computes is none.

use crate::{Instance, Value};
use ruff_python_ast::{Operator, UnaryOp};
use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

/// Integers up to this are floats without loss: 2**53.
const EXACT: i128 = 1 << 53;
/// How long a repeated sequence or a string may grow.
const LONGEST: usize = 200_000;

enum Number {
    Int(i128),
    Float(f64),
}

/// The integer that a bool or a not too large int is.
pub(crate) fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(truth) => Some(i128::from(*truth)),
        Value::Int(digits) => digits.parse().ok(),
        Value::EnumMember(member) => member.mixed_in.as_ref().and_then(integer),
        _ => None,
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Float(float) => Some(Number::Float(*float)),
        _ => integer(value).map(Number::Int),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is checked that there is none"
)]
pub(crate) fn exact_float(int: i128) -> Option<f64> {
    (int.abs() <= EXACT).then_some(int as f64)
}

/// `op value`; `not` is the caller's.
pub(crate) fn unary(op: UnaryOp, value: &Value) -> Option<Value> {
    match (op, value) {
        (UnaryOp::USub, Value::Float(float)) => Some(Value::Float(-float)),
        (UnaryOp::UAdd, Value::Float(float)) => Some(Value::Float(*float)),
        (UnaryOp::USub, Value::Complex(real, imaginary)) => Some(Value::Complex(-real, -imaginary)),
        // Of any length: the sign alone changes.
        (UnaryOp::USub, Value::Int(digits)) => Some(Value::Int(match digits.strip_prefix('-') {
            Some(rest) => rest.into(),
            None if &**digits == "0" => digits.clone(),
            None => format!("-{digits}").into(),
        })),
        (UnaryOp::UAdd, Value::Int(_)) => Some(value.clone()),
        (_, Value::EnumMember(_)) => None,
        (UnaryOp::USub, _) => integer(value)?.checked_neg().map(Value::int),
        (UnaryOp::UAdd, _) => integer(value).map(Value::int),
        (UnaryOp::Invert, _) => Some(Value::int(!integer(value)?)),
        (UnaryOp::Not, _) => None,
    }
}

/// `left op right`; `%` on strings is the caller's.
pub(crate) fn binary(op: Operator, left: &Value, right: &Value) -> Option<Value> {
    if matches!(
        (left, right),
        (Value::EnumMember(_), _) | (_, Value::EnumMember(_))
    ) {
        return None;
    }
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return match (left, right) {
            (Number::Int(left), Number::Int(right)) => integers(op, left, right),
            (Number::Float(left), Number::Float(right)) => floats(op, left, right),
            (Number::Int(left), Number::Float(right)) => floats(op, exact_float(left)?, right),
            (Number::Float(left), Number::Int(right)) => floats(op, left, exact_float(right)?),
        };
    }
    match (op, left, right) {
        (Operator::Add, Value::Complex(a, b), Value::Complex(c, d)) => {
            Some(Value::Complex(a + c, b + d))
        }
        // A real number has no imaginary part to add since 3.14; before, it adds 0.0, which
        // differs for -0.0 alone.
        (Operator::Add, real, Value::Complex(c, d)) if *d != 0.0 => {
            Some(Value::Complex(real_of(real)? + c, *d))
        }
        (Operator::Sub, real, Value::Complex(c, d)) if *d != 0.0 => {
            Some(Value::Complex(real_of(real)? - c, -d))
        }
        (Operator::Add, Value::Str(left), Value::Str(right)) => {
            (left.len() + right.len() <= LONGEST).then(|| Value::str(format!("{left}{right}")))
        }
        (Operator::Add, Value::Bytes(left), Value::Bytes(right)) => (left.len() + right.len()
            <= LONGEST)
            .then(|| Value::Bytes([&left[..], &right[..]].concat().into())),
        (Operator::Add, Value::List(left), Value::List(right)) => (left.len() + right.len()
            <= LONGEST)
            .then(|| Value::List([&left[..], &right[..]].concat().into())),
        (Operator::Add, Value::Tuple(left), Value::Tuple(right)) => (left.len() + right.len()
            <= LONGEST)
            .then(|| Value::Tuple([&left[..], &right[..]].concat().into())),
        (Operator::Mult, sequence, count) | (Operator::Mult, count, sequence)
            if integer(count).is_some() =>
        {
            repeat(sequence, integer(count)?)
        }
        (Operator::BitOr, Value::Dict(left), Value::Dict(right)) => {
            let mut pairs = left.to_vec();
            pairs.extend(right.iter().cloned());
            dict(pairs)
        }
        (Operator::BitOr, Value::Set(left), Value::Set(right)) => {
            Some(Value::Set(distinct([&left[..], &right[..]].concat())?))
        }
        _ => None,
    }
}

fn real_of(value: &Value) -> Option<f64> {
    match number(value)? {
        Number::Int(int) => exact_float(int),
        Number::Float(float) => Some(float),
    }
}

fn repeat(sequence: &Value, count: i128) -> Option<Value> {
    let count = usize::try_from(count.max(0)).ok()?;
    let fits = |len: usize| len.checked_mul(count).is_some_and(|all| all <= LONGEST);
    match sequence {
        Value::Str(text) => fits(text.len()).then(|| Value::str(text.repeat(count))),
        Value::Bytes(bytes) => fits(bytes.len()).then(|| Value::Bytes(bytes.repeat(count).into())),
        Value::List(items) => fits(items.len()).then(|| Value::List(repeated(items, count))),
        Value::Tuple(items) => fits(items.len()).then(|| Value::Tuple(repeated(items, count))),
        _ => None,
    }
}

fn repeated(items: &[Value], count: usize) -> Arc<[Value]> {
    std::iter::repeat_n(items, count)
        .flatten()
        .cloned()
        .collect()
}

fn integers(op: Operator, left: i128, right: i128) -> Option<Value> {
    let floor = |left: i128, right: i128| {
        let quotient = left.checked_div(right)?;
        let inexact = left.checked_rem(right)? != 0;
        Some(if inexact && (left < 0) != (right < 0) {
            quotient - 1
        } else {
            quotient
        })
    };
    let result = match op {
        Operator::Add => left.checked_add(right)?,
        Operator::Sub => left.checked_sub(right)?,
        Operator::Mult => left.checked_mul(right)?,
        Operator::Div => {
            (right != 0).then_some(())?;
            return Some(Value::Float(exact_float(left)? / exact_float(right)?));
        }
        Operator::FloorDiv => floor(left, right)?,
        Operator::Mod => left.checked_sub(floor(left, right)?.checked_mul(right)?)?,
        Operator::Pow => left.checked_pow(u32::try_from(right).ok()?)?,
        Operator::LShift => {
            let shift = u32::try_from(right).ok().filter(|&shift| shift < 127)?;
            left.checked_mul(1_i128.checked_shl(shift)?)?
        }
        Operator::RShift => left >> u32::try_from(right).ok()?.min(127),
        Operator::BitOr => left | right,
        Operator::BitXor => left ^ right,
        Operator::BitAnd => left & right,
        Operator::MatMult => return None,
    };
    Some(Value::int(result))
}

/// Integer operators on two bools give bools for `&`, `|`, `^`.
pub(crate) fn bools(op: Operator, left: bool, right: bool) -> Option<Value> {
    match op {
        Operator::BitOr => Some(Value::Bool(left | right)),
        Operator::BitAnd => Some(Value::Bool(left & right)),
        Operator::BitXor => Some(Value::Bool(left ^ right)),
        _ => None,
    }
}

fn floats(op: Operator, left: f64, right: f64) -> Option<Value> {
    let result = match op {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Mult => left * right,
        Operator::Div if right != 0.0 => left / right,
        // The others go through the C library, whose last digit is its own.
        _ => return None,
    };
    Some(Value::Float(result))
}

/// `left == right`, where it is certain.
pub(crate) fn equal(left: &Value, right: &Value) -> Option<bool> {
    let (left, right) = (plain(left), plain(right));
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => {
            #[expect(clippy::float_cmp, reason = "Python compares exactly")]
            return Some(left == right);
        }
        (Value::EnumMember(left), Value::EnumMember(right)) => {
            let same = left.class == right.class;
            return Some(same && left.name == right.name);
        }
        (Value::Tuple(left), Value::Tuple(right)) | (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Some(false);
            }
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(left, right)? {
                    return Some(false);
                }
            }
            return Some(true);
        }
        _ => {}
    }
    let (left, right) = (key(left)?, key(right)?);
    Some(left == right)
}

/// What an enum's member compares as, where it is a plain value too.
fn plain(value: &Value) -> &Value {
    match value {
        Value::EnumMember(member) => member.mixed_in.as_ref().unwrap_or(value),
        Value::Instance(_) => value,
        other => other,
    }
}

/// Equal for two hashable values that are equal, different for others.
pub(crate) fn key(value: &Value) -> Option<String> {
    Some(match plain(value) {
        Value::None => "n".to_owned(),
        Value::Ellipsis => "...".to_owned(),
        Value::Bool(truth) => format!("i{}", u8::from(*truth)),
        Value::Int(digits) => format!("i{digits}"),
        Value::Float(float) if float.is_nan() => return None,
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e30 => {
            format!("i{}", if *float == 0.0 { 0.0 } else { *float })
        }
        Value::Float(float) => format!("f{float:e}"),
        Value::Complex(real, imaginary) if *imaginary != 0.0 => format!("c{real:e},{imaginary:e}"),
        Value::Str(text) => format!("s{text}"),
        Value::Bytes(bytes) => format!("b{bytes:?}"),
        Value::Tuple(items) => {
            let mut all = String::from("(");
            for item in items.iter() {
                let item = key(item)?;
                write!(all, "{}:{item},", item.len()).ok()?;
            }
            all
        }
        Value::EnumMember(member) => format!(
            "e{}:{}:{}",
            member.class.module.file, member.class.offset, member.name
        ),
        Value::Class(class) => format!("t{}:{}", class.module.file, class.offset),
        Value::Function(function) => format!("d{}:{}", function.module.file, function.offset),
        _ => return None,
    })
}

/// Without those that are equal to an earlier one.
pub(crate) fn distinct(items: Vec<Value>) -> Option<Arc<[Value]>> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for item in items {
        if seen.insert(key(&item)?) {
            kept.push(item);
        }
    }
    Some(kept.into())
}

/// A dictionary of pairs: an equal key takes the later value and keeps its first place.
pub(crate) fn dict(pairs: Vec<(Value, Value)>) -> Option<Value> {
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let place = *places.entry(key(&name)?).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(pair) => pair.1 = value,
            None => kept.push((name, value)),
        }
    }
    Some(Value::Dict(kept.into()))
}

/// The order of two values, where `<` is certain.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (plain(left), plain(right)) {
        (Value::Str(left), Value::Str(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Tuple(left), Value::Tuple(right)) | (Value::List(left), Value::List(right)) => {
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(left, right)? {
                    return order(left, right);
                }
            }
            Some(left.len().cmp(&right.len()))
        }
        (left, right) => match (number(left)?, number(right)?) {
            (Number::Int(left), Number::Int(right)) => Some(left.cmp(&right)),
            (Number::Float(left), Number::Float(right)) => left.partial_cmp(&right),
            (Number::Int(left), Number::Float(right)) => exact_float(left)?.partial_cmp(&right),
            (Number::Float(left), Number::Int(right)) => left.partial_cmp(&exact_float(right)?),
        },
    }
}

/// `bool(value)`, where it is certain.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    Some(match value {
        Value::None => false,
        Value::Bool(truth) => *truth,
        Value::Int(digits) => &**digits != "0",
        Value::Float(float) => *float != 0.0,
        Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::Tuple(items) | Value::List(items) | Value::Set(items) | Value::FrozenSet(items) => {
            !items.is_empty()
        }
        Value::Dict(pairs) => !pairs.is_empty(),
        Value::Range(start, stop, step) => {
            if *step > 0 {
                start < stop
            } else {
                start > stop
            }
        }
        Value::Ellipsis | Value::Function(_) | Value::Module(_) => true,
        _ => return None,
    })
}

/// Whether something in it could be changed in place.
pub(crate) fn is_mutable(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Set(_) | Value::Dict(_) => true,
        Value::Tuple(items) | Value::FrozenSet(items) => items.iter().any(is_mutable),
        Value::Call(call) => {
            call.args.iter().any(is_mutable)
                || call.kwargs.iter().any(|(_, value)| is_mutable(value))
        }
        Value::Instance(instance) => instance_is_mutable(instance),
        Value::EnumMember(member) => is_mutable(&member.value),
        Value::Attribute(of) => is_mutable(&of.0),
        _ => false,
    }
}

fn instance_is_mutable(instance: &Instance) -> bool {
    !instance.is_tuple || instance.fields.iter().any(|(_, value)| is_mutable(value))
}
