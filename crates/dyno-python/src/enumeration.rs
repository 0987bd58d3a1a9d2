//! The members of enums.

use crate::evaluate::number::equal;
use crate::evaluate::{Evaluator, Result};
use crate::scope::BindingKind;
use crate::world::Ancestor;
use crate::{Call, ClassRef, EnumMember, Reason, Value, python_str};
use std::sync::Arc;

/// What `str()` of an enum's member shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Name,
    Value,
}

struct EnumKind {
    mixed: Option<&'static str>,
    shows: Result<Shows>,
    is_flag: bool,
    is_str: bool,
}

impl Evaluator<'_, '_> {
    /// Whether a class is an enum of a kind that is followed.
    pub(crate) fn is_enum(&mut self, class: &ClassRef) -> Result<bool> {
        // Most classes have no bases at all.
        let definition = class.module.class_at(class.offset);
        if definition.is_some_and(|definition| definition.arguments.is_none()) {
            return Ok(false);
        }
        let Ok(mro) = self.world.mro_with(self, class) else {
            return Err(Reason::new(
                "bases that are not settled",
                &class.module,
                class.offset,
            ));
        };
        Ok(mro.iter().any(|one| one.is("enum.Enum")))
    }

    /// The members of an enum by name, aliases included, in order.
    pub(crate) fn enum_members(&mut self, class: &ClassRef) -> Result<Vec<(Arc<str>, Value)>> {
        let refuse = |text: String| Reason::new(text, &class.module, class.offset);
        if !self.is_enum(class)? {
            return Err(refuse(format!("`{}` is not an enum", class.name)));
        }
        let active = (class.module.id(), class.offset, "members".to_owned());
        if !self.active.insert(active.clone()) {
            return Err(refuse(format!("`{}` depends on itself", class.name)));
        }
        let members = self.members_now(class);
        self.active.remove(&active);
        members
    }

    fn members_now(&mut self, class: &ClassRef) -> Result<Vec<(Arc<str>, Value)>> {
        let refuse = |text: &str, offset: u32| Reason::new(text, &class.module, offset);
        let kind = self.enum_kind(class)?;
        let scope = (class.module.class_scope(class.offset))
            .ok_or_else(|| refuse("a class in a function", class.offset))?;
        if let Some(doubt) = scope
            .doubts()
            .first()
            .or(class.module.scope().doubts().first())
        {
            return Err(doubt.clone());
        }
        let classes = class.module.classes_around(class.offset);
        let mut members: Vec<(Arc<str>, Value)> = Vec::new();
        for binding in scope.bindings() {
            let name = binding.name;
            let BindingKind::Value(_) = binding.kind else {
                match binding.kind {
                    BindingKind::Function(_) => continue,
                    _ => {
                        return Err(refuse(
                            "an enum's body that is not followed",
                            binding.offset,
                        ));
                    }
                }
            };
            if name.starts_with("__") && name.ends_with("__") {
                continue;
            }
            if name.starts_with('_') || binding.maybe.is_some() || scope.of(name).nth(1).is_some() {
                return Err(refuse(
                    "an enum's body that is not followed",
                    binding.offset,
                ));
            }
            let written = self.bound(&class.module, &classes, binding);
            let value = match &written {
                Value::Unknown(reason) => return Err(reason.clone()),
                Value::Call(call) if is_auto(call) => automatic(&kind, name, &members)
                    .ok_or_else(|| refuse("a value by `auto()`", binding.offset))?,
                // Functions and descriptors are no members; what a call gives may be one.
                Value::Function(_) | Value::Call(_) | Value::Attribute(_) | Value::Class(_) => {
                    return Err(refuse(
                        "an enum's body that is not followed",
                        binding.offset,
                    ));
                }
                _ => written,
            };
            let single = |value: &Value| {
                crate::evaluate::number::integer(value)
                    .is_some_and(|bits| bits > 0 && bits.count_ones() == 1)
            };
            if kind.is_flag && !single(&value) {
                return Err(refuse("a flag that is not a single bit", binding.offset));
            }
            let first = members.iter().find_map(|(_, member)| match member {
                Value::EnumMember(found) if equal(&found.value, &value) == Some(true) => {
                    Some(member.clone())
                }
                _ => None,
            });
            if let Some(first) = first {
                members.push((name.into(), first));
                continue;
            }
            let mixed_in = match (kind.mixed, &value) {
                (None, _) => None,
                (Some("str"), Value::Str(_)) | (Some("int"), Value::Int(_)) => Some(value.clone()),
                _ => {
                    return Err(refuse(
                        "a value of another type than the enum's",
                        binding.offset,
                    ));
                }
            };
            let text = match &kind.shows {
                Ok(Shows::Name) => Ok(format!("{}.{name}", class.name).into()),
                Ok(Shows::Value) => python_str(&value)
                    .map(Arc::from)
                    .ok_or_else(|| refuse("`str()` of a value", binding.offset)),
                Err(reason) => Err(reason.clone()),
            };
            let member = EnumMember {
                class: class.clone(),
                name: name.into(),
                value,
                text,
                mixed_in,
            };
            members.push((name.into(), Value::EnumMember(Arc::new(member))));
        }
        Ok(members)
    }

