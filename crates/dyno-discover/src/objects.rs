//! What ids ask of Python's objects.

use crate::rules::Objects;
use dyno_python::{Ancestor, ClassRef, Context, Reason, Value, World};
use std::sync::Arc;

/// Answers from a world of modules.
pub(crate) struct WorldObjects<'w> {
    pub(crate) world: &'w World<'w>,
}

impl Objects for WorldObjects<'_> {
    fn call(&self, function: &Value, argument: &Value) -> Value {
        self.world.call(function, std::slice::from_ref(argument))
    }

    fn iterate(&self, iterable: &Value) -> Result<Arc<[Value]>, Reason> {
        let module = match iterable {
            Value::Class(class) => &class.module,
            Value::EnumMember(member) => &member.class.module,
            _ => {
                return Err(Reason {
                    text: "is not settled".into(),
                    file: "".into(),
                    line: 0,
                });
            }
        };
        let items = self.world.iterate(&Context::after(module), iterable)?;
        Ok(items.into())
    }

    fn outside(&self, name: &str) -> Option<Value> {
        self.world.installed(name)
    }

    fn is_plain(&self, class: &ClassRef) -> Result<(), Reason> {
        let problem = |text: String| Err(Reason::new(text, &class.module, class.offset));
        for ancestor in self.world.mro(class)? {
            match ancestor {
                Ancestor::Class(class) => {
                    for name in ["__name__", "__getattr__", "__getattribute__", "__new__"] {
                        let scope = class.module.class_scope(class.offset);
                        if scope.is_some_and(|scope| scope.of(name).next().is_some()) {
                            return problem(format!("has a `{name}`"));
                        }
                    }
                    let keywords = self.world.class(&class).map(|class| class.keywords);
                    if let Some((name, _)) = keywords.unwrap_or_default().first() {
                        return problem(format!("has the class keyword `{name}`"));
                    }
                }
                Ancestor::External(name) if is_plain(&name) => {}
                Ancestor::External(name) => return problem(format!("derives from `{name}`")),
            }
        }
        Ok(())
    }
}

/// Classes from outside that give their instances neither a `__name__` nor a text of their own.
fn is_plain(name: &str) -> bool {
    matches!(
        name,
        "builtins.object"
            | "abc.ABC"
            | "typing.Generic"
            | "typing.Protocol"
            | "typing.NamedTuple"
            | "builtins.tuple"
            | "builtins.dict"
            | "builtins.list"
            | "builtins.set"
            | "builtins.frozenset"
    ) || name
        .strip_prefix("builtins.")
        .is_some_and(|name| name.ends_with("Error") || name.ends_with("Exception"))
}
