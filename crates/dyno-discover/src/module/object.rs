//! What stands behind a name of a module or class: a function, a class, or nothing that
//! could be a test.

use super::function::can_be_function;
use dyno_python::{
    Binding, BindingKind, ClassRef, Context, Function, Module, Reason, Scope, Value, World,
    text_size,
};
use std::sync::Arc;
use text_size::Ranged;

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Object {
    /// A function, and where its decorators are to be read.
    Function(Function, Context),
    /// A class.
    Class(ClassRef),
    /// A class of another package, of which only the full name is known.
    ExternalClass(Arc<str>),
    /// Surely nothing that pytest makes a test of.
    Nothing,
    /// Not settled.
    Unknown(Reason),
}

/// The scope's last word on a name: the binding that counts, or why there is none.
pub(crate) fn last_binding<'s, 'a>(
    scope: &'s Scope<'a>,
    name: &str,
) -> Option<Result<&'s Binding<'a>, Reason>> {
    let last = scope.of(name).next_back()?;
    Some(match &last.maybe {
        // What may happen and is the only thing that may: that it may not is told apart.
        Some(_) if scope.of(name).count() == 1 => Ok(last),
        Some(reason) => Err(reason.clone()),
        None => Ok(last),
    })
}

/// What a name of a module stands for.
pub(crate) fn of_module(world: &World<'_>, module: &Arc<Module>, name: &str) -> Object {
    let binding = match last_binding(module.scope(), name) {
        Some(Ok(binding)) => binding,
        Some(Err(reason)) => return Object::Unknown(reason),
        // A star import brought it.
        None => return of_value(world, &world.resolve(module, name)),
    };
    match &binding.kind {
        BindingKind::Function(def) => {
            let offset = def.range().start().to_u32();
            let function = Function {
                module: module.clone(),
                name: name.into(),
                offset,
            };
            Object::Function(function, Context::at(module, offset))
        }
        BindingKind::Class(def) => Object::Class(ClassRef {
            module: module.clone(),
            name: def.name.as_str().into(),
            offset: def.range().start().to_u32(),
        }),
        BindingKind::Delete => Object::Nothing,
        _ => of_value(world, &world.resolve(module, name)),
    }
}

/// What a name of a class body stands for.
pub(crate) fn of_class(world: &World<'_>, class: &ClassRef, name: &str) -> Object {
    let Some(scope) = class.module.class_scope(class.offset) else {
        return Object::Unknown(Reason::new(
            "is not written as a class",
            &class.module,
            class.offset,
        ));
    };
    let binding = match last_binding(scope, name) {
        Some(Ok(binding)) => binding,
        Some(Err(reason)) => return Object::Unknown(reason),
        None => return Object::Nothing,
    };
    match &binding.kind {
        BindingKind::Function(def) => {
            let offset = def.range().start().to_u32();
            let function = Function {
                module: class.module.clone(),
                name: name.into(),
                offset,
            };
            Object::Function(function, Context::in_class(class, offset))
        }
        BindingKind::Class(def) => Object::Class(ClassRef {
            module: class.module.clone(),
            name: def.name.as_str().into(),
            offset: def.range().start().to_u32(),
        }),
        BindingKind::Delete => Object::Nothing,
        _ => {
            let value = world.class_attribute(class, name);
            value.map_or(Object::Nothing, |value| of_value(world, &value))
        }
    }
}

fn of_value(world: &World<'_>, value: &Value) -> Object {
    match value {
        Value::Function(function) => Object::Function(function.clone(), around(function)),
        Value::Class(class) => Object::Class(class.clone()),
        Value::External(name) => external(world, name),
        Value::Call(call) => match &call.function {
            // An instance of a class: callable or not, it is no function.
            Value::External(name) => match world.installed(name) {
                Some(Value::Class(_)) => Object::Nothing,
                _ => unsettled(value),
            },
            _ => unsettled(value),
        },
        other => unsettled(other),
    }
}

fn external(world: &World<'_>, name: &Arc<str>) -> Object {
    match world.installed(name) {
        Some(Value::Class(class)) => Object::Class(class),
        Some(Value::Function(function)) => {
            let context = around(&function);
            Object::Function(function, context)
        }
        Some(Value::Module(_)) => Object::Nothing,
        _ => Object::ExternalClass(name.clone()),
    }
}

fn unsettled(value: &Value) -> Object {
    match can_be_function(value) {
        Ok(false) => Object::Nothing,
        Ok(true) => Object::Unknown(Reason {
            text: "is a function made elsewhere".into(),
            file: "".into(),
            line: 0,
        }),
        Err(reason) => Object::Unknown(reason),
    }
}

/// The context of a function's decorators, wherever it is defined.
fn around(function: &Function) -> Context {
    Context::at(&function.module, function.offset)
}
