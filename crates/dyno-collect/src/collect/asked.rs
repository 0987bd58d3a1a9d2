//! pytest's answer for the files that the text leaves open.

use super::depends::Record;
use super::known::{FileAnswer, Known, MODULE};
use super::{Heard, Work};
use crate::cache::Made;
use crate::collection::Source;
use crate::request::CollectError;
use dyno_model::{CollectFailure, RealCollection, Shared, Unknown};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

/// An answer.
pub(super) struct Asked {
    pub(super) collection: RealCollection,
    /// When it was asked for.
    pub(super) at: SystemTime,
}

impl Asked {
    /// Asks for the files at these places, all in one process.
    pub(super) fn ask(
        work: &Work<'_>,
        open: &[usize],
        heard: &mut Heard,
    ) -> Result<Self, CollectError> {
        let files = &work.project.layout().files;
        let mut import: Vec<PathBuf> = open
            .iter()
            .filter_map(|index| files.get(*index))
            .map(|file| file.path.clone())
            .collect();
        import.dedup();
        heard.debug.push(format!(
            "pytest: asked about {} of {} files",
            import.len(),
            files.len()
        ));
        Self::of(work, Some(&import))
    }

    /// Asks for these files, or for all.
    pub(super) fn of(work: &Work<'_>, import: Option<&[PathBuf]>) -> Result<Self, CollectError> {
        let args: Vec<OsString> = work.request.args.iter().map(OsString::from).collect();
        let at = SystemTime::now();
        let told = work.pytest.collect(&args, import)?;
        match told.answer {
            Some(collection) => Ok(Self { collection, at }),
            None => Err(CollectError::Pytest {
                code: told.code,
                stdout: told.stdout,
                stderr: told.stderr,
            }),
        }
    }

    /// Puts the answer in the place of what was known, and keeps it. Gives pytest's errors
    /// that are of none of these files.
    pub(super) fn settle(
        &self,
        work: &Work<'_>,
        open: &[usize],
        known: &mut [Known],
        heard: &mut Heard,
    ) -> Vec<CollectFailure> {
        let record = Record::of(&self.collection, work, self.at);
        for &index in open {
            let (Some(file), Some(known)) =
                (work.project.layout().files.get(index), known.get_mut(index))
            else {
                continue;
            };
            let Some(mut answer) = self.of_file(&file.id) else {
                known.failures.push(CollectFailure {
                    node: file.id.clone(),
                    longrepr: "pytest ended before it came to this file".to_owned(),
                    crash: None,
                });
                continue;
            };
            answer.open = left_open(known);
            answer.shared = known.tests.shared.clone();
            let path = file.path.to_string_lossy();
            match record.needs(&[&path]) {
                Ok(mut needs) => {
                    needs.append(&mut known.needs);
                    needs.sort_unstable();
                    needs.dedup();
                    let asked = work.store.question_of_pytest(work.store.question(file));
                    work.store
                        .keep(&file.id, Made::ByPytest, asked, needs, &answer);
                }
                Err(reason) => heard
                    .debug
                    .push(format!("cache: {}: not kept: {reason}", file.id)),
            }
            let empty = std::mem::replace(known, Known::nothing());
            *known = empty.with_answer(&file.id, answer, Source::Pytest);
        }
        let is_of_none = |failure: &&CollectFailure| {
            !open.iter().any(|index| {
                let file = work.project.layout().files.get(*index);
                file.is_some_and(|file| is_within(&failure.node, &file.id))
            })
        };
        let failures = self.collection.failures.iter();
        failures.filter(is_of_none).cloned().collect()
    }

    /// What the answer says of a file; absent where pytest did not come to it.
    fn of_file(&self, id: &str) -> Option<FileAnswer> {
        let collection = &self.collection;
        let collectors = collection.files.iter().filter(|file| file.file == id);
        let failures: Vec<_> = collection
            .failures
            .iter()
            .filter(|failure| is_within(&failure.node, id))
            .cloned()
            .collect();
        let skip = collection.skips.iter().find(|skip| skip.node == id);
        let mut kind = None;
        let mut tests = Vec::new();
        for collector in collectors {
            let class = collector.collector.rsplit('.').next();
            kind.get_or_insert_with(|| class.unwrap_or(MODULE).to_owned());
            tests.extend(collector.tests.iter().cloned());
        }
        // A file that pytest passed over, as a hook can have it, holds nothing; but one
        // that comes after an error that ended the collection is not known.
        let is_missing = kind.is_none() && failures.is_empty() && skip.is_none();
        if is_missing && !collection.failures.is_empty() {
            return None;
        }
        Some(FileAnswer {
            tests,
            failures,
            skip: skip.map(|skip| skip.skip.clone()),
            kind: kind.unwrap_or_else(|| MODULE.to_owned()),
            open: Vec::new(),
            shared: Shared::default(),
        })
    }
}

/// Whether a node is the file or stands in it.
fn is_within(node: &str, file: &str) -> bool {
    node.strip_prefix(file)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What the text leaves open, each thing once.
fn left_open(known: &Known) -> Vec<Unknown> {
    let tests = known.tests.tests.iter();
    let mut open = known.tests.unknown.clone();
    for unknown in tests.flat_map(|found| &found.unknown) {
        if !open.contains(unknown) {
            open.push(unknown.clone());
        }
    }
    open
}
