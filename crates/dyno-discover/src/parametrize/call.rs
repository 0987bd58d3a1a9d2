//! One call of `Metafunc.parametrize`: by a mark, or for a fixture with `params`.

use super::id::{Ids, make_ids, remake_ids};
use super::rows::{MOST, Row, RowId, argnames, iterate, rows};
use super::trouble::Trouble;
use super::value_id::Naming;
use crate::fixture::{Closure, FixtureDef, FixtureParams};
use crate::mark::{Mark, MarkList};
use dyno_model::Scope;
use dyno_python::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// What one call adds to each test that there is.
#[derive(Debug)]
pub(super) struct Parametrization {
    pub(super) names: Vec<Arc<str>>,
    /// Of each name, whether the test gets the value itself and no fixture does.
    pub(super) direct: Vec<bool>,
    pub(super) scope: Scope,
    pub(super) choices: Vec<Choice>,
}

/// One row, and what stands in brackets for it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) id: Option<String>,
    pub(super) marks: MarkList,
    /// The id that `pytest.param` gave.
    pub(super) given: Option<Arc<str>>,
    /// Absent where a value is not known.
    pub(super) values: Vec<Option<Value>>,
}

/// The arguments of a mark, as Python binds them.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    argnames: Option<&'a Value>,
    argvalues: Option<&'a Value>,
    indirect: Option<&'a Value>,
    ids: Option<&'a Value>,
    scope: Option<&'a Value>,
}

impl<'a> Arguments<'a> {
    pub(super) fn bind(naming: &Naming<'_>, mark: &'a Mark) -> Result<Self, Trouble> {
        if let Some(reason) = &mark.more {
            return Err(Trouble::rows(reason.clone()));
        }
        let mut bound = Self::default();
        let fails = || Trouble::Fails(naming.place.reason("arguments that `parametrize` lacks"));
        // 9.2 takes `indirect`, `ids` and `scope` by keyword only.
        let most = if naming.rules.since(9, 2) { 2 } else { 5 };
        if mark.args.len() > most {
            return Err(fails());
        }
        let order = ["argnames", "argvalues", "indirect", "ids", "scope"];
        let positional = order.into_iter().zip(&mark.args);
        let keywords = mark.kwargs.iter().map(|(name, value)| (&**name, value));
        for (name, value) in positional.chain(keywords) {
            let slot = match name {
                "argnames" => &mut bound.argnames,
                "argvalues" => &mut bound.argvalues,
                "indirect" => &mut bound.indirect,
                "ids" => &mut bound.ids,
                "scope" => &mut bound.scope,
                _ => return Err(fails()),
            };
            if slot.replace(value).is_some() {
                return Err(fails());
            }
        }
        if bound.argnames.is_none() || bound.argvalues.is_none() {
            return Err(fails());
        }
        Ok(bound)
    }

    /// The names, and whether a row is the value of a single one.
    pub(super) fn names(&self, naming: &Naming<'_>) -> Result<(Vec<Arc<str>>, bool), Trouble> {
        argnames(naming, self.argnames.unwrap_or(&Value::None))
    }

    /// `_resolve_args_directness`.
    fn directness(&self, naming: &Naming<'_>, names: &[Arc<str>]) -> Result<Vec<bool>, Trouble> {
        let fails = |what: &str| Err(Trouble::Fails(naming.place.reason(what)));
        let indirect = match self.indirect {
            None | Some(Value::Bool(false)) => return Ok(vec![true; names.len()]),
            Some(Value::Bool(true)) => return Ok(vec![false; names.len()]),
            Some(sequence @ (Value::List(_) | Value::Tuple(_) | Value::Str(_))) => sequence,
            Some(Value::Unknown(reason)) => return Err(Trouble::rows(reason.clone())),
            Some(Value::Call(_) | Value::Attribute(_) | Value::External(_) | Value::Range(..)) => {
                return Err(Trouble::rows(naming.place.reason("`indirect` is computed")));
            }
            Some(_) => return fails("`indirect` is no sequence and no bool"),
        };
        let mut direct = vec![true; names.len()];
        for wanted in iterate(naming, indirect).map_err(Trouble::rows)?.iter() {
            let Value::Str(wanted) = wanted else {
                return Err(Trouble::rows(naming.place.reason("`indirect` is computed")));
            };
            let mut found = false;
            for (name, direct) in names.iter().zip(&mut direct) {
                if name == wanted {
                    (*direct, found) = (false, true);
                }
            }
            if !found {
                return fails("`indirect` names what is not parametrized");
            }
        }
        Ok(direct)
    }

