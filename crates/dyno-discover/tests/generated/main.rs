//! Generated projects: what the text tells of them is what pytest says, or is left unknown.
//!
//! A grammar of decorators, marks, parameters, fixtures and classes ([`grammar`]) makes
//! projects; one pytest process collects them all ([`oracle`]); what discovery says of each
//! is compared ([`compare`]). What differs is made smaller until nothing can be left out,
//! and shown. `PROPTEST_CASES` sets the number of projects, `DYNO_SEED` another seed,
//! `DYNO_SHRINK` how many that differ are made smaller (3).

#![allow(
    clippy::disallowed_methods,
    reason = "asks a real pytest about real files"
)]

mod compare;
mod discovery;
mod grammar;
mod oracle;
mod render;

use compare::Comparison;
use dyno_model::Doubt;
use grammar::{Project, Reach};
use oracle::Collected;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use render::{Rendered, render};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// Projects of each reach: with about two and a half modules each, some 2,500 modules.
const PROJECTS: usize = 600;

/// Steps towards a smaller project, each a pytest process.
const STEPS: usize = 150;

type Tree = <BoxedStrategy<Project> as Strategy>::Tree;

fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn runner(reach: Reach) -> TestRunner {
    let number = from_environment("DYNO_SEED", 1);
    let mut seed = [reach as u8; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    TestRunner::new_with_rng(Config::default(), random)
}

/// Compares what discovery says of the tree with what pytest said: by project, which are
/// the folders below the root.
fn compare(root: &Path, collected: &Collected) -> BTreeMap<String, Comparison> {
    let mut comparisons: BTreeMap<String, Comparison> = BTreeMap::new();
    let folder = |file: &str| file.split('/').next().unwrap_or(file).to_owned();
    let found = discovery::discover(root);
    let left_aside: BTreeSet<&str> = (collected.failed.iter())
        .filter(|failure| failure.is_import())
        .map(|failure| failure.node.as_str())
        .collect();
    let is_left_aside = |file: &str| {
        let mut above = file.match_indices('/').map(|(at, _)| &file[..at]);
        left_aside.contains(file) || above.any(|folder| left_aside.contains(folder))
    };
    for file in &found {
        let in_doubt = (file.tests.iter())
            .filter(|test| test.doubt(Doubt::Ids).is_some())
            .map(|test| test.test.item.id.as_str());
        let fails_on_doubt = (collected.failed.iter())
            .filter(|failure| failure.node.starts_with(&file.file))
            .any(|failure| failure.is_of(in_doubt.clone()));
        if fails_on_doubt || is_left_aside(&file.file) {
            continue;
        }
        let recorded = collected
            .files
            .get(&file.file)
            .map_or(&[][..], Vec::as_slice);
        let comparison = comparisons.entry(folder(&file.file)).or_default();
        comparison.file(file, recorded);
        comparison.failures(file, &collected.failed);
    }
    let known: BTreeSet<&str> = found.iter().map(|found| found.file.as_str()).collect();
    for (file, tests) in &collected.files {
        if !known.contains(file.as_str()) {
            let wrong = format!("{file}: not found by the text, {} tests", tests.len());
            comparisons
                .entry(folder(file))
                .or_default()
                .wrong
                .push(wrong);
        }
    }
    comparisons
}

/// One project alone, from rendering to comparison.
fn alone(project: &Project) -> (Rendered, Comparison) {
    let place = tempfile::tempdir().expect("a folder for the project");
    let root = place.path().join("tree");
    let files = render(project, "k0");
    oracle::write(&root, &files);
    let collected = oracle::collect(&root);
    let comparison = compare(&root, &collected).remove("k0");
    (files, comparison.unwrap_or_default())
}

/// The smallest project that is still told wrongly, as a person would want to read it.
fn smallest(mut tree: Tree) -> String {
    let mut best = alone(&tree.current());
    if best.1.wrong.is_empty() {
        return "is told rightly when it is alone".to_owned();
    }
    for _ in 0..STEPS {
        if !tree.simplify() {
            break;
        }
        // A simpler one that is right: back, towards the one that was not.
        loop {
            let tried = alone(&tree.current());
            if !tried.1.wrong.is_empty() {
                best = tried;
                break;
            }
            if !tree.complicate() {
                break;
            }
        }
    }
    let mut shown = best.1.wrong.join("\n");
    let library = best
        .0
        .iter()
        .filter(|(path, text)| !text.is_empty() && !path.contains("/values_"));
    for (path, text) in library {
        let _ = write!(shown, "\n--- {path}\n{}", text.trim_start());
    }
    shown
}

/// Generates, collects, compares and fails on what differs.
fn run(reach: Reach) -> Comparison {
    let place = tempfile::tempdir().expect("a folder for the projects");
    let root = place.path().join("tree");
    let mut runner = runner(reach);
    let strategy = grammar::project(reach);
    let mut projects = Vec::new();
    for number in 0..from_environment("PROPTEST_CASES", PROJECTS) {
        let tree = strategy.new_tree(&mut runner).expect("nothing is filtered");
        let folder = format!("k{number}");
        let files = render(&tree.current(), &folder);
        oracle::write(&root, &files);
        projects.push((folder, tree));
    }
    let collected = oracle::collect(&root);
    let mut all = Comparison::default();
    let mut differing = Vec::new();
    let mut comparisons = compare(&root, &collected);
    for (folder, tree) in projects {
        let comparison = comparisons.remove(&folder).unwrap_or_default();
        if !comparison.wrong.is_empty() {
            differing.push((comparison.wrong.join("\n"), tree));
        }
        all.add(comparison);
    }
    println!("{reach:?}: {all}");
    if std::env::var_os("DYNO_KEEP").is_some() {
        println!("kept in {}", place.keep().display());
    }
    let count = differing.len();
    let mut told = String::new();
    for (number, (wrong, tree)) in differing.into_iter().enumerate() {
        if number < from_environment("DYNO_SHRINK", 3) {
            let _ = write!(told, "\n\n{wrong}\n=== made smaller:\n{}", smallest(tree));
        } else {
            let _ = write!(told, "\n{wrong}");
        }
    }
    assert_eq!(count, 0, "{count} projects are told wrongly: {told}");
    all
}

#[test]
fn plain_constructs_are_settled_and_right() {
    let all = run(Reach::Plain);
    // What is plain must be settled, or "all is unknown" would pass.
    assert!(
        all.settled * 100 >= all.collected * 97,
        "only {} of {} plain tests are settled: {all}",
        all.settled,
        all.collected
    );
}

#[test]
fn anything_else_is_right_or_unknown() {
    let all = run(Reach::Full);
    assert!(
        all.collected > all.files,
        "pytest collected too little: {all}"
    );
}
