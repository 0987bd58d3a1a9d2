//! What a module does to functions and classes, its own and those of other modules, beside
//! defining them: `mark(f)`, `Class.x = 1`, `f.marks.append(1)`.
//!
//! Where it is done is not where the function or class is made, so that whoever imports it
//! from there, too, sees what was done; and nothing at the definition tells of it.

use crate::evaluate::Evaluator;
use crate::facts::{Facts, Variable};
use crate::scope::BindingKind;
use crate::world::{Context, Found, World};
use crate::{Module, Reason, Value};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

/// A function or class to which something is done, or may be.
#[derive(Debug, Clone)]
pub struct Touched {
    /// Its module.
    pub path: PathBuf,
    /// Its name there; absent where the text does not tell which of the module's it is.
    pub name: Option<Arc<str>>,
    /// What is done, and where.
    pub reason: Reason,
}

/// What somebody who knows the functions from outside says of them.
#[derive(Clone, Copy)]
pub struct Touching<'t> {
    /// Whether calling this with a function or class changes that.
    pub changes_argument: fn(&Value) -> bool,
    /// Whether a function of this name, or a class that holds such a name, is of any matter
    /// where it is only handed on.
    pub matters: &'t dyn Fn(&str) -> bool,
    /// The name of an attribute that such a change is kept in.
    pub attribute: &'static str,
}

/// What is done to a variable's object.
struct Deed {
    offset: u32,
    /// It is marked or written to, rather than handed to somebody who may do that.
    is_sure: bool,
}

type Deeds<'a> = HashMap<Variable<'a>, Deed>;

impl World<'_> {
    /// What a module does to functions and classes while it is imported, or in functions
    /// that may then be called.
    pub fn touched(&self, module: &Arc<Module>, touching: Touching<'_>) -> Arc<[Touched]> {
        if let Some(known) = self.memory.touched(module.id()) {
            return known;
        }
        let touched: Arc<[Touched]> = self.find_touched(module, touching).into();
        self.memory.keep_touched(module.id(), touched.clone());
        touched
    }

    fn find_touched(&self, module: &Arc<Module>, touching: Touching<'_>) -> Vec<Touched> {
        let mut touched = Vec::new();
        let facts = module.facts();
        let mut deeds = Deeds::new();
        self.of_applied(module, touching, &mut deeds, &mut touched);
        self.of_writes(module, &mut deeds, &mut touched);
        self.of_escapes(module, &mut deeds);
        for (variable, places) in &facts.mutated {
            let function = variable.0.checked_sub(1);
            let is_of_function = function.is_some_and(|at| facts.functions.contains_key(&at));
            if is_of_function && !facts.reached.contains(&variable.0) {
                continue;
            }
            if let Some(&(offset, _)) = places.first() {
                let sure = |offset| Deed {
                    offset,
                    is_sure: true,
                };
                deeds.entry(*variable).or_insert_with(|| sure(offset));
            }
        }
        let changed = facts.mutated_attributes.get(touching.attribute);
        if !deeds.is_empty() || changed.is_some() {
            let deeds = with_sources(facts, deeds);
            self.of_variables(module, &deeds, touching, &mut touched);
        }
        touched
    }

    /// `mark(f)`.
    fn of_applied<'m>(
        &self,
        module: &'m Arc<Module>,
        touching: Touching<'_>,
        deeds: &mut Deeds<'m>,
        touched: &mut Vec<Touched>,
    ) {
        for applied in &module.facts().applied {
            let context = Context::at(module, applied.offset);
            let callee = self.evaluate(&context, applied.callee);
            let is_sure = applied.is_only && (touching.changes_argument)(&callee);
            // What the project's own functions do is not looked at.
            let may = match &callee {
                Value::Unknown(_) => true,
                Value::External(_) | Value::Call(_) | Value::Attribute(_) => false,
                _ => !applied.callee.is_literal_expr(),
            };
            if !is_sure && !may {
                continue;
            }
            let argument = match self.evaluate(&context, applied.argument) {
                // `map(mark, (f, g))`.
                Value::Tuple(items) | Value::List(items) | Value::Iterator(items)
                    if applied.is_only && items.iter().any(|item| thing(item).is_some()) =>
                {
                    Value::unknown("several", module, applied.offset)
                }
                value => value,
            };
            if !matches!(
                argument,
                Value::Unknown(_) | Value::Function(_) | Value::Class(_)
            ) {
                continue;
            }
            if let Some((path, name)) = thing(&argument) {
                if is_sure || matters(&argument, touching.matters) {
                    let reason = format!("may put a mark on `{name}`");
                    touched.push(Touched {
                        path,
                        name: Some(name),
                        reason: Reason::new(reason, module, applied.offset),
                    });
                }
                continue;
            }
            let is_sure = is_sure || (applied.is_only && callee.is_unknown());
            for variable in &applied.variables {
                let deed = deeds.entry(*variable).or_insert(Deed {
                    offset: applied.offset,
                    is_sure,
                });
                deed.is_sure |= is_sure;
            }
        }
    }

    /// `Class.x = 1`, `module.f.x = 1`.
    fn of_writes<'m>(
        &self,
        module: &'m Arc<Module>,
        deeds: &mut Deeds<'m>,
        touched: &mut Vec<Touched>,
    ) {
        for write in module.attribute_writes() {
            let text = format!("sets `{}` on `{}`", write.attribute, write.root);
            let reason = Reason::new(text, module, write.offset);
            let root = self.lookup(&Context::at(module, write.offset), write.root);
            let (path, name) = match (&root, thing(&root)) {
                (Value::Module(of), _) if write.depth == 1 => {
                    (of.path.clone(), Some(Arc::from(write.attribute)))
                }
                (Value::Module(of), _) => (of.path.clone(), None),
                (_, Some((path, name))) => (path, Some(name)),
                _ => {
                    deeds.insert(
                        (0, write.root),
                        Deed {
                            offset: write.offset,
                            is_sure: true,
                        },
                    );
                    continue;
                }
            };
            touched.push(Touched { path, name, reason });
        }
    }

    /// Handed to a function of the project, which may do anything to it.
    fn of_escapes<'m>(&self, module: &'m Arc<Module>, deeds: &mut Deeds<'m>) {
        let mut harmless: HashMap<&str, bool> = HashMap::new();
        for (variable, escapes) in &module.facts().escapes {
            let escape = escapes.iter().find(|escape| {
                let is_harmless = |root| {
                    let judge = || Evaluator::new(self).is_harmless(module, root);
                    *harmless.entry(root).or_insert_with(judge)
                };
                !escape.root.is_some_and(is_harmless)
            });
            if let Some(escape) = escape {
                deeds.entry(*variable).or_insert(Deed {
                    offset: escape.offset,
                    is_sure: false,
                });
            }
        }
    }

    /// The functions and classes that those variables hold.
    fn of_variables(
        &self,
        module: &Arc<Module>,
        deeds: &Deeds<'_>,
        touching: Touching<'_>,
        touched: &mut Vec<Touched>,
    ) {
        let mut add = |value: &Value, deed: &Deed| {
            let reason = |text: &str| Reason::new(text, module, deed.offset);
            match (value, thing(value)) {
                (Value::Module(of), _) if deed.is_sure => touched.push(Touched {
                    path: of.path.clone(),
                    name: None,
                    reason: reason("may mark what a module holds"),
                }),
                (_, Some((path, name))) if deed.is_sure || matters(value, touching.matters) => {
                    touched.push(Touched {
                        path,
                        reason: reason(&format!("may change `{name}`")),
                        name: Some(name),
                    });
                }
                _ => {}
            }
        };
        let changed = module.facts().mutated_attributes.get(touching.attribute);
        let any = changed.map(|&offset| Deed {
            offset,
            is_sure: true,
        });
        let after = Context::after(module);
        for binding in module.scope().bindings() {
            let deed = deeds.get(&(0, binding.name)).or(any.as_ref());
            if let Some(deed) = deed
                && is_thing(&binding.kind)
            {
                add(&Evaluator::new(self).bound(module, &[], binding), deed);
            }
        }
        for (&(scope, name), deed) in deeds {
            if scope == 0 && module.scope().of(name).next().is_none() {
                add(&self.lookup(&after, name), deed);
            }
            let Some(class) = scope.checked_sub(1) else {
                continue;
            };
            let Some(body) = module.class_scope(class) else {
                continue;
            };
            for binding in body.of(name).filter(|binding| is_thing(&binding.kind)) {
                let around = module.classes_around(class);
                add(&Evaluator::new(self).bound(module, &around, binding), deed);
            }
        }
        // Imported within a function.
        for import in module.imports().iter().filter(|import| !import.at_import) {
            for name in &import.names {
                let mut deeds = deeds.iter();
                let deed = deeds.find(|((scope, own), _)| *scope != 0 && own == name);
                if let Some((_, deed)) = deed
                    && let Found::Module(from) = self.find(module, import.level, import.module)
                {
                    add(&self.resolve(&from, name), deed);
                }
            }
        }
    }
}

