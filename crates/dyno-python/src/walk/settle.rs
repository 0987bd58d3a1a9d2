//! Which deeds of functions count: those of functions that may be called at import.

use super::flow::{Deed, Walker};
use super::root::root_of;
use crate::scope::BindingKind;
use std::collections::{HashMap, HashSet};

impl Walker<'_, '_, '_> {
    /// Keeps what is done while the module is imported, and what functions do that may
    /// then be called: those whose name is read there, and special methods.
    pub(super) fn settle(self) {
        let facts = self.facts;
        let mut reached: HashSet<u32> = HashSet::from([0]);
        if self.pending.iter().any(|(function, _)| *function != 0) {
            let mut by_name: HashMap<&str, Vec<u32>> = HashMap::new();
            let mut waiting = vec![0];
            for (offset, function) in &facts.functions {
                let name = function.name.as_str();
                by_name.entry(name).or_default().push(offset + 1);
                let decorated = function.decorator_list.iter().any(|decorator| {
                    root_of(&decorator.expression).name.is_some_and(|name| {
                        !matches!(name, "property" | "staticmethod" | "classmethod")
                            && facts.module.bindings.iter().any(|binding| {
                                binding.name == name
                                    && matches!(
                                        binding.kind,
                                        BindingKind::Function(_) | BindingKind::Class(_)
                                    )
                            })
                    })
                });
                if decorated || (name.starts_with("__") && name.ends_with("__")) {
                    waiting.push(offset + 1);
                }
            }
            waiting.extend(facts.lambdas.keys().map(|offset| offset + 1));
            reached.extend(&waiting);
            let mut mentions: HashMap<u32, Vec<&str>> = HashMap::new();
            for (function, name) in &self.mentions {
                if by_name.contains_key(name) {
                    mentions.entry(*function).or_default().push(name);
                }
            }
            while let Some(function) = waiting.pop() {
                for name in mentions.get(&function).into_iter().flatten() {
                    for called in by_name.get(name).into_iter().flatten() {
                        if reached.insert(*called) {
                            waiting.push(*called);
                        }
                    }
                }
            }
        }
        for (function, deed) in self.pending {
            if !reached.contains(&function) {
                continue;
            }
            match deed {
                Deed::Write(write) => facts.writes.push(write),
                Deed::Apply(applied) => facts.applied.push(applied),
                Deed::Doubt(doubt) => facts.module.doubts.push(doubt),
                Deed::Escape(variable, escape) => {
                    facts.escapes.entry(variable).or_default().push(escape);
                }
            }
        }
        facts.reached = reached;
    }
}
