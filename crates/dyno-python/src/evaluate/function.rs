//! Calls of simple functions of the project.

use super::call::Arguments;
use super::number::truth;
use super::{Evaluator, Place, Result};
use crate::scope::BindingKind;
use crate::walk::start;
use crate::world::Context;
use crate::{Function, Value};
use ruff_python_ast::{Expr, Parameters, Stmt};
use std::sync::Arc;

impl Evaluator<'_, '_> {
    /// Calls a simple function: assignments, conditions that are settled, and a `return`.
    pub(super) fn run(
        &mut self,
        place: &Place<'_>,
        function: &Function,
        arguments: &Arguments,
        offset: u32,
    ) -> Result<Value> {
        let refuse = || place.reason(format!("calls `{}`", function.name), offset);
        if arguments.more.is_some() {
            return Err(refuse());
        }
        let module = function.module.clone();
        if module.facts().generators.contains(&function.offset) {
            return Err(refuse());
        }
        let active = (module.id(), function.offset, "()".to_owned());
        if !self.active.insert(active.clone()) {
            return Err(refuse());
        }
        let result = self.run_now(&module, function, arguments);
        self.active.remove(&active);
        match result {
            Some(Ok(value)) => Ok(value),
            Some(Err(reason)) => Err(reason),
            None => Err(refuse()),
        }
    }

    pub(super) fn run_now(
        &mut self,
        module: &Arc<crate::Module>,
        function: &Function,
        arguments: &Arguments,
    ) -> Option<Result<Value>> {
        let context = Context::after(module);
        let mut inner = Place::of(&context);
        inner.in_call = true;
        if let Some(lambda) = module.lambda_at(function.offset) {
            // A lambda within another scope sees names of that scope, which is gone.
            let at_top = module.scope().bindings().iter().any(|binding| {
                matches!(binding.kind, BindingKind::Value(value) if start(value) == function.offset)
            });
            at_top.then_some(())?;
            if let Some(parameters) = lambda.parameters.as_deref() {
                self.fit(&mut inner, parameters, arguments)?;
            } else if !arguments.args.is_empty() || !arguments.kwargs.is_empty() {
                return None;
            }
            return Some(Ok(self.evaluate(&mut inner, &lambda.body)));
        }
        let definition = module.function_at(function.offset)?;
        let at_top = module.scope().of(&definition.name).any(|binding| {
            matches!(binding.kind, BindingKind::Function(found) if start(found) == function.offset)
        });
        if !at_top || definition.is_async || !definition.decorator_list.is_empty() {
            return None;
        }
        self.fit(&mut inner, &definition.parameters, arguments)?;
        let locals = crate::walk::Locals::of(&definition.parameters, &definition.body);
        if !locals.global.is_empty() {
            return None;
        }
        self.body(&mut inner, &definition.body)
    }

    /// Runs statements; none where they are not followed or return nothing.
    pub(super) fn body<'e>(
        &mut self,
        place: &mut Place<'e>,
        body: &'e [Stmt],
    ) -> Option<Result<Value>> {
        for (index, statement) in body.iter().enumerate() {
            match statement {
                Stmt::Expr(alone) if index == 0 && alone.value.is_string_literal_expr() => {}
                Stmt::Pass(_) => {}
                Stmt::Return(returned) => {
                    let value = match &returned.value {
                        Some(value) => self.evaluate(place, value),
                        None => Value::None,
                    };
                    return Some(Ok(value));
                }
                Stmt::Assign(assign) => {
                    let [target @ Expr::Name(_)] = &assign.targets[..] else {
                        return None;
                    };
                    let value = self.evaluate(place, &assign.value);
                    if matches!(value, Value::Iterator(_)) {
                        return None;
                    }
                    self.unpack(place, target, value).ok()?;
                }
                Stmt::If(branch) => {
                    let others = branch.elif_else_clauses.iter();
                    let clauses = std::iter::once((Some(&*branch.test), &branch.body))
                        .chain(others.map(|clause| (clause.test.as_ref(), &clause.body)));
                    for (test, body) in clauses {
                        let holds = match test {
                            None => true,
                            Some(test) => {
                                let value = self.evaluate(place, test);
                                if let Value::Unknown(reason) = value {
                                    return Some(Err(reason));
                                }
                                truth(&value)?
                            }
                        };
                        if holds {
                            // Only a branch that returns is followed.
                            let returns = matches!(body.last(), Some(Stmt::Return(_)));
                            returns.then_some(())?;
                            return self.body(place, body);
                        }
                    }
                }
                _ => return None,
            }
        }
        Some(Ok(Value::None))
    }

    /// Binds parameters to arguments.
    pub(super) fn fit<'e>(
        &mut self,
        place: &mut Place<'e>,
        parameters: &'e Parameters,
        arguments: &Arguments,
    ) -> Option<()> {
        if parameters.vararg.is_some() || parameters.kwarg.is_some() {
            return None;
        }
        let positional: Vec<_> = parameters
            .posonlyargs
            .iter()
            .chain(&parameters.args)
            .collect();
        (arguments.args.len() <= positional.len()).then_some(())?;
        let mut used = 0;
        let every = positional.iter().copied().chain(&parameters.kwonlyargs);
        for (index, parameter) in every.enumerate() {
            let name = parameter.parameter.name.as_str();
            let may_be_named = index >= parameters.posonlyargs.len();
            let named = arguments
                .kwargs
                .iter()
                .find(|(key, _)| may_be_named && **key == *name);
            let given = arguments.args.get(index);
            let value = match (given, named, &parameter.default) {
                (Some(value), None, _) => value.clone(),
                (None, Some((_, value)), _) => {
                    used += 1;
                    value.clone()
                }
                (None, None, Some(default)) if default.is_literal_expr() => {
                    self.evaluate(place, default)
                }
                _ => return None,
            };
            if matches!(value, Value::Iterator(_)) {
                return None;
            }
            place.locals.push((name, value));
        }
        (used == arguments.kwargs.len()).then_some(())
    }
}
