//! `ParameterSet`: the rows of one `parametrize`.

use super::trouble::Trouble;
use super::value_id::Naming;
use crate::mark::{Mark, MarkList};
use crate::rules::EmptySet;
use dyno_python::{Call, Reason, Value};
use std::sync::Arc;

/// More tests of one file are not listed, nor more rows of one call.
pub(super) const MOST: usize = 200_000;

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// A value for each argument; absent in the row that stands for an empty set.
    pub(super) values: Vec<Option<Value>>,
    pub(super) id: RowId,
    pub(super) marks: MarkList,
}

/// `pytest.param(id=...)`.
#[derive(Debug)]
pub(super) enum RowId {
    None,
    Text(Arc<str>),
    Hidden,
}

/// The argument names, and whether each row is the value of a single one.
pub(super) fn argnames(
    naming: &Naming<'_>,
    value: &Value,
) -> Result<(Vec<Arc<str>>, bool), Trouble> {
    let unsettled = || Trouble::rows(naming.place.reason("argument names that are computed"));
    match value {
        Value::Str(text) => {
            let trimmed = |part: &str| strip(part).to_owned();
            let names: Vec<Arc<str>> = (text.split(',').map(trimmed))
                .filter(|name| !name.is_empty())
                .map(Arc::from)
                .collect();
            // 9.1 takes "arg," for a tuple of one (#719).
            let comma = naming.rules.since(9, 1) && strip(text).ends_with(',');
            let single = names.len() == 1 && !comma;
            Ok((names, single))
        }
        Value::List(items) | Value::Tuple(items) => {
            let name = |item: &Value| match item {
                Value::Str(name) => Ok(name.clone()),
                Value::Unknown(reason) => Err(Trouble::rows(reason.clone())),
                _ => Err(unsettled()),
            };
            Ok((items.iter().map(name).collect::<Result<_, _>>()?, false))
        }
        Value::Unknown(reason) => Err(Trouble::rows(reason.clone())),
        _ => Err(unsettled()),
    }
}

/// `str.strip`: Python counts four control characters as white space that Rust does not.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}

/// What iterating over a value gives.
pub(super) fn iterate(naming: &Naming<'_>, value: &Value) -> Result<Arc<[Value]>, Reason> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Iterator(items) => Ok(items.clone()),
        Value::Set(items) | Value::FrozenSet(items) if items.len() < 2 => Ok(items.clone()),
        Value::Set(_) | Value::FrozenSet(_) => Err(naming
            .place
            .reason("iterates over a set, which has no order")),
        Value::Dict(pairs) => Ok(pairs.iter().map(|(key, _)| key.clone()).collect()),
        Value::Str(text) => Ok(text.chars().map(|c| Value::str(c.to_string())).collect()),
        Value::Bytes(bytes) => Ok(bytes.iter().map(|&b| Value::int(b.into())).collect()),
        Value::Range(first, end, step) => range(*first, *end, *step)
            .ok_or_else(|| naming.place.reason("iterates over a very long range")),
        Value::Unknown(reason) => Err(reason.clone()),
        other => naming.objects.iterate(other),
    }
}

fn range(first: i64, end: i64, step: i64) -> Option<Arc<[Value]>> {
    let mut items = Vec::new();
    let mut next = i128::from(first);
    while step != 0
        && (if step > 0 {
            next < end.into()
        } else {
            next > end.into()
        })
    {
        if items.len() >= MOST {
            return None;
        }
        items.push(Value::int(next));
        next += i128::from(step);
    }
    Some(items.into())
}

/// The rows that a list of values makes.
pub(super) fn rows(
    naming: &Naming<'_>,
    argnames: &[Arc<str>],
    single: bool,
    values: &Value,
) -> Result<Vec<Row>, Trouble> {
    let items = iterate(naming, values).map_err(Trouble::rows)?;
    if items.is_empty() {
        return empty(naming, argnames).map(|row| vec![row]);
    }
    let row = |item| row(naming, argnames, single, item);
    items.iter().map(row).collect()
}

fn row(
    naming: &Naming<'_>,
    argnames: &[Arc<str>],
    single: bool,
    item: &Value,
) -> Result<Row, Trouble> {
    let (values, id, marks) = match item {
        Value::Call(call) if is_param(call) => param(naming, call)?,
        item if may_be_param(item) => {
            return Err(Trouble::rows(match item.first_unknown() {
                Some(reason) => reason.clone(),
                None => naming
                    .place
                    .reason("a row that only running the code would tell"),
            }));
        }
        item if single => (vec![item.clone()], RowId::None, MarkList::default()),
        item => (sequence(naming, item)?, RowId::None, MarkList::default()),
    };
    if values.len() != argnames.len() {
        let what = format!("{} names and {} values", argnames.len(), values.len());
        return Err(Trouble::Fails(naming.place.reason(what)));
    }
    Ok(Row {
        values: values.into_iter().map(Some).collect(),
        id,
        marks,
    })
}

