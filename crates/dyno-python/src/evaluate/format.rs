//! `format()`, `%` and `str.format` for strings and numbers, as far as they are followed.

use super::number::integer;
use crate::Value;
use crate::text::{python_repr, python_str};
use std::fmt::Write;

/// How wide a field may be.
const WIDEST: usize = 10_000;
/// Python refuses to convert longer integers to text (`sys.int_info.default_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// The decimal digits of an integer literal that does not fit 64 bits.
pub(crate) fn big_integer(written: &str) -> Option<String> {
    let written = written.replace('_', "").to_ascii_lowercase();
    let (radix, digits) = match written.get(..2) {
        Some("0x") => (16, &written[2..]),
        Some("0o") => (8, &written[2..]),
        Some("0b") => (2, &written[2..]),
        _ => {
            let digits = written.trim_start_matches('0');
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            return (plain && digits.len() <= MOST_DIGITS).then(|| digits.to_owned());
        }
    };
    if digits.len() > MOST_DIGITS {
        return None;
    }
    // Limbs of nine decimal digits, lowest first.
    let mut limbs: Vec<u64> = vec![0];
    for digit in digits.chars() {
        let mut carry = u64::from(digit.to_digit(radix)?);
        for limb in &mut limbs {
            let now = *limb * u64::from(radix) + carry;
            *limb = now % 1_000_000_000;
            carry = now / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut text = limbs.pop()?.to_string();
    for limb in limbs.iter().rev() {
        write!(text, "{limb:09}").ok()?;
    }
    (text.len() <= MOST_DIGITS).then_some(text)
}

/// What an f-string's `{value!conversion:specification}` gives.
pub(crate) fn formatted(
    value: &Value,
    conversion: Option<char>,
    specification: &str,
    version: (u32, u32),
) -> Option<String> {
    match conversion {
        Some('s') => padded(&Value::str(python_str(value)?), specification),
        Some('r') => padded(&Value::str(python_repr(value)?), specification),
        Some('a') => {
            let text = python_repr(value).filter(|text| text.is_ascii())?;
            padded(&Value::str(text), specification)
        }
        Some(_) => None,
        None => {
            // `format()` of a member with a mixed-in type changed with 3.12 (3.11 for
            // those that `enum` itself mixes): only what all versions agree on.
            if let Value::EnumMember(member) = value
                && member.mixed_in.is_some()
                && (version < (3, 12) || !specification.is_empty())
            {
                return None;
            }
            if specification.is_empty() {
                return python_str(value);
            }
            padded(value, specification)
        }
    }
}

struct Specification {
    fill: char,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    comma: bool,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
fn parse(text: &str) -> Option<Specification> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let is_align = |one: Option<&char>| one.is_some_and(|one| "<>^=".contains(*one));
    let mut specification = Specification {
        fill: ' ',
        align: None,
        sign: None,
        alternate: false,
        width: 0,
        comma: false,
        precision: None,
        kind: None,
    };
    if is_align(chars.get(1)) {
        specification.fill = *chars.first()?;
        specification.align = chars.get(1).copied();
        at = 2;
    } else if is_align(chars.first()) {
        specification.align = chars.first().copied();
        at = 1;
    }
    let mut next = |wanted: &dyn Fn(char) -> bool| -> Option<char> {
        let one = chars.get(at).copied().filter(|one| wanted(*one))?;
        at += 1;
        Some(one)
    };
    specification.sign = next(&|one| "+- ".contains(one));
    specification.alternate = next(&|one| one == '#').is_some();
    if next(&|one| one == '0').is_some() {
        // Beside an alignment, a zero means different things to `format` and to `%`.
        specification.align.is_none().then_some(())?;
        specification.fill = '0';
        specification.align = Some('=');
    }
    while let Some(digit) = next(&|one| one.is_ascii_digit()) {
        specification.width =
            specification.width * 10 + usize::try_from(digit.to_digit(10)?).ok()?;
        (specification.width <= WIDEST).then_some(())?;
    }
    specification.comma = next(&|one| one == ',').is_some();
    if next(&|one| one == '.').is_some() {
        let mut precision = 0;
        let mut any = false;
        while let Some(digit) = next(&|one| one.is_ascii_digit()) {
            any = true;
            precision = precision * 10 + usize::try_from(digit.to_digit(10)?).ok()?;
            (precision <= 300).then_some(())?;
        }
        any.then_some(())?;
        specification.precision = Some(precision);
    }
    specification.kind = next(&|one| one.is_ascii_alphabetic() || one == '%');
    (at == chars.len()).then_some(specification)
}

/// `format(value, specification)`.
pub(crate) fn padded(value: &Value, specification: &str) -> Option<String> {
    if specification.is_empty() {
        return python_str(value);
    }
    let parsed = parse(specification)?;
    match value {
        Value::Str(text) => {
            if !matches!(parsed.kind, None | Some('s'))
                || parsed.sign.is_some()
                || parsed.alternate
                || parsed.comma
            {
                return None;
            }
            let mut text = text.to_string();
            if let Some(most) = parsed.precision {
                text = text.chars().take(most).collect();
            }
            match parsed.align {
                // `=` is an error for strings, but `0` before the width means `<` since 3.10.
                Some('=') if !specification.starts_with('0') => None,
                Some('=') => Some(fill("", &text, '<', parsed.fill, parsed.width)),
                align => Some(fill(
                    "",
                    &text,
                    align.unwrap_or('<'),
                    parsed.fill,
                    parsed.width,
                )),
            }
        }
        Value::Int(_) => match parsed.kind {
            None | Some('d' | 'x' | 'X' | 'o' | 'b') => integer_text(integer(value)?, &parsed),
            Some('f' | 'F' | 'e' | '%') => {
                float_text(super::number::exact_float(integer(value)?)?, &parsed)
            }
            _ => None,
        },
        Value::Float(float) if matches!(parsed.kind, Some('f' | 'F' | '%' | 'e')) => {
            float_text(*float, &parsed)
        }
        _ => None,
    }
}

fn integer_text(int: i128, parsed: &Specification) -> Option<String> {
    if parsed.precision.is_some() {
        return None;
    }
    let size = int.unsigned_abs();
    let (prefix, mut digits) = match parsed.kind {
        Some('x') => ("0x", format!("{size:x}")),
        Some('X') => ("0X", format!("{size:X}")),
        Some('o') => ("0o", format!("{size:o}")),
        Some('b') => ("0b", format!("{size:b}")),
        _ => ("", size.to_string()),
    };
    if parsed.comma {
        // Zeros that fill up are grouped too, which is not followed here.
        let plain = matches!(parsed.kind, None | Some('d')) && parsed.align != Some('=');
        plain.then_some(())?;
        digits = grouped(&digits);
    }
    let mut lead = sign(int < 0, parsed).to_owned();
    if parsed.alternate {
        lead.push_str(prefix);
    }
    Some(numeric(&lead, &digits, parsed))
}

fn float_text(float: f64, parsed: &Specification) -> Option<String> {
    if !float.is_finite() || parsed.alternate {
        return None;
    }
    let precision = parsed.precision.unwrap_or(6);
    let size = float.abs();
    let mut digits = match parsed.kind {
        Some('%') => {
            let hundredfold = size * 100.0;
            format!("{hundredfold:.precision$}%")
        }
        Some('e') => {
            let text = format!("{size:.precision$e}");
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{size:.precision$}"),
    };
    if parsed.comma {
        (parsed.align != Some('=') && parsed.kind != Some('e')).then_some(())?;
        let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        digits = grouped(whole) + rest;
    }
    Some(numeric(
        sign(float.is_sign_negative(), parsed),
        &digits,
        parsed,
    ))
}

fn sign(negative: bool, parsed: &Specification) -> &'static str {
    match (negative, parsed.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        (false, _) => "",
    }
}

fn numeric(lead: &str, digits: &str, parsed: &Specification) -> String {
    fill(
        lead,
        digits,
        parsed.align.unwrap_or('>'),
        parsed.fill,
        parsed.width,
    )
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn fill(lead: &str, text: &str, align: char, with: char, width: usize) -> String {
    let missing = width.saturating_sub(lead.chars().count() + text.chars().count());
    let pad = |count: usize| -> String { std::iter::repeat_n(with, count).collect() };
    match align {
        '<' => format!("{lead}{text}{}", pad(missing)),
        '^' => format!(
            "{}{lead}{text}{}",
            pad(missing / 2),
            pad(missing - missing / 2)
        ),
        '=' => format!("{lead}{}{text}", pad(missing)),
        _ => format!("{}{lead}{text}", pad(missing)),
    }
}
