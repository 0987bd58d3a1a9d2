//! `cache/nodeids`: the tests that were ever collected, by which `--nf` tells new ones.

use super::json::write_list;
use std::collections::{BTreeSet, HashMap};

/// The ids that pytest knows, sorted as Python sorts texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownIds(BTreeSet<String>);

impl KnownIds {
    /// Reads the content of `nodeids`.
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// What pytest would write, which it does at the end of every run that was no mere
    /// collection.
    pub fn write(&self) -> String {
        write_list(self.0.iter().map(String::as_str))
    }

    /// Adds ids.
    pub fn extend<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        self.0.extend(ids.map(str::to_owned));
    }

    /// Whether a test is known.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// The order of `--nf`: new tests, then the others, each by when their file was last
    /// changed, latest first. Of two tests of one id the later one remains, in the place
    /// of the earlier.
    pub(super) fn order<'a>(
        &self,
        items: &[usize],
        id: impl Fn(usize) -> &'a str,
        modified: impl Fn(usize) -> f64,
    ) -> Vec<usize> {
        let (mut new, mut old) = (Vec::new(), Vec::new());
        let mut places: HashMap<&str, usize> = HashMap::new();
        for &item in items {
            let list = if self.contains(id(item)) {
                &mut old
            } else {
                &mut new
            };
            let place = *places.entry(id(item)).or_insert(list.len());
            match list.get_mut(place) {
                Some(earlier) => *earlier = item,
                None => list.push(item),
            }
        }
        for list in [&mut new, &mut old] {
            list.sort_by(|&a, &b| modified(b).total_cmp(&modified(a)));
        }
        new.into_iter().chain(old).collect()
    }
}

/// `st_mtime` as Python computes it (`fill_time` in `posixmodule.c`): two times that are
/// closer than a float can tell are the same.
#[expect(clippy::cast_precision_loss, reason = "Python loses it too")]
pub fn st_mtime(seconds: i64, nanoseconds: u32) -> f64 {
    seconds as f64 + 1e-9 * f64::from(nanoseconds)
}
