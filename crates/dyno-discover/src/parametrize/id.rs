//! `IdMaker`: what stands in brackets for each row of one `parametrize`.

use super::rows::{Row, RowId};
use super::trouble::Trouble;
use super::value_id::Naming;
use crate::rules::LongStrings;
use dyno_python::{Value, python_repr, python_str};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Longer strings are named by the configured strategy since 9.2.
const LONG: usize = 100;

/// The argument `ids`.
#[derive(Debug)]
pub(super) enum Ids {
    /// None given.
    None,
    /// One for each row.
    List(Arc<[Value]>),
    /// Called with each value.
    Function(Value),
}

/// The ids of all rows, made unique; absent where a row hides its own.
pub(super) fn make_ids(
    naming: &Naming<'_>,
    argnames: &[Arc<str>],
    rows: &[Row],
    ids: &Ids,
) -> Result<Vec<Option<String>>, Trouble> {
    let mut resolved = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        resolved.push(resolve(naming, argnames, row, ids, index)?);
    }
    make_unique(naming, resolved)
}

/// The ids of a mark whose ids were made before: it takes those for given.
pub(super) fn remake_ids<'r>(
    naming: &Naming<'_>,
    made: &[Option<String>],
    given: impl Fn(usize) -> Option<&'r Arc<str>>,
) -> Result<Vec<Option<String>>, Trouble> {
    let again = |(index, made): (usize, &Option<String>)| match (given(index), made) {
        (_, None) => None,
        (Some(text), _) => Some(row_text(naming, text)),
        (None, Some(made)) => Some(naming.text(made)),
    };
    make_unique(naming, made.iter().enumerate().map(again).collect())
}

/// 8.4 leaves the escaping to the configuration; before, `param()` escaped always.
fn row_text(naming: &Naming<'_>, text: &str) -> String {
    if naming.rules.since(8, 4) {
        naming.text(text)
    } else {
        super::escape::escaped(text)
    }
}

fn resolve(
    naming: &Naming<'_>,
    argnames: &[Arc<str>],
    row: &Row,
    ids: &Ids,
    index: usize,
) -> Result<Option<String>, Trouble> {
    match &row.id {
        RowId::Hidden => return Ok(None),
        RowId::Text(text) => return Ok(Some(row_text(naming, text))),
        RowId::None => {}
    }
    if let Ids::List(list) = ids {
        match list.get(index) {
            None | Some(Value::None) => {}
            Some(Value::External(name)) if &**name == "pytest.HIDDEN_PARAM" => return Ok(None),
            Some(given) => {
                let id = naming.of_value(given)?;
                let fails = || {
                    let what = "`ids` holds what pytest makes no id of";
                    Trouble::Fails(naming.place.reason(what))
                };
                return id.ok_or_else(fails).map(Some);
            }
        }
    }
    let mut parts = Vec::with_capacity(argnames.len());
    for (argname, value) in argnames.iter().zip(row.values.iter()) {
        parts.push(of_argument(naming, argname, value.as_ref(), ids, index)?);
    }
    Ok(Some(parts.join("-")))
}

/// `_idval`.
fn of_argument(
    naming: &Naming<'_>,
    argname: &str,
    value: Option<&Value>,
    ids: &Ids,
    index: usize,
) -> Result<String, Trouble> {
    let by_name = || format!("{argname}{index}");
    let Some(value) = value else {
        // NOTSET, which stands in an empty set of parameters, is a member of an enum.
        return match ids {
            Ids::Function(_) => Err(naming.unknown("`ids` is called for an empty set")),
            _ => Ok(by_name()),
        };
    };
    if let Ids::Function(function) = ids
        && let Some(id) = by_function(naming, function, value)?
    {
        return Ok(id);
    }
    if let Some(reason) = &naming.rules.id_hook {
        return Err(Trouble::ids(reason.clone()));
    }
    if let Some(long) = long_string(naming, value, argname, index)? {
        return Ok(long);
    }
    Ok(naming.of_value(value)?.unwrap_or_else(by_name))
}

