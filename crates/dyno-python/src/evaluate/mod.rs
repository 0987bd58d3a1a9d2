//! What expressions are worth.
//!
//! The walk is bounded in depth and in steps, and a name that is asked for while it is
//! being settled is unknown, so cycles end.

mod attribute;
mod builtin;
mod call;
mod change;
mod format;
mod function;
mod iterate;
mod itertools;
mod lookup;
mod method;
pub(crate) mod number;
mod operator;
mod subscript;
mod template;

pub(crate) use number::is_mutable;

use crate::walk::start;
use crate::world::{Context, World};
use crate::{Module, Reason, Value};
use ruff_python_ast::{Expr, InterpolatedStringElement, Number};
use std::collections::HashSet;
use std::sync::Arc;

/// How deeply evaluation goes, calls and names included. Measured with the deepest text
/// that is parsed, unoptimized, on a thread with 2 MiB of stack.
const DEPTH: u32 = 60;
/// How many expressions one evaluation looks at.
const STEPS: u32 = 400_000;

/// One evaluation.
pub(crate) struct Evaluator<'w, 'f> {
    pub(crate) world: &'w World<'f>,
    depth: u32,
    steps: u32,
    /// Names that are being settled: file, class, name.
    pub(crate) active: HashSet<(u64, u32, String)>,
}

/// Where an expression stands, with the names of comprehensions and calls around it.
pub(crate) struct Place<'e> {
    pub(crate) context: &'e Context,
    pub(crate) locals: Vec<(&'e str, Value)>,
    /// In a comprehension or a call, which do not see a class's names.
    pub(crate) hides_class: bool,
    /// In a function that is called: names are looked up at no certain time.
    pub(crate) in_call: bool,
}

impl<'e> Place<'e> {
    pub(crate) fn of(context: &'e Context) -> Self {
        Self {
            context,
            locals: Vec::new(),
            hides_class: false,
            in_call: false,
        }
    }

    pub(crate) fn module(&self) -> &'e Arc<Module> {
        &self.context.module
    }

    pub(crate) fn reason(&self, text: impl Into<Arc<str>>, offset: u32) -> Reason {
        Reason::new(text, &self.context.module, offset)
    }

    pub(crate) fn unknown(&self, text: impl Into<Arc<str>>, offset: u32) -> Value {
        Value::Unknown(self.reason(text, offset))
    }
}

/// A value, or why there is none.
pub(crate) type Result<T> = std::result::Result<T, Reason>;

impl<'w, 'f> Evaluator<'w, 'f> {
    pub(crate) fn new(world: &'w World<'f>) -> Self {
        Self {
            world,
            depth: DEPTH,
            steps: STEPS,
            active: HashSet::new(),
        }
    }

