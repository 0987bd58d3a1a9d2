//! The tests of a class.

use super::Walk;
use super::node::{DEPTH, Node, qualname};
use crate::module::classes::{Kind, classify};
use crate::module::fixtures::class_fixtures;
use crate::module::lineage::Lineage;
use crate::module::names::{is_ignored, matches};
use crate::module::object::of_class;
use crate::module::test_case;
use crate::parametrize::{Expansion, FunctionFacts, expand};
use dyno_model::Doubt;
use dyno_python::{Ancestor, ClassRef, Reason};
use std::sync::Arc;

impl Walk<'_> {
    /// Adds the tests of a class, if pytest takes it for one of tests.
    pub(super) fn class(&mut self, node: &Node<'_>, name: &str, class: &ClassRef) {
        if node.depth >= DEPTH {
            let reason = self.here("classes lie too deep in each other");
            self.file_doubt(Doubt::Existence, &reason);
            return;
        }
        let kind = classify(self.suite, class, name);
        let named = matches(&self.suite.config.python_classes, name);
        if named || !matches!(kind, Kind::No) {
            self.uses(class);
        }
        match kind {
            Kind::No => {}
            Kind::Unknown(reason) => {
                let text = format!("class `{name}` {}", reason.text);
                self.file_doubt(
                    Doubt::Existence,
                    &Reason {
                        text: text.into(),
                        ..reason
                    },
                );
            }
            Kind::Plain(lineage) => self.plain_class(node, name, &lineage),
            Kind::TestCase(lineage) => self.test_case(node, name, class, &lineage),
        }
    }

    /// Takes down a class and those that it inherits from.
    fn uses(&mut self, class: &ClassRef) {
        let mro = self.suite.world.mro(class).unwrap_or_default();
        let inherited = mro.iter().filter_map(|ancestor| match ancestor {
            Ancestor::Class(class) => Some(class),
            Ancestor::External(_) => None,
        });
        for class in inherited.chain([class]) {
            let used = (class.module.file.clone(), class.name.clone());
            self.uses.insert(used);
        }
    }

    fn plain_class(&mut self, node: &Node<'_>, name: &str, lineage: &Lineage) {
        let Some(class) = lineage.classes.first() else {
            return;
        };
        let qualname = qualname(class);
        let layer = class_fixtures(self.suite, &lineage.classes, &qualname, false, false);
        self.holds_errors(&layer, &lineage.marks);
        let inner = node.inner(name, &layer, lineage, class, lineage.patched);
        if let Some((_, generates)) = lineage.classes.iter().find_map(|class| {
            let scope = class.module.class_scope(class.offset)?;
            let binding = scope.of("pytest_generate_tests").next()?;
            Some((
                class,
                Reason::new(
                    "defines `pytest_generate_tests`",
                    &class.module,
                    binding.offset,
                ),
            ))
        }) {
            self.file_doubt(Doubt::Existence, &generates);
        }
        let mut seen: Vec<Arc<str>> = Vec::new();
        let mut by_class = Vec::new();
        for class in &lineage.classes {
            let names = self.suite.world.class_names(class);
            for reason in &names.doubts {
                self.file_doubt(Doubt::Existence, reason);
            }
            let mut fresh = Vec::new();
            for entry in names.entries {
                if !is_ignored(&entry.name) && !seen.contains(&entry.name) {
                    seen.push(entry.name.clone());
                    fresh.push(entry);
                }
            }
            by_class.push((class, fresh));
        }
        // What is inherited comes before what a class adds.
        for (class, entries) in by_class.into_iter().rev() {
            for entry in entries {
                let object = of_class(&self.suite.world, class, &entry.name);
                self.object(&inner, &entry.name, object, entry.maybe.as_ref());
            }
        }
    }

    /// A `unittest.TestCase`: its methods that begin with `test`, by name; no parameters.
    fn test_case(&mut self, node: &Node<'_>, name: &str, class: &ClassRef, lineage: &Lineage) {
        let layer = class_fixtures(
            self.suite,
            &lineage.classes,
            &qualname(class),
            true,
            lineage.skipped,
        );
        self.holds_errors(&layer, &lineage.marks);
        let inner = node.inner(name, &layer, lineage, class, 0);
        let methods = test_case::methods(self.suite, lineage);
        for reason in methods.doubts {
            self.file_doubt(Doubt::Existence, &reason);
        }
        for method in methods.found {
            let facts = FunctionFacts {
                argnames: Ok(&[]),
                marks: &method.decorated.marks,
                above: &inner.marks,
                layers: &inner.layers,
                is_unittest: true,
                is_marked_alone: true,
                listed: self.tests.len(),
                place: method.decorated.place.clone(),
            };
            let instance = match expand(&facts, &self.suite.rules, self.objects) {
                Expansion::Tests(instances) => instances.into_iter().next().unwrap_or_default(),
                Expansion::Unknown(instance) => *instance,
                Expansion::Fails(reason) => {
                    self.file_doubt(Doubt::Existence, &reason);
                    continue;
                }
            };
            let Some(mut test) = self.test(
                &inner,
                &method.name,
                &method.function,
                &method.decorated,
                instance,
            ) else {
                continue;
            };
            if let Some(reason) = &method.maybe {
                // What a decorator that is not known leaves of the method, nobody knows.
                for doubt in [
                    Doubt::Existence,
                    Doubt::Markers,
                    Doubt::Keywords,
                    Doubt::Fixtures,
                    Doubt::Location,
                ] {
                    test.unknown.push(self.unknown(doubt, reason));
                }
            }
            self.tests.push(test);
        }
    }
}
