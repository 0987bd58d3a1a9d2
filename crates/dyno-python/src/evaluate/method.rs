//! Methods of strings, bytes and the built-in containers.

use super::number::{equal, integer, key};
use super::template;
use super::{Evaluator, Place, Result};
use crate::Value;
use std::fmt::Write;
use std::sync::Arc;

type Keywords = [(Arc<str>, Value)];

impl Evaluator<'_, '_> {
    /// `object.name(*args, **kwargs)` for a plain value; none where it is not followed.
    pub(crate) fn method(
        &mut self,
        place: &Place<'_>,
        object: &Value,
        name: &str,
        args: &[Value],
        kwargs: &Keywords,
        offset: u32,
    ) -> Result<Option<Value>> {
        Ok(match object {
            Value::Str(text) if name == "format" => {
                template::format_method(text, args, kwargs, self.world.interpreter().version)
                    .map(Value::str)
            }
            _ if !kwargs.is_empty() => None,
            Value::Str(text) if name == "join" => {
                let [items] = args else {
                    return Ok(None);
                };
                let items = self.iterate(place, items, offset)?;
                let parts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                parts.map(|parts| Value::str(parts.join(text)))
            }
            Value::Str(text) => string_method(text, name, args),
            Value::Bytes(bytes) => match (name, args) {
                ("decode", []) => std::str::from_utf8(bytes).ok().map(Value::str),
                ("hex", []) => {
                    let mut digits = String::with_capacity(bytes.len() * 2);
                    for byte in bytes.iter() {
                        let _ = write!(digits, "{byte:02x}");
                    }
                    Some(Value::str(digits))
                }
                _ => None,
            },
            Value::Dict(pairs) => match (name, args) {
                ("items", []) => Some(Value::Iterator(
                    (pairs.iter())
                        .map(|(key, value)| Value::Tuple([key.clone(), value.clone()].into()))
                        .collect(),
                )),
                ("keys", []) => Some(Value::Iterator(
                    pairs.iter().map(|(key, _)| key.clone()).collect(),
                )),
                ("values", []) => Some(Value::Iterator(
                    pairs.iter().map(|(_, value)| value.clone()).collect(),
                )),
                ("copy", []) => Some(object.clone()),
                ("get", [wanted, default @ ..]) if default.len() <= 1 => {
                    let found = key(wanted).map(|wanted| {
                        let mut pairs = pairs.iter();
                        pairs.find(|(name, _)| key(name).as_ref() == Some(&wanted))
                    });
                    found.map(|found| match found {
                        Some((_, value)) => value.clone(),
                        None => default.first().cloned().unwrap_or(Value::None),
                    })
                }
                _ => None,
            },
            Value::List(items) | Value::Tuple(items) => match (name, args) {
                ("copy", []) if matches!(object, Value::List(_)) => Some(object.clone()),
                ("index", [wanted]) => {
                    let mut at = None;
                    for (index, item) in items.iter().enumerate() {
                        match equal(item, wanted) {
                            Some(true) => {
                                at = i128::try_from(index).ok();
                                break;
                            }
                            Some(false) => {}
                            None => break,
                        }
                    }
                    at.map(Value::int)
                }
                ("count", [wanted]) => {
                    let mut count = Some(0);
                    for item in items.iter() {
                        count = match (count, equal(item, wanted)) {
                            (Some(count), Some(same)) => Some(count + i128::from(same)),
                            _ => None,
                        };
                    }
                    count.map(Value::int)
                }
                _ => None,
            },
            _ => None,
        })
    }
}

