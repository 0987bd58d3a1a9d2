//! `--changed`: the files whose tests a change can affect.

use super::threads::side_by_side;
use super::{Heard, Work};
use crate::collection::{Collection, Listed};
use crate::git::Changed;
use dyno_discover::Project;
use dyno_discover::changed::{
    Affected, Changes, FileDependencies, affected, is_conftest, keeps_to_its_folder,
};
use dyno_discover::layout::LayoutFile;
use dyno_model::Files;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// What one module says of files that it reads.
#[derive(Default)]
struct Reads {
    named: BTreeSet<PathBuf>,
    /// Why it may read others.
    others: Option<String>,
}

impl Work<'_> {
    /// Whether the changed paths can affect the tests of each file.
    pub(super) fn affected(&self, changed: &Changed, heard: &mut Heard) -> Vec<Affected> {
        let project = self.project;
        let files = &project.layout().files;
        let mut dependencies = side_by_side(self.request.threads, files.len(), |index| {
            files
                .get(index)
                .map(|file| dependencies_of(project, file))
                .unwrap_or_default()
        });
        self.add_reads(&mut dependencies);
        let local = |path: &&PathBuf| is_conftest(path) && self.is_local(path, changed);
        let touched_paths = Changes {
            paths: changed.paths.clone(),
            local_conftests: changed.paths.iter().filter(local).cloned().collect(),
        };
        let verdicts = affected(&touched_paths, &dependencies);
        let touched = verdicts.iter().filter(|verdict| **verdict != Affected::No);
        heard.notes.push(format!(
            "{} of {} files can be affected by {} changed paths",
            touched.count(),
            files.len(),
            changed.paths.len()
        ));
        verdicts
    }

    /// Adds the files that modules name, each module looked at once.
    fn add_reads(&self, dependencies: &mut [FileDependencies]) {
        let modules = dependencies.iter().flat_map(|file| &file.present).cloned();
        let modules: BTreeSet<PathBuf> = modules.collect();
        let modules: Vec<PathBuf> = modules.into_iter().collect();
        let project = self.project;
        let reads = side_by_side(self.request.threads, modules.len(), |index| {
            let Some(path) = modules.get(index) else {
                return Reads::default();
            };
            Reads {
                named: project.named_paths(path),
                others: project.reads_unnamed(path),
            }
        });
        let reads: HashMap<&Path, Reads> =
            modules.iter().map(PathBuf::as_path).zip(reads).collect();
        for file in dependencies {
            for module in &file.present {
                let Some(reads) = reads.get(module.as_path()) else {
                    continue;
                };
                file.named.extend(reads.named.iter().cloned());
                if file.reads.is_none() {
                    file.reads.clone_from(&reads.others);
                }
            }
        }
    }

    /// Whether a conftest kept to its folder before the change, and still does.
    fn is_local(&self, path: &Path, changed: &Changed) -> bool {
        let now = self.disk.read(path);
        let before = changed.conftests_before.get(path);
        match (now, before) {
            (Some(now), Some(before)) => {
                let before = before.as_deref();
                keeps_to_its_folder(&now) && before.is_none_or(keeps_to_its_folder)
            }
            _ => false,
        }
    }

    /// Leaves the tests of affected files, each file with the reason.
    pub(super) fn keep_affected(&self, verdicts: &[Affected], collection: &mut Collection) {
        let files = self.project.layout().files.iter().zip(verdicts);
        // A file may stand there twice; what concerns it once concerns it.
        let mut reasons: HashMap<&str, Option<&String>> = HashMap::new();
        for (file, verdict) in files {
            let known = reasons.entry(&file.id).or_default();
            if let Affected::Yes(reason) = verdict {
                known.get_or_insert(reason);
            }
        }
        for file in &mut collection.files {
            file.affected = match reasons.get(file.id.as_str()) {
                Some(reason) => reason.cloned(),
                None => Some("a plugin brings the file, and what it reads is not known".to_owned()),
            };
        }
        let files = &collection.files;
        // A test of no file is a hook's, and what that looks at is not known.
        let stays = |listed: &Listed| {
            let file = files.get(listed.file);
            file.is_none_or(|file| file.affected.is_some())
        };
        collection.tests.retain(stays);
    }
}

fn dependencies_of(project: &Project<'_>, file: &LayoutFile) -> FileDependencies {
    let closure = project.tell(file).closure;
    FileDependencies {
        file: file.path.clone(),
        conftests: file.conftests.to_vec(),
        present: closure.present,
        absent: closure.absent,
        unknown: closure.unknown.iter().map(ToString::to_string).collect(),
        ..FileDependencies::default()
    }
}
