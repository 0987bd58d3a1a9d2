//! A marker's argument, kept as `repr` gives it, compared with a value of an expression.
//!
//! The comparison is Python's `==`: `1 == True == 1.0`. What is not plainly the `repr` of
//! a literal may compare equal to anything, so pytest is asked about it.

use crate::tree::{Integer, Value};
use crate::verdict::Verdict;

/// From this length on a `repr` may have been shortened in the middle, by whoever
/// recorded it (`reprlib` with `maxstring = maxother = 300`, in `python/dyno`).
const SHORTENED_FROM: usize = 300;

/// Whether the object of that `repr` equals the value.
pub(crate) fn equals(repr: &str, value: &Value) -> Verdict {
    if repr.len() >= SHORTENED_FROM && repr.chars().count() >= SHORTENED_FROM {
        return Verdict::Ask;
    }
    match repr {
        "None" => return Verdict::certain(*value == Value::None),
        "True" => return Verdict::certain(is_number(value, "1")),
        "False" => return Verdict::certain(is_number(value, "0")),
        _ => {}
    }
    let is_whole = |text: &str| Integer::read(text).filter(|read| read.as_str() == text);
    if let Some(number) = is_whole(repr) {
        return Verdict::certain(is_number(value, number.as_str()));
    }
    if let Some(text) = python_text(repr) {
        let same = |expected: &str| text.as_deref() == Some(expected);
        return Verdict::certain(matches!(value, Value::Text(expected) if same(expected.as_str())));
    }
    if let Some(number) = python_float(repr) {
        let whole = number.is_finite() && number.fract() == 0.0;
        // Rust prints every digit of a float, as `int(number)` does in Python.
        let digits = format!("{:.0}", if number == 0.0 { 0.0 } else { number });
        return Verdict::certain(whole && is_number(value, &digits));
    }
    if is_bytes(repr) || is_display(repr) {
        return Verdict::Drop;
    }
    Verdict::Ask
}

fn is_number(value: &Value, digits: &str) -> bool {
    match value {
        Value::Integer(number) => number.as_str() == digits,
        Value::Bool(truth) => digits == if *truth { "1" } else { "0" },
        Value::Text(_) | Value::None => false,
    }
}

/// A float as `repr` writes one: with a point, an exponent, or by name.
fn python_float(repr: &str) -> Option<f64> {
    if matches!(repr, "inf" | "-inf" | "nan") {
        return Some(f64::NAN);
    }
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
    let begins = repr
        .trim_start_matches('-')
        .starts_with(|c: char| c.is_ascii_digit());
    (begins && repr.contains(['.', 'e']) && repr.chars().all(plain))
        .then(|| repr.parse().ok())
        .flatten()
}

/// A list, a dictionary, a set or a tuple, which equals no scalar. A complex number in
/// parentheses may.
fn is_display(repr: &str) -> bool {
    let between = |open, close| repr.starts_with(open) && repr.ends_with(close);
    between('[', ']') || between('{', '}') || (between('(', ')') && !repr.ends_with("j)"))
}

fn is_bytes(repr: &str) -> bool {
    repr.strip_prefix('b')
        .is_some_and(|rest| quoted(rest).is_some())
}

/// What stands between the quotes of one string literal that is all of the text.
fn quoted(repr: &str) -> Option<&str> {
    let quote = repr.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = repr.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return None,
            _ => {}
        }
    }
    (!escaped).then_some(inner)
}

/// The text that a string's `repr` stands for. `Some(None)` is one that cannot be written
/// here, as it holds half a surrogate pair.
#[expect(
    clippy::option_option,
    reason = "no string, and a string beyond Unicode"
)]
fn python_text(repr: &str) -> Option<Option<String>> {
    let inner = quoted(repr)?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        let digits = match rest.next()? {
            'n' => {
                text.push('\n');
                continue;
            }
            'r' => {
                text.push('\r');
                continue;
            }
            't' => {
                text.push('\t');
                continue;
            }
            same @ ('\\' | '\'' | '"') => {
                text.push(same);
                continue;
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return None,
        };
        let code = hexadecimal(&mut rest, digits)?;
        match char::from_u32(code) {
            Some(c) => text.push(c),
            None => return Some(None),
        }
    }
    Some(Some(text))
}

fn hexadecimal(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    let mut code = 0_u32;
    for _ in 0..digits {
        code = code.checked_mul(16)? + chars.next()?.to_digit(16)?;
    }
    Some(code)
}
