//! What was settled once and is not settled again: values of bindings, MROs of classes.
//!
//! It is kept by module, so that it goes when the module goes: see [`Memory::forget`].

use crate::world::locked;
use crate::{Ancestor, Change, ClassRef, Touched, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A binding: the class whose body it stands in (0: none), and where it is in force.
pub(crate) type At = (u32, u32);

#[derive(Default)]
struct OfModule {
    values: HashMap<At, Vec<(Box<str>, Value)>>,
    orders: HashMap<u32, Vec<Ancestor>>,
    changes: Option<Arc<[Change]>>,
    touched: Option<Arc<[Touched]>>,
}

/// What was settled, by [`crate::Module::id`].
#[derive(Default)]
pub(crate) struct Memory {
    modules: Mutex<HashMap<u64, OfModule>>,
}

impl Memory {
    pub(crate) fn value(&self, module: u64, at: At, name: &str) -> Option<Value> {
        let modules = locked(&self.modules);
        let known = modules.get(&module)?.values.get(&at)?;
        let found = known.iter().find(|(key, _)| **key == *name);
        found.map(|(_, value)| value.clone())
    }

    pub(crate) fn keep_value(&self, module: u64, at: At, name: &str, value: &Value) {
        let mut modules = locked(&self.modules);
        let known = modules.entry(module).or_default();
        let known = known.values.entry(at).or_default();
        if known.iter().all(|(key, _)| **key != *name) {
            known.push((name.into(), value.clone()));
        }
    }

    pub(crate) fn mro(&self, class: &ClassRef) -> Option<Vec<Ancestor>> {
        let modules = locked(&self.modules);
        let known = modules.get(&class.module.id())?;
        known.orders.get(&class.offset).cloned()
    }

    pub(crate) fn keep_mro(&self, class: &ClassRef, mro: Vec<Ancestor>) {
        let mut modules = locked(&self.modules);
        let known = modules.entry(class.module.id()).or_default();
        known.orders.insert(class.offset, mro);
    }

    pub(crate) fn changes(&self, module: u64) -> Option<Arc<[Change]>> {
        locked(&self.modules).get(&module)?.changes.clone()
    }

    pub(crate) fn keep_changes(&self, module: u64, changes: Arc<[Change]>) {
        let mut modules = locked(&self.modules);
        modules.entry(module).or_default().changes = Some(changes);
    }

    pub(crate) fn touched(&self, module: u64) -> Option<Arc<[Touched]>> {
        locked(&self.modules).get(&module)?.touched.clone()
    }

    pub(crate) fn keep_touched(&self, module: u64, touched: Arc<[Touched]>) {
        let mut modules = locked(&self.modules);
        modules.entry(module).or_default().touched = Some(touched);
    }

    /// Drops all that is known of a module, which itself is part of some of it.
    pub(crate) fn forget(&self, module: u64) {
        // Dropped after the lock: a large module takes a while.
        let _known = locked(&self.modules).remove(&module);
    }
}
