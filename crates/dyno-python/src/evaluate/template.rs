//! `%` and `str.format`.

use super::format::{formatted, padded};
use super::number::integer;
use crate::Value;
use crate::text::{python_repr, python_str};

/// `template % value`.
pub(crate) fn percent(template: &str, value: &Value) -> Option<String> {
    let mut arguments = match value {
        Value::Tuple(items) => items.to_vec(),
        Value::Dict(_) | Value::List(_) | Value::Instance(_) | Value::Call(_) => return None,
        other => vec![other.clone()],
    }
    .into_iter();
    let mut text = String::new();
    let mut rest = template.chars().peekable();
    while let Some(one) = rest.next() {
        if one != '%' {
            text.push(one);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = rest.next_if(|one| "-+ 0123456789.".contains(*one)) {
            flags.push(flag);
        }
        let kind = rest.next()?;
        if kind == '%' {
            flags.is_empty().then_some(())?;
            text.push('%');
            continue;
        }
        let argument = arguments.next()?;
        text.push_str(&conversion(kind, &flags, &argument)?);
    }
    arguments.next().is_none().then_some(text)
}

fn conversion(kind: char, flags: &str, argument: &Value) -> Option<String> {
    let (left, flags) = match flags.strip_prefix('-') {
        Some(rest) => ("<", rest),
        None => (">", flags),
    };
    match kind {
        's' | 'r' => {
            (!flags.starts_with(['0', '+', ' '])).then_some(())?;
            let text = if kind == 's' {
                python_str(argument)?
            } else {
                python_repr(argument)?
            };
            padded(&Value::str(text), &format!("{left}{flags}"))
        }
        'd' | 'i' | 'u' => {
            let int = Value::int(integer(argument)?);
            (!flags.contains('.')).then_some(())?;
            let zero = left == ">" && flags.starts_with('0');
            let align = if zero { "" } else { left };
            padded(&int, &format!("{align}{flags}"))
        }
        'f' => {
            let float = match argument {
                Value::Float(_) | Value::Int(_) => argument,
                _ => return None,
            };
            let zero = left == ">" && flags.starts_with('0');
            let align = if zero { "" } else { left };
            padded(float, &format!("{align}{flags}f"))
        }
        'x' | 'X' | 'o' if matches!(argument, Value::Int(_)) && !flags.contains('.') => {
            let zero = left == ">" && flags.starts_with('0');
            let align = if zero { "" } else { left };
            padded(argument, &format!("{align}{flags}{kind}"))
        }
        _ => None,
    }
}

/// `template.format(*args, **kwargs)`: plain fields only.
pub(crate) fn format_method(
    template: &str,
    args: &[Value],
    kwargs: &[(std::sync::Arc<str>, Value)],
    version: (u32, u32),
) -> Option<String> {
    let mut text = String::new();
    let mut rest = template.chars().peekable();
    let mut automatic = 0;
    while let Some(one) = rest.next() {
        match one {
            '{' if rest.next_if_eq(&'{').is_some() => text.push('{'),
            '}' => {
                rest.next_if_eq(&'}')?;
                text.push('}');
            }
            '{' => {
                let mut field = String::new();
                loop {
                    match rest.next()? {
                        '}' => break,
                        '{' => return None,
                        inner => field.push(inner),
                    }
                }
                let (name, specification) = field.split_once(':').unwrap_or((&field, ""));
                let (name, conversion) = match name.split_once('!') {
                    Some((name, conversion)) => (name, Some(conversion.chars().next()?)),
                    None => (name, None),
                };
                let value = if name.is_empty() {
                    automatic += 1;
                    args.get(automatic - 1)?
                } else if let Ok(index) = name.parse::<usize>() {
                    (automatic == 0).then_some(())?;
                    args.get(index)?
                } else {
                    let found = kwargs.iter().find(|(key, _)| **key == *name);
                    &found?.1
                };
                text.push_str(&formatted(value, conversion, specification, version)?);
            }
            other => text.push(other),
        }
    }
    Some(text)
}