    /// How many names `indirect` holds, which `_infer_parametrize_scope` counts.
    fn all_indirect(&self, naming: &Naming<'_>, names: &[Arc<str>]) -> bool {
        match self.indirect {
            Some(Value::Bool(truth)) => *truth,
            Some(sequence @ (Value::List(_) | Value::Tuple(_) | Value::Str(_))) => {
                iterate(naming, sequence).is_ok_and(|items| items.len() == names.len())
            }
            _ => false,
        }
    }

    /// The names that are no fixtures to this test: `_get_direct_parametrize_args`, which
    /// looks for `indirect` among the keywords only.
    pub(super) fn ignored(
        &self,
        naming: &Naming<'_>,
        mark: &Mark,
    ) -> Result<Vec<Arc<str>>, Trouble> {
        let (names, _) = self.names(naming)?;
        let Some(given) = mark.keyword("indirect") else {
            return Ok(names);
        };
        if !naming.rules.since(9, 1) {
            // Before 9.1, nothing was ignored as soon as anything was indirect.
            return match given {
                Value::Bool(false) => Ok(names),
                Value::Bool(true) => Ok(Vec::new()),
                Value::List(items) | Value::Tuple(items) if items.is_empty() => Ok(names),
                Value::Str(text) if text.is_empty() => Ok(names),
                _ => self.directness(naming, &names).map(|_| Vec::new()),
            };
        }
        let direct = self.directness(naming, &names)?;
        let kept = names.into_iter().zip(direct).filter(|(_, direct)| *direct);
        Ok(kept.map(|(name, _)| name).collect())
    }
}

/// By a mark.
///
/// `is_shared`: other functions, or the same one collected again, use this mark too.
pub(super) fn by_mark(
    naming: &Naming<'_>,
    mark: &Mark,
    closure: &Closure,
    is_shared: bool,
) -> Result<Parametrization, Trouble> {
    let bound = Arguments::bind(naming, mark)?;
    let fails = |what: String| Err(Trouble::Fails(naming.place.reason(what)));
    let (names, single) = bound.names(naming)?;
    let values = bound.argvalues.unwrap_or(&Value::None);
    if is_shared && matches!(values, Value::Iterator(_)) {
        let what = "a mark used more than once, with rows that may be read but once";
        return Err(Trouble::rows(naming.place.reason(what)));
    }
    let rows = rows(naming, &names, single, values)?;
    if let Some(name) = names.iter().find(|name| &***name == "request") {
        return fails(format!("`{name}` cannot be parametrized"));
    }
    let known: HashSet<&Arc<str>> = closure.names.iter().collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return fails(format!("the function does not use `{name}`"));
    }
    let scope = match bound.scope {
        None | Some(Value::None) => inferred(naming, &bound, &names, closure)?,
        Some(Value::Str(name)) => match Scope::from_name(name) {
            Some(scope) => scope,
            None => return fails(format!("no such scope: `{name}`")),
        },
        Some(Value::Unknown(reason)) => return Err(Trouble::rows(reason.clone())),
        Some(_) => return Err(Trouble::rows(naming.place.reason("`scope` is computed"))),
    };
    let direct = bound.directness(naming, &names)?;
    let ids = ids(naming, bound.ids, rows.len())?;
    let made = finish(naming, names, direct, scope, rows, &ids)?;
    if is_shared && bound.ids.is_some() {
        check_reuse(naming, &made)?;
    }
    Ok(made)
}

/// A mark with `ids` keeps what was made of them the first time, and the next function is
/// given those as its `ids`: escaped twice, and numbered anew. Which function came first is
/// not told here, so that it must make no difference.
fn check_reuse(naming: &Naming<'_>, made: &Parametrization) -> Result<(), Trouble> {
    let first: Vec<_> = made
        .choices
        .iter()
        .map(|choice| choice.id.clone())
        .collect();
    let second = remake_ids(naming, &first, |index| {
        made.choices
            .get(index)
            .and_then(|choice| choice.given.as_ref())
    });
    match second {
        Ok(second) if second == first => Ok(()),
        _ => Err(naming.unknown("ids of a mark used more than once, which pytest makes anew")),
    }
}

/// `_infer_parametrize_scope`.
fn inferred(
    naming: &Naming<'_>,
    bound: &Arguments<'_>,
    names: &[Arc<str>],
    closure: &Closure,
) -> Result<Scope, Trouble> {
    if !bound.all_indirect(naming, names) {
        return Ok(Scope::Function);
    }
    let mut narrowest: Option<Scope> = None;
    for definition in names.iter().filter_map(|name| closure.nearest(name)) {
        let scope = definition.scope.clone().map_err(Trouble::ids)?;
        narrowest = Some(narrowest.map_or(scope, |known| known.min(scope)));
    }
    Ok(narrowest.unwrap_or(Scope::Function))
}

