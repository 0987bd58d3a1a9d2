//! `--lf`, `--ff`, `--nf` and `--sw`: what pytest's cache says, read and never written.

use super::Work;
use super::known::Known;
use dyno_model::{Files, PytestConfig};
use dyno_select::Verdict;
use dyno_select::cache::{
    FailedPaths, Failures, FileOutcome, KnownIds, Memory, MemoryOptions, NoFailures, Stepwise,
    StepwiseOptions, VisitedFile, st_mtime,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether what the cache does follows from what is known of the tests.
pub(super) fn follows(config: &PytestConfig) -> bool {
    let cache = &config.cache;
    // Where `--lfnf=none` meets an entry that this very collection clears, all go.
    let none = cache.no_last_failed == "none";
    !(cache.clear || none) && (!cache.last_failed || only_folder(config).is_some())
}

/// The one folder that is to be collected. Among several arguments those with failures
/// come first, and names within a file are looked up before `--lf` looks at it.
fn only_folder(config: &PytestConfig) -> Option<PathBuf> {
    let [only] = config.args.as_slice() else {
        return None;
    };
    let given = config.invocation_dir.join(only);
    let mut folder = PathBuf::new();
    for part in given.components() {
        match part {
            std::path::Component::ParentDir => {
                folder.pop();
            }
            part => folder.push(part),
        }
    }
    let plain = !only.contains("::") && !config.pyargs;
    (plain && folder.is_dir()).then_some(folder)
}

/// What is asked of the cache; absent where nothing is.
pub(super) fn options(config: &PytestConfig) -> Option<MemoryOptions> {
    let cache = &config.cache;
    let asks = cache.last_failed || cache.failed_first || cache.new_first || cache.stepwise;
    (asks && follows(config)).then_some(MemoryOptions {
        last_failed: cache.last_failed,
        failed_first: cache.failed_first,
        new_first: cache.new_first,
        no_failures: NoFailures::All,
        stepwise: cache.stepwise.then_some(StepwiseOptions {
            skip: cache.stepwise_skip,
            reset: cache.stepwise_reset,
        }),
    })
}

/// What `--lf` does while pytest collects.
#[derive(Debug)]
pub(super) struct Rerun {
    /// The places of the files, in the order in which pytest comes to them.
    pub(super) order: Vec<usize>,
    /// What becomes of each, by its place.
    pub(super) outcomes: Vec<FileOutcome>,
    /// What is known to have failed.
    pub(super) failures: Failures,
}

impl Rerun {
    /// How many files are not collected.
    pub(super) fn skipped(&self) -> usize {
        let skipped = |outcome: &&FileOutcome| outcome.skipped == Verdict::Keep;
        self.outcomes.iter().filter(skipped).count()
    }
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
            stepwise: Stepwise::read(&text("stepwise"), self.session.config.version),
        }
    }

    /// Why pytest has to be asked what its cache does to these files; absent where it need
    /// not be.
    pub(super) fn forgets(&self, known: &[Known]) -> Option<&'static str> {
        let options = options(&self.session.config)?;
        if self.remembers_collectors(known) {
            return Some("pytest remembers files or classes that could not be collected");
        }
        let counts = options.last_failed || options.stepwise.is_some();
        if counts && known.iter().any(|known| !known.failures.is_empty()) {
            return Some("`--lf` or `--sw` meets an error of collection");
        }
        let unsettled = options.last_failed && self.rerun(known).is_none();
        unsettled.then_some("`--lf` decides by what is not known")
    }

    /// What `--lf` does to the files, if every failure that is known is remembered; absent
    /// where that is not certain of each test, or nothing has failed.
    pub(super) fn rerun(&self, known: &[Known]) -> Option<Rerun> {
        let config = &self.session.config;
        let top = only_folder(config)?;
        let mut failures = self.memory().failures;
        let paths = FailedPaths::of(&failures, &config.rootdir, Path::exists);
        let visited: Vec<VisitedFile<'_>> = (self.project.layout().files.iter().zip(known))
            .map(|(file, known)| VisitedFile {
                path: &file.path,
                argument: 0,
                top: &top,
                chains: &[],
                tests: &known.tests,
            })
            .collect();
        if visited.iter().any(|file| !file.path.starts_with(&top)) {
            return None;
        }
        let order = paths.order(&visited);
        let in_order = order
            .iter()
            .filter_map(|place| visited.get(*place).copied());
        let in_order: Vec<_> = in_order.collect();
        let mut outcomes: Vec<Option<FileOutcome>> = vec![None; visited.len()];
        for (place, outcome) in order.iter().zip(paths.walk(&mut failures, &in_order)) {
            *outcomes.get_mut(*place)? = Some(outcome);
        }
        let outcomes: Vec<FileOutcome> = outcomes.into_iter().collect::<Option<_>>()?;
        let certain = visited.iter().zip(&outcomes).all(|(file, outcome)| {
            let mut tests = file.tests.tests.iter();
            outcome.skipped != Verdict::Ask
                && tests.all(|test| {
                    outcome.collects(&failures, test, file.tests, false) != Verdict::Ask
                })
        });
        certain.then_some(Rerun {
            order,
            outcomes,
            failures,
        })
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
