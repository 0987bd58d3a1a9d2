//! Iteration: comprehensions, unpacking, what an iterable gives.

use super::{Evaluator, Place, Result};
use crate::Value;
use crate::walk::start;
use ruff_python_ast::{Comprehension, Expr};

impl Evaluator<'_, '_> {
    pub(super) fn comprehend<'e, T>(
        &mut self,
        place: &mut Place<'e>,
        generators: &'e [Comprehension],
        mut each: impl FnMut(&mut Self, &mut Place<'e>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let depth = place.locals.len();
        let hidden = place.hides_class;
        let mut made = Vec::new();
        let result = self.generate(place, generators, hidden, &mut |evaluator, place| {
            let value = each(evaluator, place)?;
            made.push(value);
            Ok(())
        });
        place.locals.truncate(depth);
        place.hides_class = hidden;
        result.map(|()| made)
    }

    pub(super) fn generate<'e>(
        &mut self,
        place: &mut Place<'e>,
        generators: &'e [Comprehension],
        hidden: bool,
        each: &mut dyn FnMut(&mut Self, &mut Place<'e>) -> Result<()>,
    ) -> Result<()> {
        let Some((generator, inner)) = generators.split_first() else {
            return each(self, place);
        };
        let offset = start(&generator.target);
        if generator.is_async {
            return Err(place.reason("an asynchronous comprehension", offset));
        }
        // The first iterable alone is worked out where the comprehension stands.
        let around = place.hides_class;
        place.hides_class = hidden;
        let iterable = self.evaluate(place, &generator.iter);
        place.hides_class = around;
        let items = self.iterate(place, &iterable, start(&generator.iter))?;
        place.hides_class = true;
        let depth = place.locals.len();
        for item in items {
            place.locals.truncate(depth);
            self.unpack(place, &generator.target, item)?;
            let mut kept = true;
            for test in &generator.ifs {
                if !self.holds(place, test)? {
                    kept = false;
                    break;
                }
            }
            if kept {
                self.generate(place, inner, true, each)?;
            }
        }
        place.locals.truncate(depth);
        Ok(())
    }

    /// Binds a target to a value among the locals.
    pub(crate) fn unpack<'e>(
        &mut self,
        place: &mut Place<'e>,
        target: &'e Expr,
        value: Value,
    ) -> Result<()> {
        let elements = match target {
            Expr::Name(name) => {
                place.locals.push((&name.id, value));
                return Ok(());
            }
            Expr::Tuple(tuple) => &tuple.elts,
            Expr::List(list) => &list.elts,
            _ => return Err(place.reason("an assignment that is not followed", start(target))),
        };
        let items = self.iterate(place, &value, start(target))?;
        if items.len() != elements.len() || elements.iter().any(Expr::is_starred_expr) {
            return Err(place.reason("an unpacking that is not followed", start(target)));
        }
        for (element, item) in elements.iter().zip(items) {
            self.unpack(place, element, item)?;
        }
        Ok(())
    }

    /// What iterating gives.
    pub(crate) fn iterate(
        &mut self,
        place: &Place<'_>,
        value: &Value,
        offset: u32,
    ) -> Result<Vec<Value>> {
        let items = match value {
            Value::Tuple(items) | Value::List(items) | Value::Iterator(items) => {
                Some(items.to_vec())
            }
            Value::Set(items) | Value::FrozenSet(items) if items.len() <= 1 => Some(items.to_vec()),
            Value::Set(_) | Value::FrozenSet(_) => {
                return Err(place.reason("the order of a set", offset));
            }
            Value::Range(..) => range_items(value),
            Value::Str(text) => Some(
                text.chars()
                    .map(|one| Value::str(one.to_string()))
                    .collect(),
            ),
            Value::Bytes(bytes) => Some(
                bytes
                    .iter()
                    .map(|&byte| Value::int(i128::from(byte)))
                    .collect(),
            ),
            Value::Dict(pairs) => Some(pairs.iter().map(|(key, _)| key.clone()).collect()),
            Value::Instance(instance) if instance.is_tuple => Some(
                instance
                    .fields
                    .iter()
                    .map(|(_, value)| value.clone())
                    .collect(),
            ),
            Value::Class(class) => {
                let members = self.enum_members(class)?;
                let mut items: Vec<Value> = Vec::new();
                for (name, value) in members {
                    // An alias is not iterated over.
                    if matches!(&value, Value::EnumMember(member) if member.name == name) {
                        items.push(value);
                    }
                }
                Some(items)
            }
            Value::Unknown(reason) => return Err(reason.clone()),
            _ => None,
        };
        let items =
            items.ok_or_else(|| place.reason("iterates over something not settled", offset))?;
        if !self.spend(items.len()) {
            return Err(place.reason("takes too long to work out", offset));
        }
        Ok(items)
    }
}

/// The numbers of a range, if they are not too many.
pub(crate) fn range_items(value: &Value) -> Option<Vec<Value>> {
    let Value::Range(start, stop, step) = *value else {
        return None;
    };
    let mut items = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        items.push(Value::int(i128::from(at)));
        if items.len() > 100_000 {
            return None;
        }
        at = at.checked_add(step)?;
    }
    Some(items)
}
