//! From what is known of a function to its tests: `_genfunctions`.

mod instances;

use super::call::{Arguments, Parametrization, by_fixture, by_mark};
use super::rows::MOST;
use super::trouble::Trouble;
use super::value_id::Naming;
use super::{Expansion, FunctionFacts, Instance};
use crate::fixture::Closure;
use crate::mark::{Mark, MarkList};
use crate::rules::{Objects, Place, Rules};
use dyno_python::{Reason, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// The tests that a function makes.
pub fn expand(function: &FunctionFacts<'_>, rules: &Rules, objects: &dyn Objects) -> Expansion {
    let mut tests = Expander::new(function, rules, objects);
    match tests.prepare() {
        Ok(()) => Expansion::Tests(tests.instances()),
        Err(Trouble::Fails(reason)) => Expansion::Fails(reason),
        Err(Trouble::Unknown { reason, .. }) if function.is_unittest => {
            Expansion::Tests(vec![tests.test_case(&reason)])
        }
        Err(Trouble::Unknown { reason, marks }) => {
            Expansion::Unknown(Box::new(tests.family(&reason, marks)))
        }
    }
}

/// A function that makes any number of tests, for a reason that is not in its own text.
pub fn family(
    function: &FunctionFacts<'_>,
    rules: &Rules,
    objects: &dyn Objects,
    reason: &Reason,
) -> Instance {
    let mut tests = Expander::new(function, rules, objects);
    // What fails here fails for pytest too, or is in doubt already.
    let _ = tests.prepare();
    tests.family(reason, false)
}

struct Expander<'a> {
    function: &'a FunctionFacts<'a>,
    naming: Naming<'a>,
    initial: Vec<Arc<str>>,
    closure: Closure,
    calls: Vec<Parametrization>,
}

impl<'a> Expander<'a> {
    fn new(function: &'a FunctionFacts<'a>, rules: &'a Rules, objects: &'a dyn Objects) -> Self {
        Self {
            function,
            naming: Naming {
                rules,
                objects,
                place: &function.place,
            },
            initial: Vec::new(),
            closure: Closure::default(),
            calls: Vec::new(),
        }
    }

    /// Everything that all tests of the function share.
    fn prepare(&mut self) -> Result<(), Trouble> {
        let lists = self.lists();
        if let Some(reason) = lists.iter().find_map(|list| list.more.as_ref()) {
            // Any mark may be `parametrize` or `usefixtures`.
            return Err(Trouble::rows(reason.clone()));
        }
        let marks: Vec<&'a Mark> = (lists.iter().flat_map(|list| &list.marks))
            .filter(|mark| &*mark.name == "parametrize")
            .collect();
        let mut ignored = HashSet::new();
        let mut names = HashSet::new();
        for mark in &marks {
            let bound = Arguments::bind(&self.naming_at(mark), mark)?;
            ignored.extend(bound.ignored(&self.naming_at(mark), mark)?);
            for name in bound.names(&self.naming_at(mark))?.0 {
                if !self.function.is_unittest && names.contains(&name) {
                    return Err(twice(&name, &mark.place));
                }
                names.insert(name);
            }
        }
        let more = |layer: &&crate::fixture::Layer| layer.more.clone();
        if let Some(reason) = self.function.layers.iter().find_map(more) {
            return Err(Trouble::rows(reason));
        }
        self.initial = self.initial_names(&lists)?;
        let (rules, place) = (self.naming.rules, self.naming.place);
        self.closure = Closure::new(&self.initial, &ignored, self.function.layers, rules, place)
            .map_err(Trouble::rows)?;
        if self.function.is_unittest {
            return Ok(());
        }
        self.call_fixtures(&marks)?;
        let own = &self.function.marks.marks;
        for mark in marks {
            let is_own = own.iter().any(|own| std::ptr::eq(own, mark));
            let is_shared = !(is_own && self.function.is_marked_alone);
            let call = by_mark(&self.naming_at(mark), mark, &self.closure, is_shared)?;
            self.calls.push(call);
        }
        self.finish()
    }

    fn naming_at(&self, mark: &'a Mark) -> Naming<'a> {
        Naming {
            place: &mark.place,
            ..self.naming
        }
    }

    /// The function's own marks first, then those of the nodes above, the nearest first.
    fn lists(&self) -> Vec<&'a MarkList> {
        let above = self.function.above.iter().copied();
        std::iter::once(self.function.marks).chain(above).collect()
    }