fn is_thing(kind: &BindingKind<'_>) -> bool {
    matches!(
        kind,
        BindingKind::Function(_)
            | BindingKind::Class(_)
            | BindingKind::Import { .. }
            | BindingKind::FromImport { .. }
    )
}

fn thing(value: &Value) -> Option<(PathBuf, Arc<str>)> {
    match value {
        Value::Function(function) => Some((function.module.path.clone(), function.name.clone())),
        Value::Class(class) => Some((class.module.path.clone(), class.name.clone())),
        _ => None,
    }
}

/// Whether a function or class that is only handed on can be of any matter: by its name, or
/// because the class has bases or holds something by such a name.
fn matters(value: &Value, is_one: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Function(function) => is_one(&function.name),
        Value::Class(class) => {
            let definition = class.module.class_at(class.offset);
            let has_bases = definition.is_some_and(|class| !class.bases().is_empty());
            let scope = class.module.class_scope(class.offset);
            let mut names = scope.into_iter().flat_map(crate::Scope::bindings);
            has_bases || is_one(&class.name) || names.any(|binding| is_one(binding.name))
        }
        _ => false,
    }
}

/// The same deeds on everything that may be, or be in, such a variable's object.
fn with_sources<'a>(facts: &Facts<'a>, deeds: Deeds<'a>) -> Deeds<'a> {
    let mut sources: HashMap<Variable<'a>, Vec<Variable<'a>>> = HashMap::new();
    for (from, flows) in &facts.flows {
        for (to, _) in flows {
            sources.entry(*to).or_default().push(*from);
        }
    }
    let mut all = Deeds::new();
    let mut waiting: Vec<_> = deeds.into_iter().collect();
    // What is sure first, so that it stays.
    waiting.sort_by_key(|(variable, deed)| (deed.is_sure, deed.offset, *variable));
    let mut seen: HashSet<Variable<'a>> = HashSet::new();
    while let Some((variable, deed)) = waiting.pop() {
        if !seen.insert(variable) {
            continue;
        }
        for from in sources.get(&variable).into_iter().flatten() {
            let deed = Deed { ..deed };
            waiting.push((*from, deed));
        }
        all.insert(variable, deed);
    }
    all
}
