//! The tests of one function: its instances, with what plugins add to them.

use super::node::Node;
use super::{Walk, relative};
use crate::hooks::AnyioMode;
use crate::mark::Mark;
use crate::module::function::Decorated;
use crate::parametrize::{Expansion, FunctionFacts, Instance, expand, family};
use dyno_model::{Doubt, FoundTest, Item, Location, Marker, Test, TestId, Unknown};
use dyno_python::text_size::Ranged;
use dyno_python::{Function, Reason, Value};
use std::sync::Arc;

impl Walk<'_> {
    /// Adds the tests that a function makes. With a `doubt`, any number of them.
    pub(super) fn expand(
        &mut self,
        node: &Node<'_>,
        name: &str,
        function: &Function,
        decorated: &Decorated,
        doubt: Option<&Reason>,
    ) {
        let (mut argnames, _) = decorated.argnames(node.in_class);
        let patched = node.patched.min(argnames.len());
        argnames.drain(..patched);
        let with_backend = self.takes_anyio(node, decorated).then(|| {
            let mut marks = decorated.marks.clone();
            marks.marks.push(Mark {
                name: "usefixtures".into(),
                args: vec![Value::str("anyio_backend")],
                kwargs: Vec::new(),
                more: None,
                place: decorated.place.clone(),
            });
            marks
        });
        let facts = FunctionFacts {
            argnames: doubt.map_or(Ok(&argnames), |reason| Err(reason.clone())),
            marks: with_backend.as_ref().unwrap_or(&decorated.marks),
            above: &node.marks,
            layers: &node.layers,
            is_unittest: false,
            is_marked_alone: decorated.marks_are_written && self.is_own(node, function),
            listed: self.tests.len(),
            place: decorated.place.clone(),
        };
        let instances = match expand(&facts, &self.suite.rules, self.objects) {
            Expansion::Tests(instances) => {
                let used = instances.first().map(|first| first.fixtures.as_slice());
                let used = used
                    .unwrap_or_default()
                    .iter()
                    .map(|fixture| &*fixture.name);
                match self.hooks.ids(&used) {
                    None => instances,
                    Some(hook) => {
                        let reason = Reason {
                            text: hook.reason.as_str().into(),
                            file: "".into(),
                            line: 0,
                        };
                        let mut whole = family(&facts, &self.suite.rules, self.objects, &reason);
                        for doubt in &mut whole.doubts {
                            doubt.at.clone_from(&hook.at);
                        }
                        vec![whole]
                    }
                }
            }
            Expansion::Unknown(instance) => vec![*instance],
            Expansion::Fails(reason) => {
                self.file_doubt(Doubt::Existence, &reason);
                return;
            }
        };
        let parametrized = decorated
            .marks
            .marks
            .iter()
            .chain(node.marks.iter().flat_map(|list| &list.marks))
            .any(|mark| &*mark.name == "parametrize");
        let own_marks = facts.marks.marks.iter();
        let own = own_marks
            .filter(|mark| &*mark.name != "parametrize")
            .count();
        for instance in instances {
            let own = own
                + instance
                    .row_marks
                    .iter()
                    .filter(|mark| &*mark.name != "parametrize")
                    .count();
            let Some(mut test) = self.test(node, name, function, decorated, instance) else {
                continue;
            };
            let mut own = own;
            self.mark_coroutine(decorated, &mut own, &mut test);
            self.mark_given(decorated, own, &mut test);
            if parametrized {
                test.test.keywords.push("parametrize".to_owned());
            }
            if let Some(reason) = doubt {
                for kind in [
                    Doubt::Existence,
                    Doubt::Ids,
                    Doubt::Markers,
                    Doubt::Keywords,
                    Doubt::Location,
                ] {
                    let unknown = self.unknown(kind, reason);
                    test.unknown.push(unknown);
                }
            }
            self.tests.push(test);
        }
    }

    /// Whether a function is written in the module or class that is collected, and so is
    /// not shared with another.
    fn is_own(&self, node: &Node<'_>, function: &Function) -> bool {
        if function.module.path != self.module.path {
            return false;
        }
        let Some(class) = node.class else {
            return true;
        };
        let written = class.module.class_at(class.offset).map(Ranged::range);
        written.is_some_and(|range| range.contains(function.offset.into()))
    }

    /// Whether anyio's plugin lets a function use its backend: a coroutine that bears its
    /// mark or stands below one, or any in its auto mode.
    fn takes_anyio(&self, node: &Node<'_>, decorated: &Decorated) -> bool {
        let Some(mode) = self.hooks.anyio() else {
            return false;
        };
        let lists = node.marks.iter().copied().chain([&decorated.marks]);
        let marked = || {
            let mut marks = lists.flat_map(|list| &list.marks);
            marks.any(|mark| &*mark.name == "anyio")
        };
        decorated.is_async && !decorated.is_generator && (mode == AnyioMode::Auto || marked())
    }

    /// What pytest-asyncio adds to a coroutine in auto mode.
    fn mark_coroutine(&self, decorated: &Decorated, own: &mut usize, test: &mut FoundTest) {
        if !self.hooks.asyncio_auto() || !decorated.is_async {
            return;
        }
        let markers = &mut test.test.item.markers;
        if !markers.iter().any(|marker| marker.name == "asyncio") {
            let asyncio = Marker {
                name: "asyncio".to_owned(),
                args: Vec::new(),
                kwargs: Vec::new(),
            };
            markers.insert((*own).min(markers.len()), asyncio);
            *own += 1;
        }
        if decorated.is_generator {
            let reason = decorated
                .place
                .reason("pytest-asyncio expects generators to fail");
            let mut unknown = self.unknown(Doubt::Markers, &reason);
            unknown.names = vec!["xfail".to_owned()];
            test.unknown.push(unknown);
        }
    }

    /// What Hypothesis' plugin adds to a test that is given data.
    fn mark_given(&self, decorated: &Decorated, own: usize, test: &mut FoundTest) {
        if decorated.is_given && self.hooks.hypothesis() {
            let markers = &mut test.test.item.markers;
            let given = Marker {
                name: "hypothesis".to_owned(),
                args: Vec::new(),
                kwargs: Vec::new(),
            };
            markers.insert(own.min(markers.len()), given);
        }
    }

    /// A found test of an instance.
    pub(super) fn test(
        &self,
        node: &Node<'_>,
        name: &str,
        function: &Function,
        decorated: &Decorated,
        instance: Instance,
    ) -> Option<FoundTest> {
        let brackets = instance
            .brackets
            .map(|text| format!("[{text}]"))
            .unwrap_or_default();
        let domain = match node.domain.as_str() {
            "" => format!("{name}{brackets}"),
            outer => format!("{outer}.{name}{brackets}"),
        };
        let mut unknown: Vec<Unknown> = instance.doubts;
        if let Some(reason) = &decorated.more_keywords {
            unknown.push(self.unknown(Doubt::Keywords, reason));
        }
        let mut keywords: Vec<String> = Vec::new();
        for keyword in &decorated.keywords {
            if !keywords.iter().any(|known| known == keyword) {
                keywords.push((*keyword).to_owned());
            }
        }
        let file = if Arc::ptr_eq(&function.module, &self.module) {
            self.file.clone()
        } else {
            relative(&self.suite.config.rootdir, &function.module.path)
        };
        Some(FoundTest {
            test: Test {
                item: Item {
                    // Never empty: it has a `::`.
                    id: TestId::new(format!("{}::{name}{brackets}", node.id)).ok()?,
                    location: Location {
                        file,
                        line: Some(decorated.place.line.saturating_sub(1)),
                        domain,
                    },
                    markers: instance.markers,
                    shares: Vec::new(),
                    models: Vec::new(),
                },
                keywords,
                fixtures: instance.fixtures,
                params: instance.params,
            },
            unknown,
        })
    }
}
