//! Classes: bases, decorators, the order of resolution, enums, and what calling one makes.

use crate::evaluate::{Evaluator, Place, Result};
use crate::walk::start;
use crate::world::{Ancestor, Context};
use crate::{ClassRef, Reason, Value};
use ruff_python_ast::{Expr, Stmt};
use std::sync::Arc;

/// A class as it is written.
#[derive(Debug, Clone)]
pub struct Class {
    /// Which.
    pub class: ClassRef,
    /// The decorators, outermost first.
    pub decorators: Vec<Value>,
    /// The bases; a generic one as its origin, so `Base[int]` is `Base`.
    pub bases: Vec<Value>,
    /// Keywords such as `metaclass`; an empty name stands for `**`.
    pub keywords: Vec<(Arc<str>, Value)>,
}

/// What calling a class makes.
pub(crate) enum Made {
    /// An instance of which no fields are known.
    Plain,
    /// An instance of a dataclass: fields with defaults.
    Fields(Vec<(Arc<str>, Option<Value>)>),
    /// A named tuple, likewise.
    Tuple(Vec<(Arc<str>, Option<Value>)>),
}

/// How deep a hierarchy of classes may be.
const HIERARCHY: usize = 100;

impl Evaluator<'_, '_> {
    /// The class as it is written.
    pub(crate) fn class(&mut self, class: &ClassRef) -> Option<Class> {
        let module = &class.module;
        let definition = module.class_at(class.offset)?;
        let around = module.classes_around(class.offset);
        let context = Context {
            module: module.clone(),
            classes: around
                .split_last()
                .map_or(Vec::new(), |(_, outer)| outer.to_vec()),
            position: class.offset,
        };
        let mut place = Place::of(&context);
        let mut written = Class {
            class: class.clone(),
            decorators: Vec::new(),
            bases: Vec::new(),
            keywords: Vec::new(),
        };
        for decorator in &definition.decorator_list {
            let value = self.evaluate(&mut place, &decorator.expression);
            written.decorators.push(value);
        }
        for base in definition.bases() {
            let mut base = base;
            // `Base[int]`: `__mro_entries__` gives the origin.
            while let Expr::Subscript(generic) = base {
                base = &generic.value;
            }
            let value = match base {
                Expr::Starred(starred) => place.unknown("starred bases", start(starred)),
                _ => self.evaluate(&mut place, base),
            };
            written.bases.push(value);
        }
        for keyword in definition.keywords() {
            let name = keyword.arg.as_ref().map_or("", |name| name.as_str());
            let value = self.evaluate(&mut place, &keyword.value);
            written.keywords.push((name.into(), value));
        }
        if definition.type_params.is_some() {
            written.bases.push(Value::External("typing.Generic".into()));
        }
        Some(written)
    }

    /// `__mro__` by C3, `object` last.
    pub(crate) fn mro(&mut self, class: &ClassRef, left: usize) -> Result<Vec<Ancestor>> {
        let refuse = |text: &str| Reason::new(text, &class.module, class.offset);
        if left == 0 || !self.spend(1) {
            return Err(refuse("a very deep hierarchy of classes"));
        }
        let written = self
            .class(class)
            .ok_or_else(|| refuse("a class in a function"))?;
        let mut lists = Vec::new();
        let mut direct = Vec::new();
        for base in written.bases {
            match base {
                Value::Class(base) => {
                    lists.push(self.mro(&base, left - 1)?);
                    direct.push(Ancestor::Class(base));
                }
                Value::External(full) => {
                    let (list, first) = self.external_mro(&full, left)?;
                    lists.push(list);
                    direct.push(first);
                }
                Value::Unknown(reason) => return Err(reason),
                _ => return Err(refuse("a base that is not settled")),
            }
        }
        lists.push(direct);
        let mut mro = vec![Ancestor::Class(class.clone())];
        mro.extend(merge(lists).ok_or_else(|| refuse("bases that contradict each other"))?);
        let is_object = |one: &Ancestor| matches!(one, Ancestor::External(full) if &**full == "builtins.object");
        mro.retain(|one| !is_object(one));
        mro.push(Ancestor::External("builtins.object".into()));
        Ok(mro)
    }

    /// The `__mro__` of a class that is not the project's, from its text if that is found.
    fn external_mro(&mut self, full: &str, left: usize) -> Result<(Vec<Ancestor>, Ancestor)> {
        if let Some(Value::Class(class)) = self.world.installed(full) {
            let list = self.mro(&class, left - 1)?;
            return Ok((list, Ancestor::Class(class)));
        }
        let object = Ancestor::External("builtins.object".into());
        if full == "builtins.object" {
            return Ok((vec![object.clone()], object));
        }
        let mut list = vec![Ancestor::External(full.into())];
        let known: &[&str] = match full {
            "enum.StrEnum" => &["builtins.str", "enum.ReprEnum", "enum.Enum"],
            "enum.IntEnum" => &["builtins.int", "enum.ReprEnum", "enum.Enum"],
            "enum.IntFlag" => &["builtins.int", "enum.ReprEnum", "enum.Flag", "enum.Enum"],
            "enum.Flag" | "enum.ReprEnum" => &["enum.Enum"],
            "typing.Protocol" => &["typing.Generic"],
            "unittest.IsolatedAsyncioTestCase" => &["unittest.TestCase"],
            _ => &[],
        };
        list.extend(known.iter().map(|&name| Ancestor::External(name.into())));
        list.push(object);
        Ok((list, Ancestor::External(full.into())))
    }