/// What a string of more than 100 characters is called; nothing for any other value.
fn long_string(
    naming: &Naming<'_>,
    value: &Value,
    argname: &str,
    index: usize,
) -> Result<Option<String>, Trouble> {
    if let Value::EnumMember(member) = value {
        return match &member.mixed_in {
            Some(text @ (Value::Str(_) | Value::Bytes(_))) => {
                long_string(naming, text, argname, index)
            }
            _ => Ok(None),
        };
    }
    let is_long = match value {
        Value::Str(text) => text.chars().nth(LONG).is_some(),
        Value::Bytes(bytes) => bytes.len() > LONG,
        _ => false,
    };
    match naming.rules.long_strings {
        _ if !is_long => Ok(None),
        LongStrings::Legacy => Ok(None),
        LongStrings::Short => Ok(Some(format!("{argname}{index}"))),
        LongStrings::Sha256 => Err(naming.unknown("a long string that stands as its hash")),
        LongStrings::Disallow => {
            let what = format!("the value of `{argname}` is too long for an id");
            Err(Trouble::Fails(naming.place.reason(what)))
        }
    }
}

/// `_idval_from_function`.
fn by_function(
    naming: &Naming<'_>,
    function: &Value,
    value: &Value,
) -> Result<Option<String>, Trouble> {
    let result = match function {
        Value::External(name) => match &**name {
            "builtins.str" => match value {
                Value::EnumMember(member) => member.text.clone().map(Value::Str),
                _ => python_str(value).map(Value::str).ok_or_else(|| {
                    naming
                        .place
                        .reason("the `str` of what the text does not settle")
                }),
            },
            "builtins.repr" => python_repr(value).map(Value::str).ok_or_else(|| {
                naming
                    .place
                    .reason("the `repr` of what the text does not settle")
            }),
            _ => Ok(naming.objects.call(function, value)),
        },
        _ => Ok(naming.objects.call(function, value)),
    };
    match result {
        Ok(Value::None) => Ok(None),
        Ok(Value::Unknown(reason)) | Err(reason) => Err(Trouble::ids(reason)),
        Ok(id) => naming.of_value(&id),
    }
}

/// Suffixes for ids that several rows have.
fn make_unique(
    naming: &Naming<'_>,
    mut ids: Vec<Option<String>>,
) -> Result<Vec<Option<String>>, Trouble> {
    let mut counts: HashMap<Option<String>, usize> = HashMap::with_capacity(ids.len());
    for id in &ids {
        *counts.entry(id.clone()).or_default() += 1;
    }
    if counts.len() == ids.len() {
        return Ok(ids);
    }
    let fails = |what: &str| Err(Trouble::Fails(naming.place.reason(what)));
    if naming.rules.strict_ids && naming.rules.since(9, 0) {
        return fails("ids that stand twice, which `strict_parametrization_ids` forbids");
    }
    if counts.get(&None).is_some_and(|&count| count > 1) {
        return fails("`HIDDEN_PARAM` stands twice");
    }
    // How often each id stands now, as it is searched for a free one.
    let mut standing: HashMap<String, usize> = HashMap::new();
    for id in ids.iter().flatten() {
        *standing.entry(id.clone()).or_default() += 1;
    }
    let mut suffixes: HashMap<String, usize> = HashMap::new();
    for slot in &mut ids {
        let Some(id) = slot.clone() else { continue };
        if counts.get(slot).is_none_or(|&count| count < 2) {
            continue;
        }
        let underscore = match id.chars().last() {
            Some(last) if last.is_ascii_digit() => "_",
            // `str.isdigit` knows more digits than ASCII's.
            Some(last) if !last.is_ascii() => {
                return Err(naming.unknown("ids that stand twice and do not end in ASCII"));
            }
            _ => "",
        };
        let next = suffixes.entry(id.clone()).or_default();
        let mut new = format!("{id}{underscore}{next}");
        while standing.get(&new).is_some_and(|&count| count > 0) {
            *next += 1;
            new = format!("{id}{underscore}{next}");
        }
        *next += 1;
        if let Some(count) = standing.get_mut(&id) {
            *count -= 1;
        }
        *standing.entry(new.clone()).or_default() += 1;
        *slot = Some(new);
    }
    let different: HashSet<_> = ids.iter().collect();
    if different.len() < ids.len() {
        return fails("ids that pytest cannot make unique");
    }
    Ok(ids)
}
