//! `--ff` and `--nf`: the order that pytest's cache gives, read and never written.
//!
//! `--lf` and `--sw` change what is collected and counted, so pytest is asked for those.

use super::Work;
use super::known::Known;
use dyno_model::{Files, PytestConfig};
use dyno_select::cache::{Failures, KnownIds, Memory, MemoryOptions, NoFailures, st_mtime};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether the cache only orders, in a way that follows from what is known of the tests.
pub(super) fn only_orders(config: &PytestConfig) -> bool {
    let cache = &config.cache;
    // Where `--lfnf=none` meets an entry that this very collection clears, all go.
    let none = cache.no_last_failed == "none";
    !(cache.last_failed || cache.stepwise || cache.clear || none)
}

/// What `--ff` and `--nf` ask of the cache; absent without them.
pub(super) fn options(config: &PytestConfig) -> Option<MemoryOptions> {
    let cache = &config.cache;
    let asks = cache.failed_first || cache.new_first;
    (asks && only_orders(config)).then_some(MemoryOptions {
        failed_first: cache.failed_first,
        new_first: cache.new_first,
        no_failures: NoFailures::All,
        ..MemoryOptions::default()
    })
}

impl Work<'_> {
    /// What pytest remembers.
    pub(super) fn memory(&self) -> Memory {
        let folder = self.session.config.cache.dir.join("v/cache");
        let text = |name: &str| {
            let content = self.disk.read(&folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&content).into_owned()
        };
        Memory {
            failures: Failures::read(&text("lastfailed")),
            known_ids: KnownIds::read(&text("nodeids")),
            ..Memory::default()
        }
    }

    /// Whether pytest remembers that a file or a class could not be collected: collecting
    /// it puts its tests in the place of that entry.
    pub(super) fn remembers_collectors(&self, known: &[Known]) -> bool {
        if options(&self.session.config).is_none() {
            return false;
        }
        let memory = self.memory();
        let mut failed = memory.failures.ids();
        failed.any(|id| {
            let holds = |test: &str| {
                let below = test.strip_prefix(id);
                below.is_some_and(|below| below.starts_with("::"))
            };
            let mut tests = known.iter().flat_map(|known| &known.tests.tests);
            !id.contains("::") || tests.any(|found| holds(found.test.item.id.as_str()))
        })
    }
}

/// When a file was last changed, as Python tells it.
pub(super) fn modified(path: &Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |found| {
        let nanoseconds = u32::try_from(found.mtime_nsec()).unwrap_or_default();
        st_mtime(found.mtime(), nanoseconds)
    })
}
