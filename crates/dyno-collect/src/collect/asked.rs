//! pytest's answer for the files that the text leaves open.

use super::depends::Record;
use super::known::{FileAnswer, Known, MODULE};
use super::{Heard, Work};
use crate::cache::Made;
use crate::collection::Source;
use crate::request::CollectError;
use dyno_model::{CollectFailure, RealCollection, Shared, Unknown, python_text};
use std::collections::HashSet;
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
        // Else the folder that is made later would be one more than pytest saw.
        work.store.make_room();
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
            let mut answer = self.of_file(&file.id);
            answer.open = left_open(known);
            answer.shared = known.tests.shared.clone();
            // A conftest that could not be loaded is not among those that pytest tells of.
            let read = [&file.path].into_iter().chain(&*file.conftests);
            let read: Vec<_> = read.map(|path| python_text(path.as_os_str())).collect();
            let read: Vec<&str> = read.iter().map(AsRef::as_ref).collect();
            match record.needs(&read) {
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
        // Of files that were not asked about nothing is said, as nothing is when they are
        // not imported.
        let files: HashSet<&str> = work
            .project
            .layout()
            .files
            .iter()
            .map(|file| &*file.id)
            .collect();
        let is_of_none = |failure: &&CollectFailure| {
            let file = failure.node.split("::").next().unwrap_or_default();
            let mut asked = open.iter().filter_map(|index| known.get(*index));
            !files.contains(file) && !asked.any(|known| known.failures.contains(failure))
        };
        let failures = self.collection.failures.iter();
        failures.filter(is_of_none).cloned().collect()
    }

    /// What the answer says of a file. A collection that ends early (`-x`, a plugin) has no
    /// answer, so a file that is missing here was passed over, as a hook can have it, and
    /// holds nothing; or the folder that it is in could not be collected.
    fn of_file(&self, id: &str) -> FileAnswer {
        let collection = &self.collection;
        let collectors = collection.files.iter().filter(|file| file.file == id);
        let failures = |is_concerned: &dyn Fn(&str) -> bool| -> Vec<CollectFailure> {
            let failures = collection.failures.iter();
            let failures = failures.filter(|failure| is_concerned(&failure.node));
            failures.cloned().collect()
        };
        let mut of_file = failures(&|node| is_within(node, id));
        let skip = collection.skips.iter().find(|skip| skip.node == id);
        let mut kind = None;
        let mut tests = Vec::new();
        for collector in collectors {
            let class = collector.collector.rsplit('.').next();
            kind.get_or_insert_with(|| class.unwrap_or(MODULE).to_owned());
            tests.extend(collector.tests.iter().cloned());
        }
        if kind.is_none() && of_file.is_empty() && skip.is_none() {
            of_file = failures(&|node| is_above(node, id));
        }
        FileAnswer {
            tests,
            failures: of_file,
            skip: skip.map(|skip| skip.skip.clone()),
            kind: kind.unwrap_or_else(|| MODULE.to_owned()),
            open: Vec::new(),
            shared: Shared::default(),
        }
    }
}

/// Whether a node is the file or stands in it.
fn is_within(node: &str, file: &str) -> bool {
    node.strip_prefix(file)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a node is a folder that the file is in; the session and the root directory are
/// above everything.
pub(super) fn is_above(node: &str, file: &str) -> bool {
    matches!(node, "" | ".")
        || file
            .strip_prefix(node)
            .is_some_and(|rest| rest.starts_with('/'))
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
