//! From the calls of a function to its tests: every combination of their choices.

use super::Expander;
use crate::mark::Mark;
use crate::parametrize::Instance;
use crate::parametrize::call::{Choice, Parametrization};
use crate::parametrize::key::{Key, key};
use dyno_model::{Doubt, Marker, Param, Scope, Unknown, UsedFixture};
use dyno_python::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// One test in the making: the choice of each call.
type Chosen = Vec<usize>;
impl Expander<'_> {
    /// All tests.
    pub(super) fn instances(&self) -> Vec<Instance> {
        let mut shared = Instance {
            fixtures: self.used_fixtures(),
            ..Instance::default()
        };
        if let Some(reason) = self.closure.unknown_scope() {
            shared.doubts.push(unknown(Doubt::Fixtures, reason));
        }
        for mark in self.lists().iter().flat_map(|list| &list.marks) {
            if let Some(reason) = &mark.more {
                shared.doubts.push(unknown(Doubt::Markers, reason));
            }
        }
        let own = markers(&self.function.marks.marks);
        let above: Vec<Marker> = (self.function.above.iter())
            .flat_map(|list| markers(&list.marks))
            .collect();
        let chosen = self.product();
        let mut instances = Vec::with_capacity(chosen.len());
        for (position, chosen) in chosen.iter().enumerate() {
            let mut instance = shared.clone();
            self.choose(chosen, position, &mut instance);
            instance.markers.reserve_exact(own.len() + above.len());
            instance.markers.extend(own.iter().cloned());
            instance.markers.extend(markers(&instance.row_marks));
            instance.markers.extend(above.iter().cloned());
            instances.push(instance);
        }
        instances
    }

    /// All combinations, the choices of the last call changing fastest.
    fn product(&self) -> Vec<Chosen> {
        let mut all: Vec<Chosen> = vec![Vec::new()];
        for call in &self.calls {
            let mut next = Vec::with_capacity(all.len() * call.choices.len());
            for chosen in &all {
                for choice in 0..call.choices.len() {
                    let mut longer = Vec::with_capacity(self.calls.len());
                    longer.extend_from_slice(chosen);
                    longer.push(choice);
                    next.push(longer);
                }
            }
            all = next;
        }
        all
    }

    fn choose(&self, chosen: &Chosen, position: usize, instance: &mut Instance) {
        let mut parts: Vec<&str> = Vec::with_capacity(chosen.len());
        for (call, &index) in self.calls.iter().zip(chosen) {
            let Some(choice) = call.choices.get(index) else {
                continue;
            };
            parts.extend(choice.id.as_deref());
            instance
                .row_marks
                .extend(choice.marks.marks.iter().cloned());
            if let Some(reason) = &choice.marks.more {
                instance.doubts.push(unknown(Doubt::Markers, reason));
            }
            self.parameters(call, choice, index, position, instance);
        }
        // 8.4, which brought hidden parameters, leaves out brackets that would be empty.
        instance.brackets = (!parts.is_empty()).then(|| parts.join("-"));
    }

    fn parameters(
        &self,
        call: &Parametrization,
        choice: &Choice,
        index: usize,
        position: usize,
        instance: &mut Instance,
    ) {
        let rules = self.naming.rules;
        for ((name, &direct), value) in call.names.iter().zip(&call.direct).zip(&choice.values) {
            // 8.4 counts the values that a test gets itself over all its instances.
            let index = if direct && rules.since(8, 4) {
                position
            } else {
                index
            };
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let mut key_text = String::new();
            if call.scope > Scope::Function {
                let found = match value {
                    _ if !rules.since(9, 2) => Key::Index,
                    Some(value) => key(value),
                    None => Key::Unknown,
                };
                key_text = match found {
                    Key::Value(text) => text,
                    Key::Index => format!("#{index}"),
                    Key::Unknown => {
                        let what = format!("which values of `{name}` are equal");
                        let reason = self.naming.place.reason(what);
                        instance.doubts.push(unknown(Doubt::Order, &reason));
                        format!("?{index}")
                    }
                };
            }
            instance.params.push(Param {
                name: name.to_string(),
                scope: call.scope,
                index,
                key: key_text,
            });
        }
    }

    fn used_fixtures(&self) -> Vec<UsedFixture> {
        let mut parameters: HashMap<&str, Scope> = HashMap::new();
        for call in &self.calls {
            for (name, _) in call
                .names
                .iter()
                .zip(&call.direct)
                .filter(|(_, direct)| **direct)
            {
                parameters.insert(name, call.scope);
            }
        }
        let fixture = |name: &Arc<str>| match parameters.get(&**name) {
            Some(scope) => UsedFixture {
                name: name.to_string(),
                scope: Some(*scope),
                models: Vec::new(),
            },
            None => UsedFixture {
                name: name.to_string(),
                scope: (self.closure.nearest(name))
                    .and_then(|definition| definition.scope.clone().ok()),
                models: self.closure.models(name),
            },
        };
        self.closure.names.iter().map(fixture).collect()
    }

    /// The one test of a method of a `TestCase`, whose fixtures are not known.
    pub(super) fn test_case(&self, reason: &Reason) -> Instance {
        let lists = self.lists();
        let mut doubts = vec![unknown(Doubt::Fixtures, reason)];
        if let Some(reason) = lists.iter().find_map(|list| list.more.as_ref()) {
            doubts.push(unknown(Doubt::Markers, reason));
        }
        Instance {
            markers: lists.iter().flat_map(|list| markers(&list.marks)).collect(),
            doubts,
            ..Instance::default()
        }
    }

    /// The function without brackets, for tests that are not known.
    pub(super) fn family(&self, reason: &Reason, marks: bool) -> Instance {
        let lists = self.lists();
        let mut doubts = vec![unknown(Doubt::Ids, reason)];
        if marks {
            doubts.push(unknown(Doubt::Markers, reason));
        }
        doubts.push(unknown(Doubt::Fixtures, reason));
        doubts.push(unknown(Doubt::Order, reason));
        Instance {
            markers: lists.iter().flat_map(|list| markers(&list.marks)).collect(),
            fixtures: self.used_fixtures(),
            doubts,
            ..Instance::default()
        }
    }
}

fn markers(marks: &[Mark]) -> Vec<Marker> {
    let told = marks.iter().filter(|mark| &*mark.name != "parametrize");
    told.map(Mark::marker).collect()
}

fn unknown(doubt: Doubt, reason: &Reason) -> Unknown {
    Unknown::new(doubt, &*reason.text).at(&reason.file, reason.line)
}
