//! Which files need be imported under `--lf` and its kin.
//!
//! Three rules keep a run with files left out equal to one without:
//!
//! - Under `--sw` every file is needed: the number of all tests decides whether its
//!   memory is stale.
//! - Under `--lf` a file that holds a known failure is needed, whatever `-m` says of its
//!   tests: that it shows its failure is what makes pytest skip others.
//! - Under `--lf` other files may be left out only if some known failure surely runs; if
//!   none does, pytest runs everything.

use super::{FailedPaths, Failures, FileOutcome, MemoryOptions, NoFailures, VisitedFile};
use crate::doubts::Doubts;
use crate::selection::{FileNeed, FileSelection};
use crate::verdict::{Presence, Verdict};

/// A file with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct LentFile<'a> {
    /// The file.
    pub file: VisitedFile<'a>,
    /// What became of it under `--lf`; ignored without that option.
    pub outcome: FileOutcome,
    /// What is wanted of it.
    pub selection: &'a FileSelection,
}

/// Whether each of the files need be imported. `failures` are those that
/// [`FailedPaths::walk`] left.
pub fn needs(
    options: MemoryOptions,
    failures: &Failures,
    paths: &FailedPaths,
    files: &[LentFile<'_>],
) -> Vec<FileNeed> {
    let need: &dyn Fn(&LentFile<'_>) -> FileNeed = match options {
        MemoryOptions {
            stepwise: Some(_), ..
        } => &|_| FileNeed::Import,
        // `--ff` takes nothing away, but for this.
        _ if (options.last_failed || options.failed_first) && failures.is_empty() => {
            match options.no_failures {
                NoFailures::All => &|file| file.selection.need(),
                NoFailures::None => &|file| file.selection.need_of_none(),
            }
        }
        _ if !options.last_failed => &|file| file.selection.need(),
        _ if files.iter().any(|file| surely_reruns(failures, file)) => {
            &|file| under_last_failed(paths, file, FileSelection::need_of_none)
        }
        _ => &|file| under_last_failed(paths, file, FileSelection::need),
    };
    files.iter().map(need).collect()
}

/// Whether a test of the file is a known failure, is there, and is wanted.
fn surely_reruns(failures: &Failures, lent: &LentFile<'_>) -> bool {
    let file = lent.file.tests;
    let mut tests = file.tests.iter().zip(&lent.selection.tests);
    lent.outcome.skipped == Verdict::Drop
        && lent.selection.misuse.is_none()
        && tests.any(|(test, selected)| {
            selected.verdict == Verdict::Keep
                && selected.presence == Presence::One
                && failures.verdict(&test.test, Doubts::of_test(test, file)) == Verdict::Keep
        })
}

fn under_last_failed(
    paths: &FailedPaths,
    lent: &LentFile<'_>,
    need: impl Fn(&FileSelection) -> FileNeed,
) -> FileNeed {
    if paths.contains(lent.file.path) {
        return FileNeed::Import;
    }
    match (lent.outcome.skipped, need(lent.selection)) {
        (Verdict::Keep, _) => FileNeed::Skip {
            deselected: Some(0),
        },
        (Verdict::Ask, FileNeed::Skip { .. }) => FileNeed::Skip { deselected: None },
        (_, need) => need,
    }
}
