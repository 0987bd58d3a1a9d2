//! Conditions that the interpreter alone settles: `TYPE_CHECKING`, `sys.version_info`,
//! `sys.platform`, `os.name`, `__name__`.

use crate::world::Interpreter;
use ruff_python_ast::{BoolOp, CmpOp, Expr, Number, UnaryOp};
use std::cmp::Ordering;

/// How deeply a condition is looked into.
const DEPTH: u32 = 50;

/// The full name that a bare name stands for, such as `sys` or `typing.TYPE_CHECKING`.
pub(crate) type FullName<'n> = &'n dyn Fn(&str) -> Option<String>;

/// Whether a condition holds, where the interpreter settles it.
pub(crate) fn holds(test: &Expr, interpreter: &Interpreter, name: FullName<'_>) -> Option<bool> {
    Conditions { interpreter, name }.truth(test, DEPTH)
}

struct Conditions<'c> {
    interpreter: &'c Interpreter,
    name: FullName<'c>,
}

/// What the interpreter tells of itself.
enum Fact<'e> {
    Text(&'e str),
    /// The numbers that are known, and whether there are further ones behind them.
    Numbers(Vec<i64>, bool),
    Number(i64),
}

impl Conditions<'_> {
    fn truth(&self, test: &Expr, depth: u32) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        match test {
            Expr::BooleanLiteral(literal) => Some(literal.value),
            Expr::NoneLiteral(_) => Some(false),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => Some(int.as_u64() != Some(0)),
                Number::Float(_) | Number::Complex { .. } => None,
            },
            Expr::StringLiteral(literal) => Some(!literal.value.is_empty()),
            Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => {
                self.truth(&unary.operand, depth).map(|truth| !truth)
            }
            Expr::BoolOp(operation) => self.junction(operation, depth),
            Expr::Name(_) | Expr::Attribute(_) => {
                let full = self.dotted(test, depth)?;
                matches!(
                    full.as_str(),
                    "typing.TYPE_CHECKING" | "typing_extensions.TYPE_CHECKING"
                )
                .then_some(false)
            }
            Expr::Compare(compare) => {
                let ([op], [right]) = (&*compare.ops, &*compare.comparators) else {
                    return None;
                };
                self.compare(&compare.left, *op, right, depth)
            }
            Expr::Call(call) => self.starts_with(call, depth),
            _ => None,
        }
    }

    /// `and` and `or`: as Python evaluates, what stands behind a settled end is not looked at.
    fn junction(&self, operation: &ruff_python_ast::ExprBoolOp, depth: u32) -> Option<bool> {
        let stops_at = operation.op == BoolOp::Or;
        let mut unsettled = false;
        for value in &operation.values {
            match self.truth(value, depth) {
                Some(truth) if truth == stops_at => return Some(stops_at),
                Some(_) => {}
                None => unsettled = true,
            }
        }
        (!unsettled).then_some(!stops_at)
    }

    fn dotted(&self, expression: &Expr, depth: u32) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        match expression {
            Expr::Name(name) if name.id == "__name__" => Some("__name__".to_owned()),
            Expr::Name(name) => (self.name)(&name.id),
            Expr::Attribute(attribute) => {
                let mut full = self.dotted(&attribute.value, depth)?;
                full.push('.');
                full.push_str(&attribute.attr);
                Some(full)
            }
            _ => None,
        }
    }

    fn fact<'e>(&'e self, expression: &'e Expr, depth: u32) -> Option<Fact<'e>> {
        let (major, minor) = self.interpreter.version;
        let (major, minor) = (i64::from(major), i64::from(minor));
        match expression {
            Expr::StringLiteral(literal) => Some(Fact::Text(literal.value.to_str())),
            Expr::NumberLiteral(_) => number(expression).map(Fact::Number),
            Expr::Tuple(tuple) => {
                let numbers: Option<Vec<i64>> = tuple.elts.iter().map(number).collect();
                Some(Fact::Numbers(numbers?, false))
            }
            Expr::Subscript(subscript) => {
                (self.dotted(&subscript.value, depth)? == "sys.version_info").then_some(())?;
                match &*subscript.slice {
                    Expr::Slice(slice) => {
                        (slice.lower.is_none() && slice.step.is_none()).then_some(())?;
                        match number(slice.upper.as_deref()?)? {
                            1 => Some(Fact::Numbers(vec![major], false)),
                            2 => Some(Fact::Numbers(vec![major, minor], false)),
                            _ => None,
                        }
                    }
                    index => match number(index)? {
                        0 => Some(Fact::Number(major)),
                        1 => Some(Fact::Number(minor)),
                        _ => None,
                    },
                }
            }
            _ => match self.dotted(expression, depth)?.as_str() {
                "sys.version_info" => Some(Fact::Numbers(vec![major, minor], true)),
                "sys.version_info.major" => Some(Fact::Number(major)),
                "sys.version_info.minor" => Some(Fact::Number(minor)),
                "sys.platform" => Some(Fact::Text(&self.interpreter.platform)),
                "os.name" => Some(Fact::Text(&self.interpreter.os_name)),
                _ => None,
            },
        }
    }

    fn compare(&self, left: &Expr, op: CmpOp, right: &Expr, depth: u32) -> Option<bool> {
        let is_main = |one: &Expr, other: &Expr| {
            self.dotted(one, depth).as_deref() == Some("__name__")
                && matches!(other, Expr::StringLiteral(text) if text.value.to_str() == "__main__")
        };
        if is_main(left, right) || is_main(right, left) {
            return match op {
                CmpOp::Eq => Some(false),
                CmpOp::NotEq => Some(true),
                _ => None,
            };
        }
        if let (CmpOp::In | CmpOp::NotIn, Fact::Text(text)) = (op, self.fact(left, depth)?) {
            let items = match right {
                Expr::Tuple(tuple) => &tuple.elts,
                Expr::List(list) => &list.elts,
                Expr::Set(set) => &set.elts,
                _ => return None,
            };
            let texts: Option<Vec<&str>> = items
                .iter()
                .map(|item| Some(item.as_string_literal_expr()?.value.to_str()))
                .collect();
            return Some(texts?.contains(&text) == (op == CmpOp::In));
        }
        let ordering = match (self.fact(left, depth)?, self.fact(right, depth)?) {
            (Fact::Text(left), Fact::Text(right)) => left.cmp(right),
            (Fact::Number(left), Fact::Number(right)) => left.cmp(&right),
            (Fact::Numbers(left, more), Fact::Numbers(right, more_right)) => {
                versions(&left, more, &right, more_right)?
            }
            _ => return None,
        };
        match op {
            CmpOp::Eq => Some(ordering.is_eq()),
            CmpOp::NotEq => Some(ordering.is_ne()),
            CmpOp::Lt => Some(ordering.is_lt()),
            CmpOp::LtE => Some(ordering.is_le()),
            CmpOp::Gt => Some(ordering.is_gt()),
            CmpOp::GtE => Some(ordering.is_ge()),
            _ => None,
        }
    }

    fn starts_with(&self, call: &ruff_python_ast::ExprCall, depth: u32) -> Option<bool> {
        let method = call.func.as_attribute_expr()?;
        let [argument] = &*call.arguments.args else {
            return None;
        };
        let Fact::Text(text) = self.fact(&method.value, depth)? else {
            return None;
        };
        let argument = argument.as_string_literal_expr()?.value.to_str();
        match method.attr.as_str() {
            "startswith" => Some(text.starts_with(argument)),
            "endswith" => Some(text.ends_with(argument)),
            _ => None,
        }
    }
}

/// Compares tuples of which one may go on with numbers that are not known.
fn versions(left: &[i64], more: bool, right: &[i64], more_right: bool) -> Option<Ordering> {
    for (one, other) in left.iter().zip(right) {
        match one.cmp(other) {
            Ordering::Equal => {}
            settled => return Some(settled),
        }
    }
    match left.len().cmp(&right.len()) {
        Ordering::Equal if more && more_right => None,
        Ordering::Equal if more => Some(Ordering::Greater),
        Ordering::Equal if more_right => Some(Ordering::Less),
        Ordering::Less if more => None,
        Ordering::Greater if more_right => None,
        settled => Some(settled),
    }
}

fn number(expression: &Expr) -> Option<i64> {
    match &expression.as_number_literal_expr()?.value {
        Number::Int(int) => int.as_i64(),
        Number::Float(_) | Number::Complex { .. } => None,
    }
}
