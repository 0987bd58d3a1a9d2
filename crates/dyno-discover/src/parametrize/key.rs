//! `ParamValueKey`: which values of a parameter pytest holds to be the same.
//!
//! Up to 9.1 two values were the same when they stood at the same index; 9.2 compares them
//! if they can be hashed, and their types (#8914). Keys are text: equal when pytest's are.

use super::external::name_of;
use dyno_python::Value;
use std::fmt::Write;

/// How deep tuples are looked into.
const DEPTH: usize = 30;

/// What the value is to the order of tests.
pub(super) enum Key {
    /// Itself.
    Value(String),
    /// Its index, since it cannot be hashed.
    Index,
    /// Not known.
    Unknown,
}

/// The key of a value, by the rules of 9.2.
pub(super) fn key(value: &Value) -> Key {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Complex(..) => "complex",
        Value::FrozenSet(_) => "frozenset",
        // A member of an enum is equal only to itself, and to what else it is.
        Value::EnumMember(_) => "enum",
        _ => "",
    };
    let mut text = format!("{kind}:");
    if let Value::EnumMember(member) = value {
        let class = &member.class;
        let _ = write!(
            text,
            "{}:{}:{}",
            class.module.file, class.offset, member.name
        );
        return Key::Value(text);
    }
    match append(&mut text, value, DEPTH) {
        Appended::Yes => Key::Value(text),
        Appended::Unhashable => Key::Index,
        Appended::Unknown => Key::Unknown,
    }
}

enum Appended {
    Yes,
    Unhashable,
    Unknown,
}

/// Appends what makes a value equal to others by `==`.
fn append(text: &mut String, value: &Value, depth: usize) -> Appended {
    // Writing into a string does not fail.
    let _ = match value {
        Value::None => text.write_str("None"),
        Value::Ellipsis => text.write_str("..."),
        Value::Bool(truth) => write!(text, "n{}", u8::from(*truth)),
        Value::Int(digits) => write!(text, "n{digits}"),
        Value::Float(number) => return float(text, *number),
        Value::Complex(real, imaginary) if *imaginary == 0.0 => return float(text, *real),
        Value::Complex(real, imaginary) if !real.is_nan() && !imaginary.is_nan() => {
            write!(text, "c{:?},{:?}", real + 0.0, imaginary + 0.0)
        }
        Value::Str(content) => write!(text, "s{content:?}"),
        Value::Bytes(content) => write!(text, "b{content:?}"),
        Value::Tuple(items) if depth > 0 => {
            text.push('(');
            for item in items.iter() {
                match append(text, item, depth - 1) {
                    Appended::Yes => text.push(','),
                    other => return other,
                }
            }
            text.write_str(")")
        }
        Value::Class(class) => write!(text, "C{}:{}", class.module.file, class.offset),
        // One lambda of the text may be many at run time.
        Value::Function(function) if &*function.name == "<lambda>" => return Appended::Unknown,
        Value::Function(function) => {
            write!(text, "f{}:{}", function.module.file, function.offset)
        }
        Value::EnumMember(member) => match &member.mixed_in {
            Some(mixed_in) if depth > 0 => return append(text, mixed_in, depth - 1),
            Some(_) => return Appended::Unknown,
            None => {
                let class = &member.class;
                write!(
                    text,
                    "e{}:{}:{}",
                    class.module.file, class.offset, member.name
                )
            }
        },
        // Stands in an empty set of parameters; a member of an enum, equal to itself.
        Value::External(name) if &**name == "pytest.NOTSET" => text.write_str("NOTSET"),
        // A type of the language under its own name.
        Value::External(name) if name.starts_with("builtins.") && name_of(name).is_some() => {
            write!(text, "x{name}")
        }
        Value::List(_) | Value::Set(_) | Value::Dict(_) => return Appended::Unhashable,
        _ => return Appended::Unknown,
    };
    Appended::Yes
}

/// A float equals the integer of its value; one that is no number equals nothing, but the
/// same object is itself.
fn float(text: &mut String, number: f64) -> Appended {
    if number.is_nan() {
        return Appended::Unknown;
    }
    let _ = if number.fract() == 0.0 && number.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        let whole = number as i64;
        write!(text, "n{whole}")
    } else if number.is_finite() && number.fract() == 0.0 {
        // Larger than any integer that would be compared by its digits here.
        return Appended::Unknown;
    } else {
        write!(text, "d{number:?}")
    };
    Appended::Yes
}
