//! `reprlib.Repr().repr(value)` with the limits of `python/dyno/_reports.py`, so that a
//! marker read from the text equals the one that pytest told of.

use dyno_python::{Value, python_repr};

/// `maxlist`, `maxtuple`, `maxdict`, `maxset`.
const ITEMS: usize = 50;
/// `maxstring`, `maxother`.
const CHARACTERS: usize = 300;
/// `maxlong`, reprlib's own.
const DIGITS: usize = 40;
/// `maxlevel`, reprlib's own.
const LEVELS: usize = 6;

/// The shortened `repr`, where it is certain.
pub(super) fn shortened(value: &Value) -> Option<String> {
    at_level(value, LEVELS)
}

fn at_level(value: &Value, level: usize) -> Option<String> {
    match value {
        Value::Str(text) => string(text),
        Value::Int(_) => Some(cut(&python_repr(value)?, DIGITS)),
        Value::Tuple(items) => {
            let right = if items.len() == 1 { ",)" } else { ")" };
            sequence(items, level, "(", right)
        }
        Value::List(items) => sequence(items, level, "[", "]"),
        Value::Dict(pairs) => dictionary(pairs, level),
        // A set is told sorted where its elements can be.
        Value::Set(items) if items.is_empty() => Some("set()".to_owned()),
        Value::Set(items) => sequence(&sorted(items)?, level, "{", "}"),
        Value::FrozenSet(items) if items.is_empty() => Some("frozenset()".to_owned()),
        Value::FrozenSet(items) => sequence(&sorted(items)?, level, "frozenset({", "})"),
        Value::External(name) => builtin_class(name),
        Value::EnumMember(_) | Value::Instance(_) => None,
        other => Some(cut(&python_repr(other)?, CHARACTERS)),
    }
}

/// The `repr` of the built-in exceptions, which is what `raises=` names.
fn builtin_class(name: &str) -> Option<String> {
    let name = name.strip_prefix("builtins.")?;
    let is_exception = ["Error", "Exception", "Warning", "Interrupt", "Exit"]
        .iter()
        .any(|end| name.ends_with(end));
    // These are other names of OSError.
    let is_alias = matches!(name, "IOError" | "EnvironmentError" | "WindowsError");
    (is_exception && !is_alias).then(|| format!("<class '{name}'>"))
}

fn string(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().take(CHARACTERS).collect();
    let head: String = characters.iter().collect();
    let whole = python_repr(&Value::str(head))?;
    if whole.chars().count() <= CHARACTERS {
        return Some(whole);
    }
    // reprlib takes the ends of the whole text, not of what it looked at first.
    let (before, after) = ends(CHARACTERS);
    let start: String = text.chars().take(before).collect();
    let count = text.chars().count();
    let end: String = text.chars().skip(count.saturating_sub(after)).collect();
    Some(cut_always(
        &python_repr(&Value::str(start + &end))?,
        CHARACTERS,
    ))
}

fn ends(limit: usize) -> (usize, usize) {
    let before = (limit - 3) / 2;
    (before, limit - 3 - before)
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        text.to_owned()
    } else {
        cut_always(text, limit)
    }
}

fn cut_always(text: &str, limit: usize) -> String {
    let (before, after) = ends(limit);
    let count = text.chars().count();
    let start = text.chars().take(before);
    let end = text.chars().skip(count.saturating_sub(after));
    start.chain("...".chars()).chain(end).collect()
}

fn sequence(items: &[Value], level: usize, left: &str, right: &str) -> Option<String> {
    if level == 0 && !items.is_empty() {
        // reprlib leaves out the comma of a tuple of one here.
        return Some(format!("{left}...{}", right.trim_start_matches(',')));
    }
    let mut pieces = (items.iter().take(ITEMS))
        .map(|item| at_level(item, level.saturating_sub(1)))
        .collect::<Option<Vec<_>>>()?;
    if items.len() > ITEMS {
        pieces.push("...".to_owned());
    }
    Some(format!("{left}{}{right}", pieces.join(", ")))
}

fn dictionary(pairs: &[(Value, Value)], level: usize) -> Option<String> {
    if pairs.is_empty() {
        return Some("{}".to_owned());
    }
    if level == 0 {
        return Some("{...}".to_owned());
    }
    let keys: Vec<Value> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let order = sorted_order(&keys)?;
    let mut pieces = Vec::new();
    for &index in order.iter().take(ITEMS) {
        let (key, value) = pairs.get(index)?;
        let (key, value) = (at_level(key, level - 1)?, at_level(value, level - 1)?);
        pieces.push(format!("{key}: {value}"));
    }
    if pairs.len() > ITEMS {
        pieces.push("...".to_owned());
    }
    Some(format!("{{{}}}", pieces.join(", ")))
}

fn sorted(items: &[Value]) -> Option<Vec<Value>> {
    let order = sorted_order(items)?;
    Some(
        order
            .into_iter()
            .map(|index| items[index].clone())
            .collect(),
    )
}

/// The order in which `sorted` puts them, where all are strings or all small integers.
fn sorted_order(items: &[Value]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    if items.len() < 2 {
        return Some(order);
    }
    if let Some(texts) = (items.iter().map(Value::as_str)).collect::<Option<Vec<_>>>() {
        order.sort_by_key(|&index| texts[index]);
        return Some(order);
    }
    let number = |item: &Value| match item {
        Value::Int(digits) => digits.parse::<i128>().ok(),
        _ => None,
    };
    let numbers = items.iter().map(number).collect::<Option<Vec<_>>>()?;
    order.sort_by_key(|&index| numbers[index]);
    Some(order)
}
