//! What a module changes of another: `from consts import X; X.append(1)`.
//!
//! A change in place is seen by everybody who imported the object, whoever they are, while
//! evaluation only looks at the module that made it and at those that it came through.

use crate::evaluate::{Evaluator, is_mutable};
use crate::world::{Found, World};
use crate::{BindingKind, Module, Reason, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// How often a name is followed from one module's import to the next.
const STEPS: u32 = 10;

/// A change that a module makes, or may make, to something of other modules.
#[derive(Debug, Clone)]
pub struct Change {
    /// The names of what is changed, where it was made and where it came through; none
    /// where the text does not tell the name.
    pub names: Vec<Arc<str>>,
    /// The modules in which it has these names.
    pub from: Vec<PathBuf>,
    /// What is done, and where.
    pub reason: Reason,
}

impl Change {
    /// Whether a module that is imported beside the one that changes has to do with it.
    pub fn concerns(&self, module: &Module) -> bool {
        let is_source = self.from.contains(&module.path);
        if self.names.is_empty() {
            return is_source;
        }
        // Where it is bound, the name stands once.
        let least = if is_source { 2 } else { 1 };
        let mut names = self.names.iter();
        names.any(|name| module.mentions(name).take(least).count() == least)
    }
}

impl Module {
    /// The places in the text at which a name stands as a word.
    fn mentions<'m>(&'m self, name: &'m str) -> impl Iterator<Item = usize> + 'm {
        let goes_on = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 128)
        };
        let bytes = self.source.as_bytes();
        let places = self.source.match_indices(name).map(|(at, _)| at);
        places.filter(move |at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            !goes_on(before) && !goes_on(bytes.get(at + name.len()))
        })
    }
}

impl World<'_> {
    /// What a module changes of others while modules are imported, or in functions that may
    /// then be called.
    pub fn changes(&self, module: &Arc<Module>) -> Arc<[Change]> {
        if let Some(known) = self.memory.changes(module.id()) {
            return known;
        }
        let changes: Arc<[Change]> = self.find_changes(module).into();
        self.memory.keep_changes(module.id(), changes.clone());
        changes
    }

    fn find_changes(&self, module: &Arc<Module>) -> Vec<Change> {
        let facts = module.facts();
        let mut changes = Vec::new();
        if facts.imports.is_empty() {
            return changes;
        }
        if !(facts.mutated.is_empty() && facts.escapes.is_empty()) {
            self.of_names(module, &mut changes);
            self.of_stars(module, &mut changes);
        }
        if !(facts.mutated.is_empty() && facts.mutated_attributes.is_empty()) {
            self.of_modules(module, &mut changes);
        }
        self.of_attributes(module, &mut changes);
        changes
    }

    /// `from m import X`, and `X` is changed.
    fn of_names(&self, module: &Arc<Module>, changes: &mut Vec<Change>) {
        for binding in module.scope().bindings() {
            let BindingKind::FromImport {
                module: dotted,
                level,
                name,
            } = &binding.kind
            else {
                continue;
            };
            let changed = Evaluator::new(self).changed(module, (0, binding.name));
            if let Some(offset) = changed
                && let Found::Module(from) = self.find(module, *level, dotted)
            {
                changes.extend(self.change(module, &from, name, offset));
            }
        }
    }

    /// `from m import *`, and a name that it may bring is changed.
    fn of_stars(&self, module: &Arc<Module>, changes: &mut Vec<Change>) {
        let facts = module.facts();
        for star in module.scope().stars() {
            let Found::Module(from) = self.find(module, star.level, star.module) else {
                continue;
            };
            let variables = facts.mutated.keys().chain(facts.escapes.keys());
            for (_, name) in variables.filter(|variable| variable.0 == 0) {
                if module.scope().of(name).next().is_none()
                    && let Some(offset) = Evaluator::new(self).changed(module, (0, name))
                {
                    changes.extend(self.change(module, &from, name, offset));
                }
            }
        }
    }

    /// `import m`, and `m.X` is changed; or a function imports `X` and changes it.
    fn of_modules(&self, module: &Arc<Module>, changes: &mut Vec<Change>) {
        let facts = module.facts();
        for import in module.imports() {
            let found = self.find(module, import.level, import.module);
            if let Found::Module(from) = &found {
                for name in &import.names {
                    let mut variables = facts.mutated.iter();
                    let inner = variables.find(|((scope, own), _)| *scope != 0 && own == name);
                    if let Some((_, places)) = inner {
                        let offset = places.first().map_or(import.offset, |place| place.0);
                        changes.extend(self.change(module, from, name, offset));
                    }
                }
            }
            if facts.mutated_attributes.is_empty() {
                continue;
            }
            let below = import.names.iter().map(|name| {
                let dot = if import.module.is_empty() { "" } else { "." };
                self.find(
                    module,
                    import.level,
                    &format!("{}{dot}{name}", import.module),
                )
            });
            for found in below.chain([found]) {
                let Found::Module(from) = found else {
                    continue;
                };
                for (name, offset) in &facts.mutated_attributes {
                    changes.extend(self.change(module, &from, name, *offset));
                }
            }
        }
    }

    /// `m.X = 1`, `m.Class.x = 1`, `Class.x = 1`.
    fn of_attributes(&self, module: &Arc<Module>, changes: &mut Vec<Change>) {
        for write in module.attribute_writes() {
            let mut bindings = module.scope().of(write.root).filter(|binding| {
                matches!(
                    binding.kind,
                    BindingKind::Import { .. } | BindingKind::FromImport { .. }
                )
            });
            let Some(binding) = bindings.next_back() else {
                continue;
            };
            let text = format!("sets `{}` on `{}`", write.attribute, write.root);
            let reason = Reason::new(text, module, write.offset);
            let value = Evaluator::new(self).bound(module, &[], binding);
            let (names, from) = match (&value, &binding.kind) {
                (Value::Module(of), _) if write.depth == 1 => {
                    (vec![write.attribute.into()], vec![of.path.clone()])
                }
                (Value::Module(of), _) => (Vec::new(), vec![of.path.clone()]),
                (
                    _,
                    BindingKind::FromImport {
                        module: dotted,
                        level,
                        name,
                    },
                ) => match self.find(module, *level, dotted) {
                    Found::Module(from) => self.way(from, name),
                    _ => continue,
                },
                _ => continue,
            };
            changes.push(Change {
                names,
                from,
                reason,
            });
        }
    }

    fn change(
        &self,
        module: &Arc<Module>,
        from: &Arc<Module>,
        name: &str,
        offset: u32,
    ) -> Option<Change> {
        if !is_mutable(&self.resolve(from, name)) {
            return None;
        }
        let (names, from) = self.way(from.clone(), name);
        Some(Change {
            names,
            from,
            reason: Reason::new(format!("may change `{name}`"), module, offset),
        })
    }

    /// The names of a thing from one import to the next, and the modules.
    fn way(&self, from: Arc<Module>, name: &str) -> (Vec<Arc<str>>, Vec<PathBuf>) {
        let mut names: Vec<Arc<str>> = vec![name.into()];
        let mut modules = vec![from.path.clone()];
        let mut at = (from, name.to_owned());
        for _ in 0..STEPS {
            let Some(BindingKind::FromImport {
                module: dotted,
                level,
                name,
            }) = at.0.scope().of(&at.1).next_back().map(|one| &one.kind)
            else {
                break;
            };
            let Found::Module(next) = self.find(&at.0, *level, dotted) else {
                break;
            };
            let name = (*name).to_owned();
            names.push(name.as_str().into());
            modules.push(next.path.clone());
            at = (next, name);
        }
        (names, modules)
    }
}