    fn enum_kind(&mut self, class: &ClassRef) -> Result<EnumKind> {
        let refuse = |text: String| Reason::new(text, &class.module, class.offset);
        let mro = self.world.mro_with(self, class)?;
        let written = self
            .class(class)
            .ok_or_else(|| refuse("a class in a function".into()))?;
        if !written.keywords.is_empty() {
            return Err(refuse("an enum with keywords".into()));
        }
        let unique =
            |value: &Value| matches!(value, Value::External(full) if &**full == "enum.unique");
        if !written.decorators.iter().all(unique) {
            return Err(refuse("a decorated enum".into()));
        }
        let mut own_str = None;
        for ancestor in &mro {
            let Ancestor::Class(ancestor) = ancestor else {
                continue;
            };
            let Some(scope) = ancestor.module.class_scope(ancestor.offset) else {
                continue;
            };
            for special in [
                "__new__",
                "__init__",
                "_generate_next_value_",
                "_missing_",
                "_ignore_",
                "__eq__",
                "__iter__",
            ] {
                if scope.of(special).next().is_some() {
                    return Err(refuse(format!("an enum with its own `{special}`")));
                }
            }
            for special in ["__str__", "__format__", "__repr__"] {
                if let Some(binding) = scope.of(special).next() {
                    own_str.get_or_insert_with(|| {
                        let text = format!("`{special}` of `{}`", ancestor.name);
                        Reason::new(text, &ancestor.module, binding.offset)
                    });
                }
            }
        }
        let has = |name: &str| mro.iter().any(|one| one.is(name));
        let known = [
            "builtins.object",
            "builtins.str",
            "builtins.int",
            "enum.Enum",
            "enum.IntEnum",
            "enum.StrEnum",
            "enum.Flag",
            "enum.IntFlag",
            "enum.ReprEnum",
        ];
        for ancestor in &mro {
            if let Ancestor::External(full) = ancestor
                && !known.contains(&&**full)
            {
                return Err(refuse(format!("an enum that is also a {full}")));
            }
        }
        let version = self.world.interpreter().version;
        // Since 3.11 members of `ReprEnum` show their value.
        let by_value = has("enum.StrEnum") || (has("enum.ReprEnum") && version >= (3, 11));
        let shows = if by_value { Shows::Value } else { Shows::Name };
        let mixed = if has("builtins.str") {
            Some("str")
        } else if has("builtins.int") {
            Some("int")
        } else {
            None
        };
        Ok(EnumKind {
            mixed,
            shows: own_str.map_or(Ok(shows), Err),
            is_flag: has("enum.Flag"),
            is_str: has("enum.StrEnum"),
        })
    }
}

fn is_auto(call: &Call) -> bool {
    call.args.is_empty()
        && call.kwargs.is_empty()
        && call.more.is_none()
        && matches!(&call.function, Value::External(full) if &**full == "enum.auto")
}

/// The value that `auto()` gives, where every version agrees on it.
fn automatic(kind: &EnumKind, name: &str, members: &[(Arc<str>, Value)]) -> Option<Value> {
    if kind.is_str {
        return Some(Value::str(name.to_ascii_lowercase())).filter(|_| name.is_ascii());
    }
    if kind.mixed == Some("str") {
        return None;
    }
    let mut last: i128 = 0;
    for (_, member) in members {
        let Value::EnumMember(member) = member else {
            return None;
        };
        let value = crate::evaluate::number::integer(&member.value)?;
        // Out of order, 3.13 goes on from the largest and others from the last.
        (value >= last).then_some(())?;
        last = value;
    }
    if kind.is_flag {
        if members.is_empty() {
            return Some(Value::int(1));
        }
        let single = last > 0 && last.count_ones() == 1;
        return single.then(|| Value::int(last * 2));
    }
    Some(Value::int(last + 1))
}
