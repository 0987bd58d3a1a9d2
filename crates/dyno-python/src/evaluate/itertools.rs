//! `itertools`.

use super::builtin::MOST;
use super::number::integer;
use super::{Evaluator, Place, Result};
use crate::Value;

impl Evaluator<'_, '_> {
    pub(super) fn iterators(
        &mut self,
        place: &Place<'_>,
        name: &str,
        args: &[Value],
        offset: u32,
    ) -> Result<Option<Value>> {
        let size = |value: &Value| integer(value).and_then(|size| usize::try_from(size).ok());
        Ok(match (name, args) {
            ("itertools.product", _) => {
                let pools: Vec<Vec<Value>> = args
                    .iter()
                    .map(|items| self.iterate(place, items, offset))
                    .collect::<Result<_>>()?;
                product(&pools).map(tuples)
            }
            ("itertools.chain", _) => {
                let mut all = Vec::new();
                for items in args {
                    all.extend(self.iterate(place, items, offset)?);
                }
                Some(Value::Iterator(all.into()))
            }
            ("itertools.chain.from_iterable", [lists]) => {
                let mut all = Vec::new();
                for items in self.iterate(place, lists, offset)? {
                    all.extend(self.iterate(place, &items, offset)?);
                }
                Some(Value::Iterator(all.into()))
            }
            ("itertools.repeat", [value, times]) => size(times)
                .filter(|&times| times <= MOST)
                .map(|times| Value::Iterator(std::iter::repeat_n(value.clone(), times).collect())),
            ("itertools.islice", [items, stop]) => match size(stop) {
                Some(stop) => {
                    let items = self.iterate(place, items, offset)?;
                    Some(Value::Iterator(items.into_iter().take(stop).collect()))
                }
                None => None,
            },
            ("itertools.combinations" | "itertools.permutations", [items, length]) => {
                let items = self.iterate(place, items, offset)?;
                let ordered = name.ends_with("permutations");
                size(length).and_then(|length| arrangements(&items, length, ordered).map(tuples))
            }
            ("itertools.permutations", [items]) => {
                let items = self.iterate(place, items, offset)?;
                arrangements(&items, items.len(), true).map(tuples)
            }
            _ => None,
        })
    }
}

pub(super) fn tuples(rows: Vec<Vec<Value>>) -> Value {
    Value::Iterator(
        rows.into_iter()
            .map(|row| Value::Tuple(row.into()))
            .collect(),
    )
}

pub(super) fn product(pools: &[Vec<Value>]) -> Option<Vec<Vec<Value>>> {
    let mut rows = vec![Vec::new()];
    for pool in pools {
        (rows.len().checked_mul(pool.len())? <= MOST).then_some(())?;
        rows = rows
            .iter()
            .flat_map(|row| {
                pool.iter().map(move |item| {
                    let mut longer = row.clone();
                    longer.push(item.clone());
                    longer
                })
            })
            .collect();
    }
    Some(rows)
}

/// Permutations or combinations, in the order of `itertools`.
fn arrangements(items: &[Value], length: usize, ordered: bool) -> Option<Vec<Vec<Value>>> {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    if length > items.len() {
        return Some(Vec::new());
    }
    for _ in 0..length {
        let mut longer = Vec::new();
        for row in &rows {
            let first = if ordered {
                0
            } else {
                row.last().map_or(0, |last| last + 1)
            };
            for index in first..items.len() {
                if !row.contains(&index) {
                    let mut next = row.clone();
                    next.push(index);
                    longer.push(next);
                }
            }
            (longer.len() <= MOST).then_some(())?;
        }
        rows = longer;
    }
    let take = |row: Vec<usize>| {
        row.into_iter()
            .filter_map(|at| items.get(at).cloned())
            .collect()
    };
    Some(rows.into_iter().map(take).collect())
}
