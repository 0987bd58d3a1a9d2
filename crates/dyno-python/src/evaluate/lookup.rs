//! What names and attributes are worth.

use super::change::BUILTINS;
use super::number::is_mutable;
use super::{Evaluator, Place, Result};
use crate::scope::{Binding, BindingKind, Scope};
use crate::world::{Context, Found};
use crate::{ClassRef, Function, Module, Reason, Value};
use std::sync::Arc;

impl Evaluator<'_, '_> {
    /// What a bare name is worth where it stands.
    pub(crate) fn name(&mut self, place: &Place<'_>, name: &str, offset: u32) -> Value {
        if let Some((_, value)) = place.locals.iter().rev().find(|(local, _)| *local == name) {
            return value.clone();
        }
        let context = place.context;
        let module = &context.module;
        if let (false, Some(&class)) = (place.hides_class, context.classes.last())
            && let Some(scope) = module.class_scope(class)
            && scope.of(name).next().is_some()
        {
            match in_force(scope, name, context.position) {
                Ok(Some(binding)) => return self.bound(module, &context.classes, binding),
                Ok(None) => {}
                Err(reason) => return Value::Unknown(reason),
            }
        }
        if place.in_call && module.scope().of(name).nth(1).is_some() {
            return place.unknown(format!("`{name}` is bound more than once"), offset);
        }
        self.global(module, name, context.position, offset)
    }

    /// What a global of a module is worth at a place of it.
    pub(crate) fn global(
        &mut self,
        module: &Arc<Module>,
        name: &str,
        position: u32,
        offset: u32,
    ) -> Value {
        let unknown = |text: String| Value::unknown(text, module, offset);
        let scope = module.scope();
        if let Some(doubt) = scope.doubts().first() {
            return Value::Unknown(doubt.clone());
        }
        if let Some(&at) = module.facts().global_writes.get(name) {
            return Value::unknown(format!("`{name}` is written by a function"), module, at);
        }
        let binding = match in_force(scope, name, position) {
            Ok(binding) => binding,
            Err(reason) => return Value::Unknown(reason),
        };
        let since = binding.map_or(0, |binding| binding.end);
        for star in scope.stars().iter().rev() {
            if star.end > position || star.end < since {
                continue;
            }
            match self.world.star(self, module, star, name) {
                Ok(Some(from)) if star.maybe.is_none() => {
                    return self.imported(module, name, &from, name);
                }
                Ok(None) => {}
                Ok(Some(_)) => return unknown(format!("`{name}` may come from a star import")),
                Err(reason) => return Value::Unknown(reason),
            }
        }
        if let Some(binding) = binding {
            if let Some(reason) = self.world.shadowed_by_submodule(module, binding) {
                return Value::Unknown(reason);
            }
            return self.bound(module, &[], binding);
        }
        match name {
            "__name__" => match &module.name {
                Some(name) => Value::Str(name.clone()),
                None => unknown("`__name__` depends on how the file is imported".to_owned()),
            },
            "__debug__" => Value::Bool(true),
            _ if scope.of(name).next().is_some() => unknown(format!("`{name}` is not bound yet")),
            _ if BUILTINS.contains(&name) => Value::External(format!("builtins.{name}").into()),
            _ => unknown(format!("`{name}` is not found")),
        }
    }

    /// What a binding binds, in its module or class.
    pub(crate) fn bound(
        &mut self,
        module: &Arc<Module>,
        classes: &[u32],
        binding: &Binding<'_>,
    ) -> Value {
        let class = classes.last().copied().unwrap_or(0);
        let at = (class, binding.end);
        if let Some(value) = self.world.memory.value(module.id(), at, binding.name) {
            return value;
        }
        let active = (
            module.id(),
            class,
            format!("{}@{}", binding.name, binding.end),
        );
        if !self.active.insert(active.clone()) {
            return Value::unknown(
                format!("`{}` depends on itself", binding.name),
                module,
                binding.offset,
            );
        }
        let value = self.bound_now(module, classes, binding);
        self.active.remove(&active);
        if self.active.is_empty() || value.first_unknown().is_none() {
            let memory = &self.world.memory;
            memory.keep_value(module.id(), at, binding.name, &value);
        }
        value
    }