    /// `initialnames`: autouse fixtures, `usefixtures`, arguments, each once.
    fn initial_names(&self, lists: &[&MarkList]) -> Result<Vec<Arc<str>>, Trouble> {
        let mut seen = HashSet::new();
        let mut names = Vec::new();
        let mut add = |name: &Arc<str>| {
            if seen.insert(name.clone()) {
                names.push(name.clone());
            }
        };
        for layer in self.function.layers {
            layer.autouse.iter().for_each(&mut add);
        }
        for mark in lists.iter().flat_map(|list| &list.marks) {
            if &*mark.name != "usefixtures" {
                continue;
            }
            if let Some(reason) = &mark.more {
                return Err(Trouble::rows(reason.clone()));
            }
            for name in &mark.args {
                match name {
                    Value::Str(name) => add(name),
                    Value::Unknown(reason) => return Err(Trouble::rows(reason.clone())),
                    _ => {
                        let what = "`usefixtures` with a name that is computed";
                        return Err(Trouble::rows(mark.place.reason(what)));
                    }
                }
            }
        }
        if !self.function.is_unittest {
            match &self.function.argnames {
                Ok(argnames) => argnames.iter().for_each(add),
                Err(reason) => return Err(Trouble::rows(reason.clone())),
            }
        }
        Ok(names)
    }

    /// `FixtureManager.pytest_generate_tests`.
    fn call_fixtures(&mut self, marks: &[&'a Mark]) -> Result<(), Trouble> {
        let mut marked: HashSet<Arc<str>> = HashSet::new();
        for mark in marks {
            let naming = self.naming_at(mark);
            marked.extend(Arguments::bind(&naming, mark)?.names(&naming)?.0);
        }
        let mut calls = Vec::new();
        for name in &self.closure.names {
            let definitions = self.closure.definitions.get(name);
            let is_marked = marked.contains(name);
            // 9.1.0 alone overlooks that the mark takes precedence (9.1.1 does not).
            let is_91 = self.naming.rules.since(9, 1) && !self.naming.rules.since(9, 2);
            if is_marked && !is_91 {
                continue;
            }
            for definition in definitions.into_iter().flatten().rev() {
                if definition.params.is_some() && is_marked {
                    let what = "a fixture with `params` that a mark parametrizes too";
                    return Err(Trouble::rows(definition.place.reason(what)));
                }
                if let Some(call) = by_fixture(&self.naming, name, definition)? {
                    calls.push(call);
                    break;
                }
                let argnames = definition.argnames.as_ref();
                let argnames = argnames.map_err(|reason| Trouble::rows(reason.clone()))?;
                // One that does not ask for the one it overrides hides its parameters.
                if !argnames.contains(name) {
                    break;
                }
            }
        }
        if let (Some(reason), true) = (self.closure.unknown_scope(), calls.len() > 1) {
            return Err(Trouble::ids(reason.clone()));
        }
        self.calls = calls;
        Ok(())
    }

    /// What can be said once all calls are known.
    fn finish(&mut self) -> Result<(), Trouble> {
        let (rules, place) = (self.naming.rules, self.naming.place);
        let mut names = HashSet::new();
        for name in self.calls.iter().flat_map(|call| &call.names) {
            if !names.insert(name) {
                return Err(twice(name, place));
            }
        }
        let mut count: usize = 1;
        for call in &self.calls {
            count = count.saturating_mul(call.choices.len());
        }
        if count > MOST.saturating_sub(self.function.listed) {
            return Err(Trouble::rows(
                place.reason("too many tests of one file to list"),
            ));
        }
        if self.calls.is_empty() {
            return Ok(());
        }
        let direct = self
            .calls
            .iter()
            .flat_map(|call| call.names.iter().zip(&call.direct));
        let direct: HashSet<Arc<str>> = (direct.filter(|(_, direct)| **direct))
            .map(|(name, _)| name.clone())
            .collect();
        self.closure
            .prune(&self.initial, &direct, rules, place)
            .map_err(Trouble::rows)
    }
}

fn twice(name: &str, place: &Place) -> Trouble {
    Trouble::Fails(place.reason(format!("`{name}` is parametrized twice")))
}