/// For a fixture with `params`; nothing where it has none.
pub(super) fn by_fixture(
    naming: &Naming<'_>,
    name: &Arc<str>,
    definition: &FixtureDef,
) -> Result<Option<Parametrization>, Trouble> {
    let scope = || definition.scope.clone().map_err(Trouble::ids);
    let naming = Naming {
        place: &definition.place,
        ..*naming
    };
    let names = vec![name.clone()];
    match &definition.params {
        None => Ok(None),
        Some(FixtureParams::Unknown(reason)) => Err(Trouble::rows(reason.clone())),
        Some(FixtureParams::Ids(ids)) => {
            let choice = |id: &Arc<str>| Choice {
                id: Some(id.to_string()),
                marks: MarkList::default(),
                given: None,
                values: vec![None],
            };
            Ok(Some(Parametrization {
                names,
                direct: vec![false],
                scope: scope()?,
                choices: ids.iter().map(choice).collect(),
            }))
        }
        Some(FixtureParams::Values { values, ids: given }) => {
            if name.contains(',') || name.trim() != &**name {
                // pytest splits it as it does the argument names of a mark.
                let what = "a parametrized fixture of such a name";
                return Err(Trouble::rows(naming.place.reason(what)));
            }
            let rows = rows(&naming, &names, true, values)?;
            let ids = ids(&naming, Some(given), rows.len())?;
            finish(&naming, names, vec![false], scope()?, rows, &ids).map(Some)
        }
    }
}

/// `_resolve_parameter_set_ids`, `_validate_ids`.
fn ids(naming: &Naming<'_>, given: Option<&Value>, count: usize) -> Result<Ids, Trouble> {
    let list = match given {
        None | Some(Value::None) => return Ok(Ids::None),
        Some(function @ (Value::Function(_) | Value::Class(_))) => {
            return Ok(Ids::Function(function.clone()));
        }
        Some(Value::External(name)) if super::external::name_of(name).is_some() => {
            return Ok(Ids::Function(Value::External(name.clone())));
        }
        Some(Value::Unknown(reason)) => return Err(Trouble::ids(reason.clone())),
        Some(
            list @ (Value::List(_)
            | Value::Tuple(_)
            | Value::Str(_)
            | Value::Dict(_)
            | Value::Set(_)
            | Value::FrozenSet(_)
            | Value::Bytes(_)
            | Value::Range(..)),
        ) => iterate(naming, list).map_err(Trouble::ids)?,
        Some(Value::Iterator(items)) if items.len() >= count => items[..count].into(),
        Some(Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
            let what = "`ids` is neither callable nor a list";
            return Err(Trouble::Fails(naming.place.reason(what)));
        }
        Some(_) => return Err(naming.unknown("`ids` that only running the code would tell")),
    };
    if list.len() != count && !list.is_empty() {
        let what = format!("{count} rows and {} ids", list.len());
        return Err(Trouble::Fails(naming.place.reason(what)));
    }
    Ok(Ids::List(list))
}

fn finish(
    naming: &Naming<'_>,
    names: Vec<Arc<str>>,
    direct: Vec<bool>,
    scope: Scope,
    rows: Vec<Row>,
    ids: &Ids,
) -> Result<Parametrization, Trouble> {
    if rows.len() > MOST {
        return Err(Trouble::rows(
            naming.place.reason("too many parameters to list"),
        ));
    }
    let made = match make_ids(naming, &names, &rows, ids) {
        Ok(made) => made,
        // The rows were understood: that there are marks is then known, but not for which.
        Err(Trouble::Unknown { reason, .. }) => {
            let marked = |row: &Row| !row.marks.marks.is_empty() || row.marks.more.is_some();
            let marks = rows.iter().any(marked);
            return Err(Trouble::Unknown { reason, marks });
        }
        Err(fails) => return Err(fails),
    };
    let choices = rows.into_iter().zip(made);
    Ok(Parametrization {
        names,
        direct,
        scope,
        choices: choices
            .map(|(row, id)| Choice {
                id,
                marks: row.marks,
                given: match row.id {
                    RowId::Text(text) => Some(text),
                    RowId::None | RowId::Hidden => None,
                },
                // Only the row that stands for an empty set lacks values.
                values: (row.values.into_iter())
                    .map(|value| value.or_else(|| Some(Value::External("pytest.NOTSET".into()))))
                    .collect(),
            })
            .collect(),
    })
}