/// Whether a value may turn out to be what `pytest.param` makes, with an id and marks of its
/// own: pytest's plugins make such, other libraries do not.
fn may_be_param(value: &Value) -> bool {
    let of_pytest = |name: &str| name.starts_with("pytest") || name.starts_with("_pytest");
    match value {
        Value::Unknown(_) => true,
        Value::Attribute(of) => may_be_param(&of.0),
        Value::Call(call) => may_be_param(&call.function),
        Value::External(name) => of_pytest(name),
        _ => false,
    }
}

/// The values of a row for several arguments, which must have a length.
fn sequence(naming: &Naming<'_>, item: &Value) -> Result<Vec<Value>, Trouble> {
    match item {
        Value::Instance(instance) if instance.is_tuple => Ok((instance.fields.iter())
            .map(|(_, value)| value.clone())
            .collect()),
        Value::List(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Range(..) => {
            let items = iterate(naming, item).map_err(Trouble::ids)?;
            Ok(items.to_vec())
        }
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Ellipsis => {
            let what = "a row that is no sequence, for several arguments";
            Err(Trouble::Fails(naming.place.reason(what)))
        }
        _ => Err(Trouble::rows(
            naming
                .place
                .reason("a row that only running the code would tell"),
        )),
    }
}

fn is_param(call: &Call) -> bool {
    matches!(&call.function, Value::External(name) if &**name == "pytest.param")
}

/// `ParameterSet.param`.
fn param(naming: &Naming<'_>, call: &Call) -> Result<(Vec<Value>, RowId, MarkList), Trouble> {
    if let Some(reason) = &call.more {
        return Err(Trouble::rows(reason.clone()));
    }
    let fails = |what: &str| Err(Trouble::Fails(naming.place.reason(what)));
    let (mut id, mut marks) = (RowId::None, MarkList::default());
    for (name, value) in &call.kwargs {
        match (&**name, value) {
            ("id", Value::None) => {}
            ("id", Value::Str(text)) => id = RowId::Text(text.clone()),
            ("id", Value::External(name)) if &**name == "pytest.HIDDEN_PARAM" => {
                id = RowId::Hidden;
            }
            ("id", Value::EnumMember(member)) => match &member.mixed_in {
                Some(Value::Str(text)) => id = RowId::Text(text.clone()),
                _ => return fails("an id that is no string"),
            },
            ("id", Value::Unknown(reason)) => return Err(Trouble::rows(reason.clone())),
            ("id", Value::Call(_) | Value::Attribute(_) | Value::External(_)) => {
                return Err(Trouble::rows(naming.place.reason("an id that is computed")));
            }
            ("id", _) => return fails("an id that is no string"),
            ("marks", value) => marks = MarkList::of_row(value, naming.place),
            _ => return fails("`pytest.param` has no such argument"),
        }
    }
    if let Some(reason) = marks.broken {
        return Err(Trouble::Fails(reason));
    }
    // 8.4 forbids what never had an effect.
    let uses = |mark: &Mark| &*mark.name == "usefixtures";
    if naming.rules.since(8, 4) && marks.marks.iter().any(uses) {
        return fails("`pytest.param` with `usefixtures`");
    }
    Ok((call.args.clone(), id, marks))
}

/// The row that stands for an empty set.
fn empty(naming: &Naming<'_>, argnames: &[Arc<str>]) -> Result<Row, Trouble> {
    // 8.4 shortened the reason, which told file and line before, and named the row.
    let recent = naming.rules.since(8, 4);
    let reason = if recent {
        Value::str(format!(
            "got empty parameter set for ({})",
            argnames.join(", ")
        ))
    } else {
        Value::Unknown(
            naming
                .place
                .reason("the reason of an empty set tells a path"),
        )
    };
    let mut kwargs = vec![(Arc::from("reason"), reason)];
    let name = match naming.rules.empty_set {
        EmptySet::Skip => "skip",
        EmptySet::Xfail => {
            kwargs.push((Arc::from("run"), Value::Bool(false)));
            "xfail"
        }
        EmptySet::FailAtCollect => {
            let what = "an empty set of parameters, which `empty_parameter_set_mark` forbids";
            return Err(Trouble::Fails(naming.place.reason(what)));
        }
    };
    let mark = Mark {
        name: name.into(),
        args: Vec::new(),
        kwargs,
        more: None,
        place: naming.place.clone(),
    };
    Ok(Row {
        values: argnames.iter().map(|_| None).collect(),
        id: if recent {
            RowId::Text("NOTSET".into())
        } else {
            RowId::None
        },
        marks: MarkList {
            marks: vec![mark],
            ..MarkList::default()
        },
    })
}
