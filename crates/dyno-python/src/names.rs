//! The names of modules and classes in the order in which `vars()` lists them.

use crate::scope::{Binding, BindingKind, Scope, Star};
use crate::world::{Found, NameEntry, Names, World};
use crate::{ClassRef, Module, Reason};
use std::collections::HashMap;
use std::sync::Arc;

/// Names in the order of a dictionary: first come, first listed; what is deleted and bound
/// again goes to the end.
#[derive(Default)]
struct Ordered {
    entries: Vec<Option<NameEntry>>,
    places: HashMap<Arc<str>, usize>,
}

impl Ordered {
    fn bind(&mut self, entry: NameEntry) {
        let place = self.places.get(&entry.name).copied();
        if let Some(Some(known)) = place.and_then(|place| self.entries.get_mut(place)) {
            // Bound again: it keeps its place, and the doubt whether that was its first.
            known.star = entry.star;
            return;
        }
        self.places.insert(entry.name.clone(), self.entries.len());
        self.entries.push(Some(entry));
    }

    fn delete(&mut self, name: &str, maybe: Option<&Reason>) {
        let place = self.places.get(name).copied();
        let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) else {
            return;
        };
        match (maybe, entry) {
            (Some(maybe), Some(entry)) => entry.maybe = Some(maybe.clone()),
            (None, entry) => {
                *entry = None;
                self.places.remove(name);
            }
            (Some(_), None) => {}
        }
    }

    fn binding(&mut self, binding: &Binding<'_>) {
        if matches!(binding.kind, BindingKind::Delete) {
            self.delete(binding.name, binding.maybe.as_ref());
        } else {
            self.bind(NameEntry {
                name: binding.name.into(),
                maybe: binding.maybe.clone(),
                star: None,
            });
        }
    }

    fn finish(self, doubts: Vec<Reason>) -> Names {
        Names {
            entries: self.entries.into_iter().flatten().collect(),
            doubts,
        }
    }
}

/// The names of a class body.
pub(crate) fn of_class(class: &ClassRef) -> Names {
    let mut ordered = Ordered::default();
    let Some(scope) = class.module.class_scope(class.offset) else {
        let doubt = Reason::new("a class in a function", &class.module, class.offset);
        return ordered.finish(vec![doubt]);
    };
    for binding in scope.bindings() {
        ordered.binding(binding);
    }
    let mut doubts = scope.doubts().to_vec();
    doubts.extend(class.module.scope().doubts().iter().cloned());
    ordered.finish(doubts)
}

/// The names of a module.
pub(crate) fn of_module(world: &World<'_>, module: &Arc<Module>, left: u32) -> Names {
    let scope = module.scope();
    let mut ordered = Ordered::default();
    let mut doubts = scope.doubts().to_vec();
    let mut stars = scope.stars().iter().peekable();
    for binding in scope.bindings() {
        while let Some(star) = stars.next_if(|star| star.end <= binding.end) {
            expand(world, module, star, left, &mut ordered, &mut doubts);
        }
        ordered.binding(binding);
    }
    for star in stars {
        expand(world, module, star, left, &mut ordered, &mut doubts);
    }
    written_by_functions(module, scope, &mut ordered);
    if module.is_package() {
        // A submodule is bound in its package when it is first imported, which may be
        // before or after the binding of that name.
        for entry in ordered.entries.iter_mut().flatten() {
            if entry.maybe.is_none() && world.has_submodule(module, &entry.name) {
                let text = format!("`{}` is also the name of a submodule", entry.name);
                entry.maybe = Some(Reason::new(text, module, 0));
            }
        }
    }
    ordered.finish(doubts)
}

/// A function that writes a global may add it, at no certain time.
fn written_by_functions(module: &Module, scope: &Scope<'_>, ordered: &mut Ordered) {
    let mut written: Vec<_> = module.facts().global_writes.iter().collect();
    written.sort_unstable();
    for (name, offset) in written {
        if scope.of(name).next().is_none() {
            let text = format!("`{name}` is written by a function");
            ordered.bind(NameEntry {
                name: (*name).into(),
                maybe: Some(Reason::new(text, module, *offset)),
                star: None,
            });
        }
    }
}

fn expand(
    world: &World<'_>,
    module: &Arc<Module>,
    star: &Star<'_>,
    left: u32,
    ordered: &mut Ordered,
    doubts: &mut Vec<Reason>,
) {
    let mut doubt = |text: String| doubts.push(Reason::new(text, module, star.offset));
    let Some(left) = left.checked_sub(1) else {
        return doubt("star imports in a circle".to_owned());
    };
    let from = match world.star_module(module, star) {
        Found::Module(from) => from,
        Found::Namespace(_) => return,
        found => return doubt(format!("imports `*`: {}", found.why(star.module))),
    };
    let mut bind = |name: Arc<str>, maybe: Option<Reason>| {
        ordered.bind(NameEntry {
            name,
            maybe: star.maybe.clone().or(maybe),
            star: Some(from.clone()),
        });
    };
    match world.star_all(&from) {
        Some(Ok(all)) => {
            for name in all {
                bind(name, None);
            }
        }
        Some(Err(reason)) => doubts.push(reason),
        None => {
            let names = of_module(world, &from, left);
            for entry in names.entries {
                if !entry.name.starts_with('_') {
                    bind(entry.name, entry.maybe);
                }
            }
            doubts.extend(names.doubts);
        }
    }
}
