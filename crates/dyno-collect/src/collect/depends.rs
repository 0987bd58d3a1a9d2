//! What an answer of pytest's depended on.

use super::Work;
use crate::cache::{Dependency, Surroundings};
use crate::variables::is_passing;
use dyno_model::{CollectionRecord, Dependencies, RealCollection};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

/// A record of pytest's, by file.
pub(super) struct Record<'a> {
    by_file: HashMap<&'a str, &'a Dependencies>,
    conftests: &'a [String],
    imports: Option<Dependency>,
    now: &'a Surroundings<'a>,
    /// When pytest was asked: what was changed since may not be what it saw.
    asked: SystemTime,
}

impl<'a> Record<'a> {
    pub(super) fn of(
        collection: &'a RealCollection,
        work: &'a Work<'_>,
        asked: SystemTime,
    ) -> Self {
        let CollectionRecord {
            of,
            import_folders,
            import_names,
            ..
        } = &collection.record;
        let folders: Vec<PathBuf> = import_folders.iter().map(PathBuf::from).collect();
        let imports = (!folders.is_empty())
            .then(|| Dependency::imports(folders, import_names.clone(), work.disk));
        Self {
            by_file: of
                .iter()
                .map(|entry| (entry.file.as_str(), entry))
                .collect(),
            conftests: &collection.conftests,
            imports,
            now: &work.store.now,
            asked,
        }
    }

    /// All that the answer for these files depends on, the session's and the conftests'
    /// share included; or why it cannot be kept.
    pub(super) fn needs(&self, files: &[&str]) -> Result<Vec<Dependency>, String> {
        let mut needs: BTreeSet<Dependency> = self.imports.iter().cloned().collect();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut ahead: Vec<&str> = vec![""];
        ahead.extend(files);
        ahead.extend(self.conftests.iter().map(String::as_str));
        while let Some(file) = ahead.pop() {
            if !seen.insert(file) {
                continue;
            }
            if !file.is_empty() {
                needs.insert(Dependency::file(file.into(), self.now.disk));
            }
            let Some(entry) = self.by_file.get(file) else {
                continue;
            };
            if let Some(reason) = entry.uncacheable.first() {
                let who = if file.is_empty() { "the session" } else { file };
                return Err(format!("{who} {reason}"));
            }
            self.add(entry, &mut needs);
            ahead.extend(entry.imports.iter().map(String::as_str));
        }
        match needs.iter().find(|need| self.is_newer(need)) {
            Some(need) => Err(format!("{} was changed meanwhile", need.name())),
            None => Ok(needs.into_iter().collect()),
        }
    }

    fn add(&self, entry: &Dependencies, needs: &mut BTreeSet<Dependency>) {
        let disk = self.now.disk;
        let reads = entry.reads.iter();
        needs.extend(reads.map(|path| Dependency::file(path.into(), disk)));
        let lists = entry.lists.iter();
        needs.extend(lists.map(|path| Dependency::listing(path.into(), disk)));
        let looks = entry.looks.iter();
        needs.extend(looks.map(|look| Dependency::look((&look.path).into(), look.found)));
        needs.extend(entry.binds.iter().map(Dependency::bind));
        // What the process was given is what this command has; what pytest or dyno set for
        // it follows from other things that the answer is kept under.
        // Who reads them all reads each, also those that say nothing of the environment.
        let variables = entry.variables.iter();
        let variables =
            variables.filter(|read| !entry.whole_environment || !is_passing(&read.name));
        needs.extend(variables.map(|read| Dependency::variable(&read.name, self.now)));
        if entry.whole_environment {
            needs.insert(Dependency::environment(self.now));
        }
    }

    /// Whether it may have been changed since pytest was asked: also by pytest, where it
    /// wrote byte code into a folder whose names it had read.
    fn is_newer(&self, need: &Dependency) -> bool {
        let (Dependency::File(path, Some(_)) | Dependency::Listing(path, Some(_))) = need else {
            return false;
        };
        let changed = std::fs::metadata(path).and_then(|found| found.modified());
        changed.is_ok_and(|changed| changed >= self.asked)
    }
}
