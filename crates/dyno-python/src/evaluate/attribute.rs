//! What attributes are worth.

use super::lookup::in_force;
use super::number::is_mutable;
use super::{Evaluator, Place};
use crate::scope::BindingKind;
use crate::world::Found;
use crate::{Ancestor, ClassRef, Value};
use std::sync::Arc;

/// What a class without bases of its own has between double underscores: `dir` of
/// `object`, of `type`, and of classes below `ABC`, `Generic` and `Protocol` (CPython 3.11),
/// with what 3.12 to 3.14 add. Sorted.
const OF_EVERY_CLASS: [&str; 60] = [
    "__abstractmethods__",
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__base__",
    "__bases__",
    "__basicsize__",
    "__call__",
    "__class__",
    "__class_getitem__",
    "__classdictcell__",
    "__delattr__",
    "__dict__",
    "__dictoffset__",
    "__dir__",
    "__doc__",
    "__eq__",
    "__firstlineno__",
    "__flags__",
    "__format__",
    "__ge__",
    "__getattribute__",
    "__getstate__",
    "__gt__",
    "__hash__",
    "__init__",
    "__init_subclass__",
    "__instancecheck__",
    "__itemsize__",
    "__le__",
    "__lt__",
    "__module__",
    "__mro__",
    "__name__",
    "__ne__",
    "__new__",
    "__non_callable_proto_members__",
    "__or__",
    "__orig_bases__",
    "__parameters__",
    "__prepare__",
    "__protocol_attrs__",
    "__qualname__",
    "__reduce__",
    "__reduce_ex__",
    "__repr__",
    "__ror__",
    "__setattr__",
    "__sizeof__",
    "__slots__",
    "__static_attributes__",
    "__str__",
    "__subclasscheck__",
    "__subclasses__",
    "__subclasshook__",
    "__text_signature__",
    "__type_params__",
    "__weakref__",
    "__weakrefoffset__",
];

impl Evaluator<'_, '_> {
    /// What `object.name` is worth.
    pub(crate) fn attribute(
        &mut self,
        place: &Place<'_>,
        object: Value,
        name: &str,
        offset: u32,
    ) -> Value {
        let module = place.module();
        let value = match object {
            Value::Unknown(_) => return object,
            Value::Module(from) => {
                let value = self.global(&from, name, u32::MAX, offset);
                let builtin =
                    matches!(&value, Value::External(full) if full.starts_with("builtins."));
                if (value.is_unknown() || builtin) && from.scope().of(name).next().is_none() {
                    match self.world.submodule(&from, name) {
                        Some(Found::Module(submodule)) => Value::Module(submodule),
                        Some(found) => place.unknown(found.why(name), offset),
                        None if builtin => {
                            place.unknown(format!("`{name}` is not in {}", from.file), offset)
                        }
                        None => value,
                    }
                } else {
                    value
                }
            }
            Value::External(full) => match (&*full, name) {
                ("sys", "platform") => Value::Str(self.world.interpreter().platform.clone()),
                ("os", "name") => Value::Str(self.world.interpreter().os_name.clone()),
                _ => Value::External(format!("{full}.{name}").into()),
            },
            Value::Call(_) | Value::Attribute(_) => {
                Value::Attribute(Arc::new((object, Arc::from(name))))
            }
            Value::Class(class) => self.class_value(place, &class, name, offset),
            Value::EnumMember(member) => match name {
                "value" | "_value_" => member.value.clone(),
                "name" | "_name_" => Value::Str(member.name.clone()),
                _ => place.unknown(format!("`.{name}` of an enum's member"), offset),
            },
            Value::Instance(instance) => {
                match instance.fields.iter().find(|(field, _)| **field == *name) {
                    Some((_, value)) => value.clone(),
                    None => place.unknown(
                        format!("`.{name}` of an instance of `{}`", instance.class.name),
                        offset,
                    ),
                }
            }
            Value::Function(function) if name == "__name__" => Value::Str(function.name),
            _ => place.unknown(format!("`.{name}` of a value"), offset),
        };
        let written = module
            .facts()
            .writes
            .iter()
            .find(|write| write.attribute == name);
        if let Some(write) = written
            && !matches!(value, Value::External(_))
        {
            return place.unknown(format!("`{name}` is set from outside"), write.offset);
        }
        if is_mutable(&value)
            && let Some(&at) = module.facts().mutated_attributes.get(name)
        {
            return place.unknown(format!("`{name}` may be changed in place"), at);
        }
        value
    }

    fn class_value(
        &mut self,
        place: &Place<'_>,
        class: &ClassRef,
        name: &str,
        offset: u32,
    ) -> Value {
        if name == "__name__"
            || name == "__qualname__" && class.module.classes_around(class.offset).len() == 1
        {
            return Value::Str(class.name.clone());
        }
        match self.is_enum(class) {
            Ok(true) => match self.enum_members(class) {
                Ok(members) => {
                    if let Some((_, value)) = members.into_iter().find(|(key, _)| **key == *name) {
                        return value;
                    }
                }
                Err(reason) => return Value::Unknown(reason),
            },
            Ok(false) => {}
            Err(reason) => return Value::Unknown(reason),
        }
        self.class_attribute(class, name)
            .unwrap_or_else(|| place.unknown(format!("`{}` has no `{name}`", class.name), offset))
    }

    /// An attribute of a class through its `__mro__`.
    pub(crate) fn class_attribute(&mut self, class: &ClassRef, name: &str) -> Option<Value> {
        let mro = match self.world.mro_with(self, class) {
            Ok(mro) => mro,
            Err(reason) => return Some(Value::Unknown(reason)),
        };
        for ancestor in mro {
            match ancestor {
                Ancestor::Class(ancestor) => {
                    if let Some(value) = self.own_attribute(&ancestor, name) {
                        return Some(value);
                    }
                }
                Ancestor::External(full) => {
                    let plain = matches!(
                        &*full,
                        "builtins.object" | "abc.ABC" | "typing.Generic" | "typing.Protocol"
                    );
                    if !plain || OF_EVERY_CLASS.binary_search(&name).is_ok() {
                        let text = format!("`{name}` may come from {full}");
                        return Some(Value::unknown(text, &class.module, class.offset));
                    }
                }
            }
        }
        None
    }

    fn own_attribute(&mut self, class: &ClassRef, name: &str) -> Option<Value> {
        let module = &class.module;
        let write = module
            .facts()
            .writes
            .iter()
            .find(|write| write.attribute == name);
        if let Some(write) = write {
            let text = format!("`{name}` is set from outside");
            return Some(Value::unknown(text, module, write.offset));
        }
        if let Some(doubt) = module.scope().doubts().first() {
            return Some(Value::Unknown(doubt.clone()));
        }
        let scope = module.class_scope(class.offset)?;
        match in_force(scope, name, u32::MAX) {
            Ok(binding) => {
                let binding = binding?;
                if matches!(binding.kind, BindingKind::Delete) {
                    return None;
                }
                Some(self.bound(module, &module.classes_around(class.offset), binding))
            }
            Err(reason) => Some(Value::Unknown(reason)),
        }
    }
}
