//! `str()` and `repr()` as Python writes them.

use crate::Value;
use std::fmt::Write;

/// How deeply a value is written out.
const DEPTH: u32 = 50;
/// How long a text may become: nested lists of the same list double at each level.
const LONGEST: usize = 1 << 20;

/// `str(value)`, where it is certain.
pub fn python_str(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_string()),
        Value::EnumMember(member) => member.text.as_ref().ok().map(ToString::to_string),
        other => python_repr(other),
    }
}

/// `repr(value)`, where it is certain.
pub fn python_repr(value: &Value) -> Option<String> {
    let mut text = String::new();
    write_repr(value, &mut text, DEPTH)?;
    Some(text)
}

fn write_repr(value: &Value, text: &mut String, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    (text.len() <= LONGEST).then_some(())?;
    match value {
        Value::None => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Int(digits) => text.push_str(digits),
        Value::Float(float) => text.push_str(&float_repr(*float)),
        Value::Complex(real, imaginary) => text.push_str(&complex_repr(*real, *imaginary)),
        Value::Str(string) => text.push_str(&str_repr(string)?),
        Value::Bytes(bytes) => text.push_str(&bytes_repr(bytes)),
        Value::Ellipsis => text.push_str("Ellipsis"),
        Value::Range(start, stop, 1) => write!(text, "range({start}, {stop})").ok()?,
        Value::Range(start, stop, step) => write!(text, "range({start}, {stop}, {step})").ok()?,
        Value::Tuple(items) => {
            text.push('(');
            write_items(items, text, depth)?;
            text.push_str(if items.len() == 1 { ",)" } else { ")" });
        }
        Value::List(items) => {
            text.push('[');
            write_items(items, text, depth)?;
            text.push(']');
        }
        Value::Set(items) if items.is_empty() => text.push_str("set()"),
        Value::FrozenSet(items) if items.is_empty() => text.push_str("frozenset()"),
        // The order in which a larger set iterates is not the text's to tell.
        Value::Set(items) if items.len() == 1 => {
            text.push('{');
            write_items(items, text, depth)?;
            text.push('}');
        }
        Value::FrozenSet(items) if items.len() == 1 => {
            text.push_str("frozenset({");
            write_items(items, text, depth)?;
            text.push_str("})");
        }
        Value::Dict(pairs) => {
            text.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write_repr(key, text, depth)?;
                text.push_str(": ");
                write_repr(value, text, depth)?;
            }
            text.push('}');
        }
        _ => return None,
    }
    Some(())
}

fn write_items(items: &[Value], text: &mut String, depth: u32) -> Option<()> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write_repr(item, text, depth)?;
    }
    Some(())
}

/// `repr` of a float: the shortest digits that read back as it, with an exponent below
/// `1e-4` and from `1e16` on (`float_repr_style` "short").
pub(crate) fn float_repr(float: f64) -> String {
    float_text(float, true)
}

fn float_text(float: f64, point: bool) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        if point && !plain.contains('.') {
            return plain + ".0";
        }
        return plain;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn complex_repr(real: f64, imaginary: f64) -> String {
    let imaginary_text = float_text(imaginary, false);
    if real == 0.0 && real.is_sign_positive() {
        return imaginary_text + "j";
    }
    let plus = if imaginary_text.starts_with('-') {
        ""
    } else {
        "+"
    };
    format!("({}{plus}{imaginary_text}j)", float_text(real, false))
}

fn quote_of(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

fn str_repr(string: &str) -> Option<String> {
    let quote = quote_of(string.contains('\''), string.contains('"'));
    let mut text = String::with_capacity(string.len() + 2);
    text.push(quote);
    for one in string.chars() {
        match one {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if one == quote => {
                text.push('\\');
                text.push(one);
            }
            _ => match printable(one) {
                Some(true) => text.push(one),
                Some(false) => {
                    let code = u32::from(one);
                    match code {
                        ..=0xff => write!(text, "\\x{code:02x}").ok()?,
                        0x100..=0xffff => write!(text, "\\u{code:04x}").ok()?,
                        _ => write!(text, "\\U{code:08x}").ok()?,
                    }
                }
                None => return None,
            },
        }
    }
    text.push(quote);
    Some(text)
}

/// `str.isprintable`, where every version of Unicode that Python 3.10 to 3.14 carry agrees
/// as far as is known here.
fn printable(one: char) -> Option<bool> {
    let code = u32::from(one);
    match code {
        0x20..=0x7e | 0xa1..=0xac | 0xae..=0x17f => Some(true),
        ..=0xa0 | 0xad => Some(false),
        // Combining marks, general punctuation, currency, arrows, operators, boxes,
        // dingbats, CJK punctuation, pictographs: assigned throughout since Unicode 9.
        0x300..=0x36f
        | 0x2010..=0x2027
        | 0x2030..=0x205e
        | 0x20a0..=0x20bd
        | 0x2190..=0x23fe
        | 0x2500..=0x27bf
        | 0x3001..=0x303f
        | 0x3041..=0x3096
        | 0x30a1..=0x30ff
        | 0x4e00..=0x9fcc
        | 0xac00..=0xd7a3
        | 0xff01..=0xff9f
        | 0x1f300..=0x1f64f => Some(true),
        0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x2064 | 0x3000 | 0xfeff => Some(false),
        // Greek and Cyrillic letters.
        0x391..=0x3a1 | 0x3a3..=0x3ff | 0x400..=0x52f => Some(true),
        _ => None,
    }
}

fn bytes_repr(bytes: &[u8]) -> String {
    let quote = quote_of(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            _ if char::from(byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push(quote);
    text
}
