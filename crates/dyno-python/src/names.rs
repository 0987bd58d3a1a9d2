//! The names of modules and classes in the order in which `vars()` lists them.

use crate::scope::{Binding, BindingKind, Scope, Star};
use crate::stars::DEPTH;
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
pub(crate) fn of_module(world: &World<'_>, module: &Arc<Module>) -> Names {
    let mut stars = Stars {
        world,
        path: Vec::new(),
        known: HashMap::new(),
    };
    let names = stars.of_module(module);
    Arc::unwrap_or_clone(names)
}

/// The star imports of a module, followed.
struct Stars<'w, 'f> {
    world: &'w World<'f>,
    /// The modules whose names are being listed.
    path: Vec<u64>,
    /// Those whose names have been: one may be imported by several ways.
    known: HashMap<u64, Arc<Names>>,
}

impl Stars<'_, '_> {
    fn of_module(&mut self, module: &Arc<Module>) -> Arc<Names> {
        if let Some(known) = self.known.get(&module.id()) {
            return known.clone();
        }
        self.path.push(module.id());
        let scope = module.scope();
        let mut ordered = Ordered::default();
        let mut doubts = scope.doubts().to_vec();
        let mut stars = scope.stars().iter().peekable();
        for binding in scope.bindings() {
            while let Some(star) = stars.next_if(|star| star.end <= binding.end) {
                self.expand(module, star, &mut ordered, &mut doubts);
            }
            ordered.binding(binding);
        }
        for star in stars {
            self.expand(module, star, &mut ordered, &mut doubts);
        }
        written_by_functions(module, scope, &mut ordered);
        doubt_submodules(self.world, module, &mut ordered);
        self.path.pop();
        let names = Arc::new(ordered.finish(doubts));
        self.known.insert(module.id(), names.clone());
        names
    }

    fn expand(
        &mut self,
        module: &Arc<Module>,
        star: &Star<'_>,
        ordered: &mut Ordered,
        doubts: &mut Vec<Reason>,
    ) {
        let mut doubt = |text: String| doubts.push(Reason::new(text, module, star.offset));
        let from = match self.world.star_module(module, star) {
            Found::Module(from) => from,
            Found::Namespace(_) => return,
            found => return doubt(format!("imports `*`: {}", found.why(star.module))),
        };
        if self.path.contains(&from.id()) || self.path.len() > DEPTH {
            return doubt("star imports in a circle".to_owned());
        }
        let mut bind = |name: Arc<str>, maybe: Option<Reason>| {
            ordered.bind(NameEntry {
                name,
                maybe: star.maybe.clone().or(maybe),
                star: Some(from.clone()),
            });
        };
        match self.world.star_all(&from) {
            Some(Ok(all)) => {
                for name in all {
                    bind(name, None);
                }
            }
            Some(Err(reason)) => doubts.push(reason),
            None => {
                let names = self.of_module(&from);
                for entry in &names.entries {
                    if !entry.name.starts_with('_') {
                        bind(entry.name.clone(), entry.maybe.clone());
                    }
                }
                for doubt in &names.doubts {
                    if !doubts.contains(doubt) {
                        doubts.push(doubt.clone());
                    }
                }
            }
        }
    }
}

/// A submodule is bound in its package when it is first imported, which may be before or
/// after the binding of that name.
fn doubt_submodules(world: &World<'_>, module: &Module, ordered: &mut Ordered) {
    if !module.is_package() {
        return;
    }
    for entry in ordered.entries.iter_mut().flatten() {
        if entry.maybe.is_none() && world.has_submodule(module, &entry.name) {
            let text = format!("`{}` is also the name of a submodule", entry.name);
            entry.maybe = Some(Reason::new(text, module, 0));
        }
    }
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
