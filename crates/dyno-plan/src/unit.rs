//! Which tests must share a process.

use dyno_model::{Item, TemplateId, TestId, UnitId};
use std::collections::HashMap;

/// Tests that run in one process, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its place in the plan.
    pub id: UnitId,
    /// The template whose workers can run it: the one that imported its tests.
    pub template: TemplateId,
    /// Its tests, in pytest's order.
    pub tests: Vec<TestId>,
}

/// How tests are put into units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// One unit with every test: pytest's own order in one process (`-n 1`).
    Whole,
    /// Tests that share a class-, module- or package-scoped fixture of the project's own
    /// stay together; every other test is a unit.
    SharedFixtures,
}

/// Puts the items of each template, in pytest's order, into units ordered by their first
/// test. Templates are numbered from the first on.
pub fn units<'i>(templates: impl IntoIterator<Item = &'i [Item]>, grouping: Grouping) -> Vec<Unit> {
    let mut units = Vec::new();
    for (items, template) in templates.into_iter().zip(0..) {
        units_of(items, TemplateId(template), grouping, &mut units);
    }
    units
}

fn units_of(items: &[Item], template: TemplateId, grouping: Grouping, units: &mut Vec<Unit>) {
    let mut groups = Groups::new(items.len());
    match grouping {
        Grouping::Whole => (1..items.len()).for_each(|index| groups.join(0, index)),
        Grouping::SharedFixtures => {
            let mut first_with = HashMap::new();
            for (index, item) in items.iter().enumerate() {
                for key in &item.shares {
                    let first = *first_with.entry(key.as_str()).or_insert(index);
                    groups.join(first, index);
                }
            }
        }
    }
    let mut place_of = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let place = *place_of.entry(groups.root(index)).or_insert_with(|| {
            let id = UnitId(u32::try_from(units.len()).unwrap_or(u32::MAX));
            units.push(Unit {
                id,
                template,
                tests: Vec::new(),
            });
            units.len() - 1
        });
        units[place].tests.push(item.id.clone());
    }
}

/// Disjoint sets of indices, the root of each being its smallest member.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::Location;
    use proptest::prelude::*;

    fn item(name: usize, shares: &[u8]) -> Item {
        Item {
            id: TestId::new(format!("t.py::test_{name}")).unwrap(),
            location: Location {
                file: "t.py".to_owned(),
                line: None,
                domain: String::new(),
            },
            markers: Vec::new(),
            shares: shares.iter().map(|key| format!("module:{key}")).collect(),
            models: Vec::new(),
        }
    }

    fn names(units: &[Unit]) -> Vec<Vec<&str>> {
        units
            .iter()
            .map(|unit| unit.tests.iter().map(TestId::as_str).collect())
            .collect()
    }

    #[test]
    fn tests_that_share_nothing_are_units_of_their_own() {
        let items = [item(0, &[]), item(1, &[]), item(2, &[])];
        assert_eq!(units([&items[..]], Grouping::SharedFixtures).len(), 3);
        assert_eq!(units([&items[..]], Grouping::Whole).len(), 1);
        assert!(units([&[][..]], Grouping::Whole).is_empty());
    }

    #[test]
    fn sharing_is_transitive_and_keeps_pytests_order() {
        let items = [item(0, &[1]), item(1, &[]), item(2, &[2]), item(3, &[1, 2])];
        assert_eq!(
            names(&units([&items[..]], Grouping::SharedFixtures)),
            [
                vec!["t.py::test_0", "t.py::test_2", "t.py::test_3"],
                vec!["t.py::test_1"]
            ]
        );
    }

    #[test]
    fn tests_of_two_templates_are_never_in_one_unit() {
        let (one, other) = ([item(0, &[1]), item(1, &[1])], [item(2, &[1])]);
        let units = units([&one[..], &other[..]], Grouping::SharedFixtures);
        let places: Vec<_> = units
            .iter()
            .map(|unit| (unit.id.0, unit.template.0))
            .collect();
        assert_eq!(places, [(0, 0), (1, 1)]);
        assert_eq!(names(&units)[1], ["t.py::test_2"]);
    }

    proptest! {
        #[test]
        fn every_test_is_in_one_unit_and_sharers_are_together(
            shares in proptest::collection::vec(proptest::collection::vec(0u8..12, 0..4), 0..40)
        ) {
            let items: Vec<_> = shares.iter().enumerate().map(|(i, s)| item(i, s)).collect();
            let units = units([&items[..]], Grouping::SharedFixtures);
            let mut unit_of = HashMap::new();
            for unit in &units {
                for test in &unit.tests {
                    prop_assert!(unit_of.insert(test.clone(), unit.id).is_none());
                }
            }
            prop_assert_eq!(unit_of.len(), items.len());
            for one in &items {
                for other in &items {
                    if one.shares.iter().any(|key| other.shares.contains(key)) {
                        prop_assert_eq!(unit_of[&one.id], unit_of[&other.id]);
                    }
                }
            }
        }
    }
}
