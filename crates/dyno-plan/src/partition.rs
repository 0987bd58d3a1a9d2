//! A part of the tests, for machines that share a run.

use dyno_model::{Dealing, Item, Partition};
use twox_hash::XxHash3_64;

/// Keeps the tests of one part, and says how many it took out. Templates hold tests in
/// pytest's order; to be dealt out one by one, all must be in the first.
///
/// By hash the part is that of `XXH3_64(node id) mod n`, which is the same on every machine
/// and in every version.
pub fn partition(templates: &mut [Vec<Item>], partition: Partition) -> u64 {
    let (part, of) = (u64::from(partition.part - 1), u64::from(partition.of));
    let mut removed = 0;
    let mut place = 0;
    for items in templates {
        items.retain(|item| {
            let dealt = match partition.by {
                Dealing::Hash => XxHash3_64::oneshot(item.id.as_str().as_bytes()),
                Dealing::Slice => place,
            };
            place += 1;
            let is_kept = dealt % of == part;
            removed += u64::from(!is_kept);
            is_kept
        });
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::{Location, TestId};

    fn items(count: usize) -> Vec<Item> {
        let item = |number| Item {
            id: TestId::new(format!("t.py::test_{number}")).unwrap(),
            location: Location {
                file: "t.py".to_owned(),
                line: None,
                domain: String::new(),
            },
            markers: Vec::new(),
            shares: Vec::new(),
            models: Vec::new(),
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn parts_are_disjoint_and_make_the_whole() {
        for kind in ["hash", "slice"] {
            let mut sizes = Vec::new();
            let mut together = Vec::new();
            for part in 1..=3 {
                let mut templates = [items(100)];
                let removed =
                    partition(&mut templates, format!("{kind}:{part}/3").parse().unwrap());
                assert_eq!(usize::try_from(removed), Ok(100 - templates[0].len()));
                sizes.push(templates[0].len());
                together.extend(templates[0].iter().map(|item| item.id.clone()));
            }
            together.sort();
            together.dedup();
            assert_eq!(together.len(), 100, "{kind}");
            if kind == "slice" {
                assert_eq!(sizes, [34, 33, 33]);
            }
        }
    }

    #[test]
    fn a_tests_part_by_hash_stays_whatever_is_selected() {
        let part = "hash:1/4".parse().unwrap();
        let mut all = [items(50)];
        partition(&mut all, part);
        let mut some = [items(50).split_off(25)];
        partition(&mut some, part);
        assert!(some[0].iter().all(|item| all[0].contains(item)));
        // Whoever changes the hash moves tests from machine to machine.
        assert_eq!(all[0].first().unwrap().id.as_str(), "t.py::test_0");
    }
}