fn string_method(text: &str, name: &str, args: &[Value]) -> Option<Value> {
    let ascii = text.is_ascii();
    match (name, args) {
        // Case mappings depend on Unicode's version beyond ASCII.
        ("upper", []) if ascii => Some(Value::str(text.to_ascii_uppercase())),
        ("lower" | "casefold", []) if ascii => Some(Value::str(text.to_ascii_lowercase())),
        ("capitalize", []) if ascii => {
            let (first, rest) = text.split_at(text.len().min(1));
            Some(Value::str(
                first.to_ascii_uppercase() + &rest.to_ascii_lowercase(),
            ))
        }
        ("title", []) if ascii => Some(Value::str(title(text))),
        ("swapcase", []) if ascii => Some(Value::str(
            text.chars()
                .map(|one| {
                    if one.is_ascii_uppercase() {
                        one.to_ascii_lowercase()
                    } else {
                        one.to_ascii_uppercase()
                    }
                })
                .collect::<String>(),
        )),
        ("strip" | "lstrip" | "rstrip", []) if ascii => Some(Value::str(strip(text, name, &space))),
        ("strip" | "lstrip" | "rstrip", [Value::Str(set)]) => {
            Some(Value::str(strip(text, name, &|one| set.contains(one))))
        }
        ("split", []) if ascii => {
            let parts = text.split(space).filter(|part| !part.is_empty());
            Some(Value::List(parts.map(Value::str).collect()))
        }
        ("split", [Value::Str(by)]) if !by.is_empty() => {
            Some(Value::List(text.split(&**by).map(Value::str).collect()))
        }
        ("split", [Value::Str(by), most]) if !by.is_empty() => {
            let most = usize::try_from(integer(most)?).ok()?;
            let parts = text.splitn(most.checked_add(1)?, &**by);
            Some(Value::List(parts.map(Value::str).collect()))
        }
        ("splitlines", [])
            if ascii && !text.contains(['\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e']) =>
        {
            Some(Value::List(text.lines().map(Value::str).collect()))
        }
        ("replace", [Value::Str(old), Value::Str(new)]) => {
            (text.len().saturating_mul(new.len() + 1) < 2_000_000)
                .then(|| Value::str(text.replace(&**old, new)))
        }
        ("startswith", [Value::Str(part)]) => Some(Value::Bool(text.starts_with(&**part))),
        ("endswith", [Value::Str(part)]) => Some(Value::Bool(text.ends_with(&**part))),
        ("removeprefix", [Value::Str(part)]) => {
            Some(Value::str(text.strip_prefix(&**part).unwrap_or(text)))
        }
        ("removesuffix", [Value::Str(part)]) => {
            Some(Value::str(text.strip_suffix(&**part).unwrap_or(text)))
        }
        ("zfill", [width]) => {
            let width = usize::try_from(integer(width)?)
                .ok()
                .filter(|&width| width < 10_000)?;
            let missing = width.saturating_sub(text.chars().count());
            let (sign, digits) = match text.chars().next() {
                Some('+' | '-') => text.split_at(1),
                _ => ("", text),
            };
            Some(Value::str(format!("{sign}{}{digits}", "0".repeat(missing))))
        }
        ("encode", []) => Some(Value::Bytes(text.as_bytes().into())),
        ("encode", [Value::Str(coding)]) if ["utf-8", "utf8"].contains(&&**coding) => {
            Some(Value::Bytes(text.as_bytes().into()))
        }
        ("count", [Value::Str(part)]) if !part.is_empty() => {
            i128::try_from(text.matches(&**part).count())
                .ok()
                .map(Value::int)
        }
        ("isdigit" | "isdecimal", []) if ascii => Some(Value::Bool(
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        )),
        ("partition", [Value::Str(by)]) if !by.is_empty() => {
            let parts = match text.split_once(&**by) {
                Some((before, after)) => [before, by, after],
                None => [text, "", ""],
            };
            Some(Value::Tuple(parts.into_iter().map(Value::str).collect()))
        }
        _ => None,
    }
}

/// `str.isspace` of ASCII.
fn space(one: char) -> bool {
    matches!(one, ' ' | '\t'..='\r' | '\x1c'..='\x1f')
}

fn strip<'t>(text: &'t str, name: &str, wanted: &dyn Fn(char) -> bool) -> &'t str {
    match name {
        "lstrip" => text.trim_start_matches(wanted),
        "rstrip" => text.trim_end_matches(wanted),
        _ => text.trim_start_matches(wanted).trim_end_matches(wanted),
    }
}

fn title(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|one| {
            let cased = if inside {
                one.to_ascii_lowercase()
            } else {
                one.to_ascii_uppercase()
            };
            inside = one.is_ascii_alphabetic();
            cased
        })
        .collect()
}
