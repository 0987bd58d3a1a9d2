//! What `--lf` does while pytest collects: files with failures come first, and once one
//! has shown a failure of its own, files without are not collected at all
//! (`LFPluginCollWrapper`, `LFPluginCollSkipfiles`).

use super::failures::Failures;
use crate::arguments::NameChain;
use crate::doubts::Doubts;
use crate::path::NodePath;
use crate::verdict::Verdict;
use dyno_model::{Doubt, FileTests, FoundTest};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The files that hold known failures and the folders above them, as far as they exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedPaths(HashSet<PathBuf>);

/// A file that pytest would come to.
#[derive(Debug, Clone, Copy)]
pub struct VisitedFile<'a> {
    /// Its absolute path.
    pub path: &'a Path,
    /// The place of the argument by which it is come to, after pytest sorted them out.
    pub argument: usize,
    /// The absolute path of that argument: the file or a folder above it.
    pub top: &'a Path,
    /// The names that the argument asks for within it; none for all of it.
    pub chains: &'a [NameChain],
    /// Its tests, all of them: pytest searches a file after it has collected it.
    pub tests: &'a FileTests,
}

/// What became of a file under `--lf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOutcome {
    /// Whether it was not collected. Such files are counted in pytest's line.
    pub skipped: Verdict,
    /// Whether of its functions only those remain that failed; classes always do. What
    /// does not remain is not counted as deselected.
    pub filtered: Verdict,
}

impl FailedPaths {
    /// Asks of each path whether there is anything.
    pub fn of(failures: &Failures, rootdir: &Path, exists: impl Fn(&Path) -> bool) -> Self {
        let mut asked: HashMap<PathBuf, bool> = HashMap::new();
        for id in failures.ids() {
            let file = id.split_once("::").map_or(id, |(file, _)| file);
            for path in rootdir.join(file).ancestors() {
                if asked.contains_key(path) {
                    break;
                }
                asked.insert(path.to_path_buf(), exists(path));
            }
        }
        Self(
            asked
                .into_iter()
                .filter_map(|(path, is)| is.then_some(path))
                .collect(),
        )
    }

    /// Whether there is a known failure at or below the path.
    pub fn contains(&self, path: &Path) -> bool {
        self.0.contains(path)
    }

    /// The order in which pytest comes to the files: among the arguments, and in each
    /// folder, what holds failures goes first.
    pub fn order(&self, files: &[VisitedFile<'_>]) -> Vec<usize> {
        // Where a node first stood among all, which is its place among its siblings.
        let mut seen: HashMap<(usize, PathBuf), usize> = HashMap::new();
        let mut keys: Vec<(Vec<(bool, usize)>, usize)> = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            let above = file.path.ancestors();
            let mut nodes: Vec<&Path> = above.take_while(|path| *path != file.top).collect();
            nodes.push(file.top);
            let key = nodes.iter().rev().map(|node| {
                let first = seen
                    .entry((file.argument, node.to_path_buf()))
                    .or_insert(place);
                (!self.contains(node), *first)
            });
            keys.push((key.collect(), place));
        }
        keys.sort();
        keys.into_iter().map(|(_, place)| place).collect()
    }

    /// Walks over the files, in that order, as pytest does, and says what becomes of each.
    /// `failures` are brought up to date by what collection tells.
    pub fn walk(&self, failures: &mut Failures, files: &[VisitedFile<'_>]) -> Vec<FileOutcome> {
        let mut skips = Verdict::Drop;
        let mut outcomes = Vec::with_capacity(files.len());
        for file in files {
            let outcome = if self.contains(file.path) {
                skips = skips.or(shows_failure(failures, file.tests));
                FileOutcome {
                    skipped: Verdict::Drop,
                    filtered: skips,
                }
            } else {
                FileOutcome {
                    skipped: skips,
                    filtered: Verdict::Drop,
                }
            };
            if self.contains(file.path) {
                record_reports(failures, file, outcome);
            }
            outcomes.push(outcome);
        }
        outcomes
    }
}

impl FileOutcome {
    /// Whether a test of the file is collected. `is_argument` says that the file itself
    /// was an argument, with or without names.
    pub fn collects(
        self,
        failures: &Failures,
        test: &FoundTest,
        file: &FileTests,
        is_argument: bool,
    ) -> Verdict {
        let path = NodePath::of(test.test.item.id.as_str(), &file.file);
        let stays = if is_argument || path.classes().next().is_some() {
            Verdict::Keep
        } else {
            failures.verdict(&test.test, Doubts::of_test(test, file))
        };
        self.skipped
            .negated()
            .and(self.filtered.negated().or(stays))
    }
}

/// Whether one of the nodes right below the file is a known failure.
fn shows_failure(failures: &Failures, file: &FileTests) -> Verdict {
    let certain = file.tests.iter().any(|test| {
        let doubts = Doubts::of_test(test, file);
        !doubts.any(&[Doubt::Ids, Doubt::Existence]) && failures.contains(&child(test, file))
    });
    let prefix = format!("{}::", file.file);
    // A child that was not found may be there: a class without tests is none of ours.
    let may_be = |failed: &str| {
        let below = failed.strip_prefix(&prefix);
        let names = below.map(|below| below.split('[').next().unwrap_or(below));
        names.is_some_and(|names| !names.contains("::"))
    };
    Verdict::seen(certain, failures.ids().any(may_be))
}

/// The id of the node right below the file that a test belongs to.
fn child(test: &FoundTest, file: &FileTests) -> String {
    let id = test.test.item.id.as_str();
    match NodePath::of(id, &file.file).classes().next() {
        Some(class) => format!("{}::{class}", file.file),
        None => id.to_owned(),
    }
}

/// Takes note of the reports that come of collecting a file and its classes, the inner
/// ones first: what could not be collected last time is replaced by what is in it now.
fn record_reports(failures: &mut Failures, file: &VisitedFile<'_>, outcome: FileOutcome) {
    let id = file.tests.file.as_str();
    let mut collectors: Vec<(usize, String, Vec<String>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for test in &file.tests.tests {
        let item = test.test.item.id.as_str();
        let mut above = id.to_owned();
        let classes = NodePath::of(item, id).classes();
        let nodes = classes.map(|class| format!("{id}::{class}"));
        let mut nodes: Vec<String> = nodes.collect();
        for place in 1..nodes.len() {
            let class = nodes[place].split_off(id.len());
            nodes[place] = format!("{}{class}", nodes[place - 1]);
        }
        nodes.push(item.to_owned());
        for (depth, node) in nodes.into_iter().enumerate() {
            let place = *places.entry(above.clone()).or_insert_with(|| {
                collectors.push((depth, above.clone(), Vec::new()));
                collectors.len() - 1
            });
            if let Some((_, _, below)) = collectors.get_mut(place)
                && below.last() != Some(&node)
            {
                below.push(node.clone());
            }
            above = node;
        }
    }
    collectors.sort_by_key(|(depth, _, _)| std::cmp::Reverse(*depth));
    for (depth, collector, mut below) in collectors {
        // On the way to what is asked for by name, nodes are collected without a report.
        let names = collector.get(id.len()..).unwrap_or_default();
        if !file.chains.is_empty() && !file.chains.iter().any(|chain| chain.covers(names)) {
            continue;
        }
        if depth == 0 && outcome.filtered != Verdict::Drop && file.path != file.top {
            let is_class = |node: &String| places.contains_key(node);
            below.retain(|node| is_class(node) || failures.contains(node));
        }
        failures.record_collected(&collector, below.iter().map(String::as_str));
    }
}
