//! Which files a run need not import, because none of their tests is wanted, and which of
//! the others several processes can share.

use super::asked::Asked;
use super::known::Known;
use super::threads::side_by_side;
use super::{Heard, Work, with_work};
use crate::Disk;
use crate::collection::Source;
use crate::pytest::Pytest;
use crate::request::{CollectError, Request};
use dyno_discover::Apart;
use dyno_discover::layout::{FileRole, LayoutFile};
use dyno_model::RealCollection;
use dyno_select::FileNeed;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

/// What a run has to import, and what it need not.
#[derive(Debug, Default)]
pub struct Imports {
    /// Files that cannot hold a wanted test, each with the number of its tests, all of them
    /// deselected.
    pub unneeded: BTreeMap<PathBuf, u64>,
    /// Files that several processes may share, each importing a part: those that are
    /// needed, in pytest's order. Empty where one process has to import all.
    pub shared: Vec<PathBuf>,
    /// Files that each of these processes has to import, because it changes what is not
    /// their own; their tests belong to one of them.
    pub everywhere: Vec<PathBuf>,
    /// Whether the run's own collection is worth keeping: the text left something open of
    /// a file that it imports.
    pub worth_keeping: bool,
    /// For `--debug`.
    pub debug: Vec<String>,
}

/// What a run wants to know of its imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which files it can do without. It has an expression that selects.
    pub unneeded: bool,
    /// Which files several processes can share.
    pub shared: bool,
}

/// Finds the files that a run need not import. Asks pytest about no test; a file of which
/// the text and the cache leave too much open is imported, and one whose number of tests is
/// not known too, since the run tells how many it left out.
pub fn imports(
    request: &Request,
    pytest: &dyn Pytest,
    disk: &Disk,
    wanted: Wanted,
) -> Result<Imports, CollectError> {
    let (mut imports, heard) = with_work(request, pytest, disk, |work, heard| {
        let whole = work.whole_reasons();
        if let Some(reason) = whole.first() {
            let reason = &reason.reason;
            heard.debug.push(format!("import: every file: {reason}"));
            return Ok(Imports::default());
        }
        let known = work.read(heard, |_| true);
        work.store.save(&work.project.layout().files, heard);
        if let Some((_, why)) = work.crossings(&known).first() {
            let (why, at) = (&why.reason, &why.at);
            heard
                .debug
                .push(format!("import: every file in one process: {why} ({at})"));
            return Ok(Imports::default());
        }
        let mut imports = Imports::default();
        if wanted.unneeded {
            imports = work.imports(&known);
        }
        if wanted.shared {
            work.share(&mut imports, heard);
        }
        Ok(imports)
    })?;
    imports.debug = heard.debug;
    Ok(imports)
}

/// Keeps what pytest collected in a run, for later ones. `asked` is when the run began.
/// Gives what `--debug` would tell.
pub fn keep(
    request: &Request,
    pytest: &dyn Pytest,
    disk: &Disk,
    collection: RealCollection,
    asked: SystemTime,
) -> Result<Vec<String>, CollectError> {
    let ((), heard) = with_work(request, pytest, disk, |work, heard| {
        let collected: HashSet<&str> = collection.files.iter().map(|file| &*file.file).collect();
        let files = &work.project.layout().files;
        let mut known = work.read(heard, |_| true);
        if !work.crossings(&known).is_empty() {
            return Ok(());
        }
        let open: Vec<usize> = (files.iter().zip(&known).enumerate())
            .filter(|(_, (file, known))| {
                is_from_text(known) && !known.tests.is_exact() && collected.contains(&*file.id)
            })
            .map(|(index, _)| index)
            .collect();
        let asked = Asked {
            collection,
            at: asked,
        };
        asked.settle(work, &open, &mut known, heard);
        work.store.save(files, heard);
        Ok(())
    })?;
    Ok(heard.debug)
}

fn is_from_text(known: &Known) -> bool {
    matches!(known.source, Source::Text | Source::KeptText)
}

impl Work<'_> {
    fn imports(&self, known: &[Known]) -> Imports {
        let mut unneeded: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let mut needed: HashSet<PathBuf> = HashSet::new();
        let mut worth_keeping = false;
        for (file, known) in self.project.layout().files.iter().zip(known) {
            // What it says when it is imported is shown and counted, whatever is selected.
            if known.skip.is_some() || !known.failures.is_empty() {
                needed.insert(file.path.clone());
                continue;
            }
            match self.select(file, known).need() {
                FileNeed::Skip {
                    deselected: Some(count),
                } => *unneeded.entry(file.path.clone()).or_default() += count as u64,
                FileNeed::Skip { deselected: None } | FileNeed::Import => {
                    worth_keeping |= is_from_text(known) && !known.tests.is_exact();
                    needed.insert(file.path.clone());
                }
            }
        }
        // A file can be asked for twice.
        unneeded.retain(|path, _| !needed.contains(path));
        Imports {
            unneeded,
            worth_keeping,
            ..Imports::default()
        }
    }

    /// Finds the files that several processes may share.
    fn share(&self, imports: &mut Imports, heard: &mut Heard) {
        let mut because = |reason: String| {
            heard
                .debug
                .push(format!("import: in one process: {reason}"));
        };
        if let Some(reason) = self.project.one_process() {
            return because(reason);
        }
        let mut seen = HashSet::new();
        let files: Vec<&LayoutFile> = (self.project.layout().files.iter())
            .filter(|file| file.role == FileRole::Module)
            .filter(|file| !imports.unneeded.contains_key(&file.path) && seen.insert(&file.path))
            .collect();
        let apart = side_by_side(self.request.threads, files.len(), |index| {
            self.project.apart(files[index])
        });
        let mut shared = Vec::new();
        let mut everywhere = Vec::new();
        for (file, apart) in files.into_iter().zip(apart) {
            match apart {
                Apart::Quiet => shared.push(file.path.clone()),
                Apart::Loud(line) => {
                    let place = format!("{}:{line}", file.id);
                    heard
                        .debug
                        .push(format!("import: in each process: {place}"));
                    everywhere.push(file.path.clone());
                }
                Apart::Never(reason) => {
                    return heard
                        .debug
                        .push(format!("import: in one process: `{}`: {reason}", file.id));
                }
            }
        }
        imports.shared = shared;
        imports.everywhere = everywhere;
    }
}