    /// What calling the class makes.
    pub(crate) fn made(&mut self, class: &ClassRef) -> Result<Made> {
        let refuse = |text: String| Reason::new(text, &class.module, class.offset);
        let mro = self.world.mro_with(self, class)?;
        let (mut dataclass, mut own_init) = (false, false);
        let mut fields: Vec<(Arc<str>, Option<Value>)> = Vec::new();
        let is_tuple = mro.iter().any(|one| one.is("typing.NamedTuple"));
        let mut plain = true;
        for ancestor in mro.iter().rev() {
            match ancestor {
                Ancestor::External(full) => match &**full {
                    "builtins.object" | "abc.ABC" | "typing.Generic" | "typing.Protocol"
                    | "typing.NamedTuple" => {}
                    other if is_exception(other) => {}
                    other => return Err(refuse(format!("makes a {other}"))),
                },
                Ancestor::Class(one) => {
                    let written = self.class(one).ok_or_else(|| refuse("not found".into()))?;
                    for (name, value) in &written.keywords {
                        let abstract_class =
                            matches!(value, Value::External(full) if &**full == "abc.ABCMeta");
                        if &**name != "metaclass" || !abstract_class {
                            return Err(refuse(format!("`{name}` of `{}`", one.name)));
                        }
                    }
                    let mut is_dataclass = false;
                    for decorator in &written.decorators {
                        match decorator_kind(decorator) {
                            Some(kind) => is_dataclass |= kind,
                            None => return Err(refuse(format!("a decorator of `{}`", one.name))),
                        }
                        plain &= !matches!(decorator, Value::Call(_));
                    }
                    if let Some(scope) = one.module.class_scope(one.offset) {
                        if scope.of("__new__").next().is_some()
                            || scope.of("__init_subclass__").next().is_some()
                            || scope.of("__class_getitem__").next().is_some()
                        {
                            return Err(refuse(format!("`__new__` of `{}`", one.name)));
                        }
                        own_init |= scope.of("__init__").next().is_some()
                            || scope.of("__post_init__").next().is_some();
                    }
                    dataclass |= is_dataclass;
                    if is_dataclass || is_tuple {
                        self.fields(one, &mut fields);
                    }
                }
            }
        }
        if is_tuple {
            return Ok(Made::Tuple(fields));
        }
        // Options such as `kw_only` change how arguments fit.
        Ok(if dataclass && !own_init && plain {
            Made::Fields(fields)
        } else {
            Made::Plain
        })
    }

    /// The annotated names of a class body, with defaults.
    fn fields(&mut self, class: &ClassRef, fields: &mut Vec<(Arc<str>, Option<Value>)>) {
        let Some(definition) = class.module.class_at(class.offset) else {
            return;
        };
        let classes = class.module.classes_around(class.offset);
        for statement in &definition.body {
            let Stmt::AnnAssign(assign) = statement else {
                continue;
            };
            let Expr::Name(name) = &*assign.target else {
                continue;
            };
            let default = assign.value.as_ref().map(|value| {
                let context = Context {
                    module: class.module.clone(),
                    classes: classes.clone(),
                    position: start(statement),
                };
                match self.evaluate(&mut Place::of(&context), value) {
                    Value::Call(_) => Value::unknown("a field", &class.module, start(statement)),
                    value => value,
                }
            });
            let name: Arc<str> = name.id.as_str().into();
            match fields.iter_mut().find(|(field, _)| *field == name) {
                Some(field) => field.1 = default,
                None => fields.push((name, default)),
            }
        }
    }
}

impl Ancestor {
    /// Whether it is the class of that full name, whether its text was read or not.
    pub fn is(&self, full: &str) -> bool {
        match self {
            Self::External(name) => &**name == full,
            Self::Class(class) => {
                let (module, name) = full.rsplit_once('.').unwrap_or(("", full));
                *class.name == *name && class.module.name.as_deref() == Some(module)
            }
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(one), Self::Class(other)) => one == other,
            (Self::External(one), Self::External(other)) => one == other,
            _ => false,
        }
    }
}

/// C3 linearization.
fn merge(mut lists: Vec<Vec<Ancestor>>) -> Option<Vec<Ancestor>> {
    let mut merged: Vec<Ancestor> = Vec::new();
    loop {
        lists.retain(|list| !list.is_empty());
        if lists.is_empty() {
            return Some(merged);
        }
        let next = lists.iter().find_map(|list| {
            let candidate = list.first()?;
            let in_tail = |list: &Vec<Ancestor>| list.iter().skip(1).any(|one| one.same(candidate));
            (!lists.iter().any(in_tail)).then(|| candidate.clone())
        })?;
        for list in &mut lists {
            if list.first().is_some_and(|first| first.same(&next)) {
                list.remove(0);
            }
        }
        merged.push(next);
        (merged.len() < 10_000).then_some(())?;
    }
}

/// Whether a decorator leaves the class as it is (`Some(false)`), or makes it a dataclass.
fn decorator_kind(decorator: &Value) -> Option<bool> {
    let full = match decorator {
        Value::External(full) => full,
        Value::Call(call) => match &call.function {
            Value::External(full) => full,
            _ => return None,
        },
        _ => return None,
    };
    match &**full {
        "dataclasses.dataclass"
        | "attr.s"
        | "attr.attrs"
        | "attr.define"
        | "attr.frozen"
        | "attrs.define"
        | "attrs.frozen" => Some(true),
        "functools.total_ordering" | "typing.final" | "typing.runtime_checkable" => Some(false),
        _ => None,
    }
}

fn is_exception(full: &str) -> bool {
    full.strip_prefix("builtins.").is_some_and(|name| {
        name.ends_with("Error") || name.ends_with("Exception") || name.ends_with("Warning")
    })
}

/// The depth from which [`Evaluator::mro`] starts.
pub(crate) const MRO_DEPTH: usize = HIERARCHY;
