//! Order and selection over everything that is known.

use super::known::Known;
use super::{Heard, Work, memory};
use crate::collection::{Collection, File, Folder, Listed};
use crate::request::CollectError;
use crate::verbosity::verbosity;
use crate::verification::last_line;
use dyno_discover::layout::LayoutFile;
use dyno_discover::order::{TestParams, reorder};
use dyno_model::{CollectFailure, Doubt, FileTests, FoundTest, Unknown, python_text};
use dyno_select::cache::choose;
use dyno_select::{Presence, Verdict};
use std::collections::HashMap;
use std::path::Path;

/// A test that is collected, and what becomes of it.
struct Candidate {
    found: FoundTest,
    file: usize,
    selected: bool,
}

impl Work<'_> {
    pub(super) fn finish(
        &self,
        known: Vec<Known>,
        mut errors: Vec<CollectFailure>,
        whole: &[Unknown],
        heard: &mut Heard,
    ) -> Result<Collection, CollectError> {
        let mut files = Vec::with_capacity(known.len());
        // Of many thousands, and large: room that is not needed would tell.
        let all = known.iter().map(|known| known.tests.tests.len()).sum();
        let mut candidates = Vec::with_capacity(all);
        let options = memory::options(&self.session.config);
        let last_failed = options.is_some_and(|options| options.last_failed);
        let rerun = last_failed.then(|| self.rerun(&known)).flatten();
        for (index, (layout, known)) in self.project.layout().files.iter().zip(known).enumerate() {
            let outcome = rerun.as_ref().and_then(|rerun| rerun.outcomes.get(index));
            let failures = rerun.as_ref().map(|rerun| &rerun.failures);
            let stays = |test: &FoundTest, tests: &FileTests| {
                outcome.zip(failures).is_none_or(|(outcome, failures)| {
                    outcome.collects(failures, test, tests, false) != Verdict::Drop
                })
            };
            let selection = self.select(layout, &known);
            if let Some(misuse) = selection.misuse {
                return Err(CollectError::Usage(misuse.to_string()));
            }
            let (file, of_file) = shown(layout, &known, heard);
            // That of a folder is every file's in it.
            let new = of_file
                .into_iter()
                .filter(|error| error.node == layout.id || !errors.contains(error));
            let new: Vec<_> = new.collect();
            errors.extend(new);
            files.push(File {
                open: open(file.open, whole, &known),
                ..file
            });
            let tests = known.tests.tests.iter();
            let stay: Vec<bool> = tests.map(|test| stays(test, &known.tests)).collect();
            let tests = known.tests.tests.into_iter().zip(selection.tests);
            for ((found, selected), stays) in tests.zip(stay) {
                if selected.requested == Verdict::Drop || !stays {
                    continue;
                }
                if selected.presence == Presence::AnyNumber && selected.verdict == Verdict::Drop {
                    heard.notes.push(format!(
                        "{} stands for a number of tests that is not known",
                        found.test.item.id.as_str()
                    ));
                }
                candidates.push(Candidate {
                    found,
                    file: index,
                    selected: selected.verdict != Verdict::Drop,
                });
            }
        }
        if let Some(rerun) = &rerun {
            let mut places = vec![0; rerun.order.len()];
            for (place, file) in rerun.order.iter().enumerate() {
                if let Some(of_file) = places.get_mut(*file) {
                    *of_file = place;
                }
            }
            candidates.sort_by_key(|candidate| places.get(candidate.file).copied());
        }
        let skipped = rerun.as_ref().map_or(0, memory::Rerun::skipped);
        let (order, deselected) = self.remembered(&candidates, self.order(&candidates), skipped);
        let mut places: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
        let mut tests = Vec::with_capacity(places.len() - deselected);
        let in_order = order
            .into_iter()
            .filter_map(|place| places.get_mut(place)?.take());
        tests.extend(in_order.map(|candidate| Listed {
            found: candidate.found,
            file: candidate.file,
        }));
        Ok(Collection {
            tests,
            deselected,
            files,
            errors,
            ..self.empty()
        })
    }

    /// A collection of nothing.
    pub(super) fn empty(&self) -> Collection {
        let environment = &self.session.probed.environment;
        let [major, minor, micro] = environment.python.version;
        let addopts = self.request.variables.get("PYTEST_ADDOPTS");
        let addopts = addopts
            .map(|text| text.to_string_lossy())
            .unwrap_or_default();
        Collection {
            rootdir: self.session.config.rootdir.clone(),
            inifile: self.session.config.inifile.clone(),
            pytest: environment.pytest.clone(),
            python: format!("{major}.{minor}.{micro}"),
            markers: self.marker_lines(),
            conftests: self.project.layout().conftests.clone(),
            verbosity: verbosity(&self.session.config, &addopts, &self.request.args),
            tests: Vec::new(),
            deselected: 0,
            files: Vec::new(),
            errors: Vec::new(),
            notes: Vec::new(),
            debug: Vec::new(),
        }
    }

    fn marker_lines(&self) -> Vec<String> {
        let ini = self.session.config.ini.iter();
        let ini = ini.filter(|(name, _)| name == "markers");
        let lines = ini.flat_map(|(_, lines)| lines.lines().map(str::to_owned));
        let environment = &self.session.probed.environment;
        environment.markers.iter().cloned().chain(lines).collect()
    }

    /// Those that run, in their order, and how many are deselected: as selected, but for what
    /// pytest's cache says.
    fn remembered(
        &self,
        candidates: &[Candidate],
        order: Vec<usize>,
        skipped_files: usize,
    ) -> (Vec<usize>, usize) {
        let Some(options) = memory::options(&self.session.config) else {
            let selected = |place: &usize| candidates.get(*place).is_some_and(|one| one.selected);
            let order: Vec<usize> = order.into_iter().filter(selected).collect();
            let deselected = candidates.len() - order.len();
            return (order, deselected);
        };
        let files = &self.project.layout().files;
        let mut times: HashMap<usize, f64> = HashMap::new();
        let placed: Vec<(usize, &Candidate)> = order
            .into_iter()
            .filter_map(|place| Some((place, candidates.get(place)?)))
            .collect();
        let tests: Vec<_> = placed
            .iter()
            .map(|(_, candidate)| dyno_select::cache::Candidate {
                id: candidate.found.test.item.id.as_str(),
                selected: candidate.selected,
                modified: *times.entry(candidate.file).or_insert_with(|| {
                    let file = files.get(candidate.file);
                    file.map_or(0.0, |file| memory::modified(&file.path))
                }),
            })
            .collect();
        let version = self.session.config.version;
        let mut memory = self.memory();
        let choice = choose(version, options, &mut memory, &tests, skipped_files, None);
        let chosen = choice.order.into_iter();
        let order = chosen.filter_map(|place| placed.get(place).map(|(place, _)| *place));
        (order.collect(), choice.deselected)
    }

    /// pytest's order: as collected, but that tests with a parameter of a higher scope in
    /// common stand together.
    fn order(&self, candidates: &[Candidate]) -> Vec<usize> {
        let mut folders: HashMap<&Path, u32> = HashMap::new();
        let mut classes: HashMap<(usize, &str), u32> = HashMap::new();
        let files = &self.project.layout().files;
        let params: Vec<TestParams<'_>> = candidates
            .iter()
            .map(|candidate| {
                let folder = files
                    .get(candidate.file)
                    .and_then(|file| file.path.parent())
                    .unwrap_or(Path::new(""));
                let class = class_of(candidate.found.test.item.id.as_str());
                TestParams {
                    params: &candidate.found.test.params,
                    folder: number(&mut folders, folder),
                    file: u32::try_from(candidate.file).unwrap_or(u32::MAX),
                    class: class.map(|class| number(&mut classes, (candidate.file, class))),
                }
            })
            .collect();
        reorder(&params, self.session.config.version)
    }
}