    fn bound_now(&mut self, module: &Arc<Module>, classes: &[u32], binding: &Binding<'_>) -> Value {
        let offset = binding.offset;
        let context = Context {
            module: module.clone(),
            classes: classes.to_vec(),
            position: offset,
        };
        let variable = (classes.last().map_or(0, |class| class + 1), binding.name);
        let value = match &binding.kind {
            BindingKind::Function(function) => {
                return Value::Function(Function {
                    module: module.clone(),
                    name: function.name.as_str().into(),
                    offset,
                });
            }
            BindingKind::Class(class) => {
                return Value::Class(ClassRef {
                    module: module.clone(),
                    name: class.name.as_str().into(),
                    offset,
                });
            }
            BindingKind::Value(expression) => {
                let value = self.evaluate(&mut Place::of(&context), expression);
                match value {
                    Value::Iterator(_) => Value::unknown("an iterator", module, offset),
                    value => value,
                }
            }
            BindingKind::Part(expression, path) => {
                let mut place = Place::of(&context);
                let mut value = self.evaluate(&mut place, expression);
                for &index in path {
                    value = match self.iterate(&place, &value, offset) {
                        Ok(items) => (items.get(index as usize).cloned())
                            .unwrap_or_else(|| place.unknown("unpacks too little", offset)),
                        Err(reason) => Value::Unknown(reason),
                    };
                }
                value
            }
            BindingKind::Augmented(assign) => {
                let place = Place::of(&context);
                let before = self.name(&place, binding.name, offset);
                let added = self.evaluate(&mut Place::of(&context), &assign.value);
                if is_mutable(&before) {
                    place.unknown(format!("`{}` is changed in place", binding.name), offset)
                } else {
                    Self::binary(&place, assign.op, &before, &added, offset)
                        .unwrap_or_else(Value::Unknown)
                }
            }
            BindingKind::Import {
                module: dotted,
                whole,
            } => {
                let first = dotted.split('.').next().unwrap_or(dotted);
                let wanted = if *whole { dotted } else { first };
                return self.world.module_value(module, 0, wanted, offset);
            }
            BindingKind::FromImport {
                module: dotted,
                level,
                name,
            } => match self.world.find(module, *level, dotted) {
                Found::Module(from) => return self.imported(module, binding.name, &from, name),
                Found::External => Value::External(format!("{dotted}.{name}").into()),
                Found::Namespace(_) => {
                    let dotted = if dotted.is_empty() {
                        (*name).to_owned()
                    } else {
                        format!("{dotted}.{name}")
                    };
                    return self.world.module_value(module, *level, &dotted, offset);
                }
                found => Value::unknown(found.why(dotted), module, offset),
            },
            BindingKind::Delete => {
                Value::unknown(format!("`{}` is deleted", binding.name), module, offset)
            }
            BindingKind::Other(what) => {
                Value::unknown(format!("`{}` is {what}", binding.name), module, offset)
            }
        };
        self.steady(module, variable, value)
    }

    /// A name of another module, as `from` imports it.
    fn imported(
        &mut self,
        module: &Arc<Module>,
        local: &str,
        from: &Arc<Module>,
        name: &str,
    ) -> Value {
        let written = module
            .facts()
            .writes
            .iter()
            .find(|write| write.attribute == name);
        if let Some(write) = written {
            let text = format!("`{name}` is set from outside");
            return Value::unknown(text, module, write.offset);
        }
        let known = from.scope().of(name).next().is_some() || !from.scope().stars().is_empty();
        if self.depth == 0 {
            return Value::unknown("takes too long to work out", module, 0);
        }
        self.depth -= 1;
        let value = self.global(from, name, u32::MAX, 0);
        self.depth += 1;
        let builtin = matches!(&value, Value::External(full) if full.starts_with("builtins."));
        if (value.is_unknown() || builtin)
            && from.scope().of(name).next().is_none()
            && let Some(submodule) = self.world.submodule(from, name)
        {
            return match submodule {
                Found::Module(submodule) => Value::Module(submodule),
                found => Value::unknown(found.why(name), module, 0),
            };
        }
        if builtin && !known {
            return Value::unknown(format!("`{name}` is not in {}", from.file), module, 0);
        }
        let Some(local) = module.scope().of(local).next().map(|binding| binding.name) else {
            return value;
        };
        self.steady(module, (0, local), value)
    }
}

/// The binding that a name has at a place, if it is settled whether it has one.
pub(crate) fn in_force<'s, 'a>(
    scope: &'s Scope<'a>,
    name: &str,
    position: u32,
) -> Result<Option<&'s Binding<'a>>> {
    let mut before = scope.of(name).filter(|binding| binding.end <= position);
    match before.next_back() {
        None => Ok(None),
        Some(binding) => match &binding.maybe {
            None => Ok(Some(binding)),
            Some(reason) => Err(Reason {
                text: format!("`{name}` {}", reason.text).into(),
                ..reason.clone()
            }),
        },
    }
}
