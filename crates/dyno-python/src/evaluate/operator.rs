//! Operators: arithmetic, `and` and `or`, comparisons.

use super::{Evaluator, Place, Result, number, template};
use crate::Value;
use crate::walk::{condition, start};
use crate::world::World;
use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprCompare, Operator, UnaryOp};

impl Evaluator<'_, '_> {
    pub(super) fn junction<'e>(
        &mut self,
        place: &mut Place<'e>,
        op: BoolOp,
        values: &'e [Expr],
    ) -> Result<Value> {
        let mut last = Value::None;
        for (index, expression) in values.iter().enumerate() {
            let value = self.evaluate(place, expression);
            if index + 1 == values.len() {
                return Ok(value);
            }
            if let Value::Unknown(reason) = value {
                return Err(reason);
            }
            let truth = number::truth(&value).ok_or_else(|| {
                place.reason("the truth of something not settled", start(expression))
            })?;
            if truth == (op == BoolOp::Or) {
                return Ok(value);
            }
            last = value;
        }
        Ok(last)
    }

    pub(super) fn compare<'e>(
        &mut self,
        place: &mut Place<'e>,
        compare: &'e ExprCompare,
        whole: &Expr,
    ) -> Result<Value> {
        let full = {
            let world = self.world;
            let module = place.module();
            let name = |name: &str| World::static_name(module, name);
            condition::holds(whole, world.interpreter(), &name)
        };
        if let Some(truth) = full {
            return Ok(Value::Bool(truth));
        }
        let mut left = self.evaluate(place, &compare.left);
        for (op, right) in compare.ops.iter().zip(&compare.comparators) {
            let right = self.evaluate(place, right);
            for side in [&left, &right] {
                if let Value::Unknown(reason) = side {
                    return Err(reason.clone());
                }
            }
            let truth = self.compared(place, *op, &left, &right, start(whole))?;
            if !truth {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    pub(super) fn compared(
        &mut self,
        place: &Place<'_>,
        op: CmpOp,
        left: &Value,
        right: &Value,
        offset: u32,
    ) -> Result<bool> {
        let truth = match op {
            CmpOp::Eq => number::equal(left, right),
            CmpOp::NotEq => number::equal(left, right).map(|equal| !equal),
            CmpOp::Lt => number::order(left, right).map(std::cmp::Ordering::is_lt),
            CmpOp::LtE => number::order(left, right).map(std::cmp::Ordering::is_le),
            CmpOp::Gt => number::order(left, right).map(std::cmp::Ordering::is_gt),
            CmpOp::GtE => number::order(left, right).map(std::cmp::Ordering::is_ge),
            CmpOp::Is => identical(left, right),
            CmpOp::IsNot => identical(left, right).map(|same| !same),
            CmpOp::In | CmpOp::NotIn => {
                let inside = match (left, right) {
                    (Value::Str(part), Value::Str(text)) => Some(text.contains(&**part)),
                    (_, Value::Str(_)) => None,
                    (Value::EnumMember(member), Value::Class(class)) if member.class == *class => {
                        Some(true)
                    }
                    (_, Value::Class(_)) => None,
                    _ => {
                        let items = match right {
                            Value::Set(items) | Value::FrozenSet(items) => items.to_vec(),
                            _ => self.iterate(place, right, offset)?,
                        };
                        let mut inside = Some(false);
                        for item in &items {
                            match number::equal(left, item) {
                                Some(true) => {
                                    inside = Some(true);
                                    break;
                                }
                                Some(false) => {}
                                None => inside = None,
                            }
                        }
                        inside
                    }
                };
                inside.map(|inside| inside == (op == CmpOp::In))
            }
        };
        truth.ok_or_else(|| place.reason("a comparison that is not followed", offset))
    }

    pub(super) fn unary(
        place: &Place<'_>,
        op: UnaryOp,
        operand: Value,
        offset: u32,
    ) -> Result<Value> {
        if let Value::Unknown(reason) = operand {
            return Err(reason);
        }
        let result = if op == UnaryOp::Not {
            number::truth(&operand).map(|truth| Value::Bool(!truth))
        } else {
            number::unary(op, &operand)
        };
        result.ok_or_else(|| place.reason("arithmetic that is not followed", offset))
    }

    pub(super) fn binary(
        place: &Place<'_>,
        op: Operator,
        left: &Value,
        right: &Value,
        offset: u32,
    ) -> Result<Value> {
        for side in [left, right] {
            if let Value::Unknown(reason) = side {
                return Err(reason.clone());
            }
        }
        let result = match (op, left, right) {
            (Operator::Mod, Value::Str(template), _) => {
                template::percent(template, right).map(Value::str)
            }
            (_, Value::Bool(one), Value::Bool(other)) => {
                number::bools(op, *one, *other).or_else(|| number::binary(op, left, right))
            }
            _ => number::binary(op, left, right),
        };
        result.ok_or_else(|| place.reason("arithmetic that is not followed", offset))
    }
}

/// `left is right` for singletons, enum members and classes.
fn identical(left: &Value, right: &Value) -> Option<bool> {
    let single = |value: &Value| matches!(value, Value::None | Value::Bool(_) | Value::Ellipsis);
    match (left, right) {
        (Value::None, Value::None) | (Value::Ellipsis, Value::Ellipsis) => Some(true),
        (Value::Bool(left), Value::Bool(right)) => Some(left == right),
        (Value::EnumMember(one), Value::EnumMember(other)) => {
            Some(one.class == other.class && one.name == other.name)
        }
        (Value::Class(one), Value::Class(other)) => Some(one == other),
        (Value::External(_) | Value::Call(_) | Value::Attribute(_), _)
        | (_, Value::External(_) | Value::Call(_) | Value::Attribute(_)) => None,
        _ if single(left) || single(right) => Some(false),
        _ => None,
    }
}