    pub(crate) fn evaluate<'e>(&mut self, place: &mut Place<'e>, expression: &'e Expr) -> Value {
        if self.depth == 0 || self.steps == 0 {
            return place.unknown("takes too long to work out", start(expression));
        }
        self.depth -= 1;
        self.steps -= 1;
        let value = self.dispatch(place, expression);
        self.depth += 1;
        value
    }

    /// Counts work that is not that of an expression.
    pub(crate) fn spend(&mut self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.steps = self.steps.saturating_sub(steps);
        self.steps > 0
    }

    fn dispatch<'e>(&mut self, place: &mut Place<'e>, expression: &'e Expr) -> Value {
        let offset = start(expression);
        let result = match expression {
            Expr::NoneLiteral(_) => Ok(Value::None),
            Expr::EllipsisLiteral(_) => Ok(Value::Ellipsis),
            Expr::BooleanLiteral(literal) => Ok(Value::Bool(literal.value)),
            Expr::NumberLiteral(literal) => number_literal(&literal.value)
                .ok_or_else(|| place.reason("an integer of very many digits", offset)),
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                if text.contains('\u{fffd}') && may_hold_surrogate(place.module(), expression) {
                    Err(place.reason("a string that may hold a lone surrogate", offset))
                } else {
                    Ok(Value::str(text))
                }
            }
            Expr::BytesLiteral(literal) => Ok(Value::Bytes(
                literal.value.bytes().collect::<Vec<_>>().into(),
            )),
            Expr::FString(_) => self.f_string(place, expression),
            Expr::Name(name) => Ok(self.name(place, &name.id, offset)),
            Expr::Attribute(attribute) => {
                let object = self.evaluate(place, &attribute.value);
                Ok(self.attribute(place, object, &attribute.attr, offset))
            }
            Expr::Tuple(tuple) => self
                .items(place, &tuple.elts)
                .map(|items| Value::Tuple(items.into())),
            Expr::List(list) => self
                .items(place, &list.elts)
                .map(|items| Value::List(items.into())),
            Expr::Set(set) => self.items(place, &set.elts).and_then(|items| {
                number::distinct(items)
                    .map(Value::Set)
                    .ok_or_else(|| place.reason("a set of things that are not settled", offset))
            }),
            Expr::Dict(_) => self.dict(place, expression),
            Expr::UnaryOp(unary) => {
                let operand = self.evaluate(place, &unary.operand);
                Self::unary(place, unary.op, operand, offset)
            }
            Expr::BinOp(binary) => {
                let left = self.evaluate(place, &binary.left);
                let right = self.evaluate(place, &binary.right);
                Self::binary(place, binary.op, &left, &right, offset)
            }
            Expr::BoolOp(junction) => self.junction(place, junction.op, &junction.values),
            Expr::Compare(compare) => self.compare(place, compare, expression),
            Expr::If(choice) => match self.holds(place, &choice.test) {
                Ok(true) => Ok(self.evaluate(place, &choice.body)),
                Ok(false) => Ok(self.evaluate(place, &choice.orelse)),
                Err(reason) => Err(reason),
            },
            Expr::Subscript(subscript) => {
                let object = self.evaluate(place, &subscript.value);
                self.subscript(place, object, &subscript.slice, offset)
            }
            Expr::Call(call) => Ok(self.call(place, call)),
            Expr::ListComp(made) => self
                .comprehend(place, &made.generators, |evaluator, place| {
                    Ok(evaluator.evaluate(place, &made.elt))
                })
                .map(|items| Value::List(items.into())),
            Expr::Generator(made) => self
                .comprehend(place, &made.generators, |evaluator, place| {
                    Ok(evaluator.evaluate(place, &made.elt))
                })
                .map(|items| Value::Iterator(items.into())),
            Expr::SetComp(made) => self
                .comprehend(place, &made.generators, |evaluator, place| {
                    Ok(evaluator.evaluate(place, &made.elt))
                })
                .and_then(|items| {
                    number::distinct(items)
                        .map(Value::Set)
                        .ok_or_else(|| place.reason("a set of things that are not settled", offset))
                }),
            Expr::DictComp(made) => match &made.key {
                Some(key) => self
                    .comprehend(place, &made.generators, |evaluator, place| {
                        let key = evaluator.evaluate(place, key);
                        Ok((key, evaluator.evaluate(place, &made.value)))
                    })
                    .and_then(|pairs| {
                        number::dict(pairs)
                            .ok_or_else(|| place.reason("a key that is not settled", offset))
                    }),
                None => Err(place.reason("an unpacking in a comprehension", offset)),
            },
            Expr::Lambda(_) => Ok(Value::Function(crate::Function {
                module: place.module().clone(),
                name: "<lambda>".into(),
                offset,
            })),
            Expr::Named(named) => Ok(self.evaluate(place, &named.value)),
            _ => Err(place.reason("an expression that is not followed", offset)),
        };
        result.unwrap_or_else(Value::Unknown)
    }

    /// The elements of a display, with what is starred put in.
    fn items<'e>(&mut self, place: &mut Place<'e>, elements: &'e [Expr]) -> Result<Vec<Value>> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            if let Expr::Starred(starred) = element {
                let value = self.evaluate(place, &starred.value);
                items.extend(self.iterate(place, &value, start(element))?);
            } else {
                items.push(self.evaluate(place, element));
            }
        }
        Ok(items)
    }

    fn dict<'e>(&mut self, place: &mut Place<'e>, expression: &'e Expr) -> Result<Value> {
        let Expr::Dict(dict) = expression else {
            return Err(place.reason("not a dictionary", start(expression)));
        };
        let mut pairs = Vec::with_capacity(dict.items.len());
        for item in &dict.items {
            let value = self.evaluate(place, &item.value);
            match (&item.key, value) {
                (Some(key), value) => pairs.push((self.evaluate(place, key), value)),
                (None, Value::Dict(inner)) => pairs.extend(inner.iter().cloned()),
                (None, Value::Unknown(reason)) => return Err(reason),
                (None, _) => {
                    return Err(place.reason("an unpacked mapping", start(&item.value)));
                }
            }
        }
        number::dict(pairs)
            .ok_or_else(|| place.reason("a key that is not settled", start(expression)))
    }

    /// Whether a condition holds.
    pub(crate) fn holds<'e>(&mut self, place: &mut Place<'e>, test: &'e Expr) -> Result<bool> {
        let value = self.evaluate(place, test);
        if let Value::Unknown(reason) = value {
            return Err(reason);
        }
        number::truth(&value)
            .ok_or_else(|| place.reason("the truth of something not settled", start(test)))
    }

    fn f_string<'e>(&mut self, place: &mut Place<'e>, expression: &'e Expr) -> Result<Value> {
        let Expr::FString(string) = expression else {
            return Err(place.reason("not an f-string", start(expression)));
        };
        let mut text = String::new();
        for part in &string.value {
            match part {
                ruff_python_ast::FStringPart::Literal(literal) => text.push_str(&literal.value),
                ruff_python_ast::FStringPart::FString(formatted) => {
                    self.interpolate(place, &formatted.elements, &mut text)?;
                }
            }
        }
        if text.contains('\u{fffd}') {
            return Err(place.reason("a string that may hold a lone surrogate", start(expression)));
        }
        Ok(Value::str(text))
    }

    fn interpolate<'e>(
        &mut self,
        place: &mut Place<'e>,
        elements: &'e [InterpolatedStringElement],
        text: &mut String,
    ) -> Result<()> {
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(literal) => text.push_str(&literal.value),
                InterpolatedStringElement::Interpolation(inner) => {
                    let offset = start(&*inner.expression);
                    if inner.debug_text.is_some() {
                        return Err(place.reason("an f-string with `=`", offset));
                    }
                    let value = self.evaluate(place, &inner.expression);
                    if let Value::Unknown(reason) = value {
                        return Err(reason);
                    }
                    let mut specification = String::new();
                    if let Some(written) = &inner.format_spec {
                        self.interpolate(place, &written.elements, &mut specification)?;
                    }
                    let version = self.world.interpreter().version;
                    let conversion = inner.conversion.to_char();
                    let formatted = format::formatted(&value, conversion, &specification, version);
                    let formatted = formatted
                        .ok_or_else(|| place.reason("formatting that is not followed", offset))?;
                    text.push_str(&formatted);
                }
            }
        }
        Ok(())
    }
}

fn number_literal(number: &Number) -> Option<Value> {
    match number {
        Number::Int(int) => match int.as_u64() {
            Some(small) => Some(Value::int(i128::from(small))),
            None => format::big_integer(&int.to_string()).map(|digits| Value::Int(digits.into())),
        },
        Number::Float(float) => Some(Value::Float(*float)),
        Number::Complex { real, imag } => Some(Value::Complex(*real, *imag)),
    }
}

fn may_hold_surrogate(module: &Module, expression: &Expr) -> bool {
    use ruff_text_size::Ranged;
    let range = expression.start().to_usize()..expression.end().to_usize();
    module
        .source
        .get(range)
        .is_none_or(|text| text.contains('\\'))
}