fn number<K: std::hash::Hash + Eq>(numbers: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(key).or_insert(next)
}

/// The part of a node id that names the class, the file included.
fn class_of(id: &str) -> Option<&str> {
    let (file, names) = id.split_once("::")?;
    let plain = names.split('[').next().unwrap_or(names);
    let end = plain.rfind("::")?;
    id.get(..file.len() + 2 + end)
}

/// What is shown of a file, and its errors: those of pytest but for an import that fails
/// where the text tells the tests for certain.
fn shown(layout: &LayoutFile, known: &Known, heard: &mut Heard) -> (File, Vec<CollectFailure>) {
    let mut errors = known.failures.clone();
    let mut failure = None;
    if known.cannot_import(&layout.id) {
        let lists = |unknown: &Unknown| {
            matches!(unknown.doubt, Doubt::Existence | Doubt::Ids | Doubt::Order)
        };
        let of_tests = known.tests.tests.iter().flat_map(|found| &found.unknown);
        let mut doubts = known.tests.unknown.iter().chain(of_tests);
        failure = errors.first().cloned();
        if !doubts.any(lists) {
            errors.clear();
        }
        let known = if errors.is_empty() {
            "known from the text; "
        } else {
            "known from the text in part; "
        };
        // A folder above it can be what fails, by its conftest.
        let of_folder = failure.as_ref().filter(|failure| failure.node != layout.id);
        let what = of_folder.map_or_else(
            || "import it".to_owned(),
            |failure| format!("collect {}", failure.node),
        );
        heard.notes.push(format!(
            "{}: {known}pytest cannot {what}: {}",
            layout.id,
            failure.as_ref().map(last_line).unwrap_or_default()
        ));
    }
    let file = File {
        id: layout.id.clone(),
        folders: layout
            .folders
            .iter()
            .map(|folder| Folder {
                name: match folder.name.as_str() {
                    "" | "." => folder_name(&folder.path),
                    name => name.to_owned(),
                },
                is_package: folder.is_package,
            })
            .collect(),
        source: known.source,
        open: known.open.clone(),
        failure,
        skip: known.skip.clone(),
        affected: None,
        kind: known.kind.clone(),
    };
    (file, errors)
}

fn folder_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    python_text(name).into_owned()
}

/// What is open of a file, with what is open of the whole where nothing may be asked.
fn open(mut open: Vec<Unknown>, whole: &[Unknown], known: &Known) -> Vec<Unknown> {
    open.extend(whole.iter().cloned());
    if matches!(known.source, crate::Source::Text | crate::Source::KeptText) {
        open.extend(known.tests.unknown.iter().cloned());
    }
    open
}
