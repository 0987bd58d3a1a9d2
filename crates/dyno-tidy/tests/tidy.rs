//! The repository, as it stands, against its own rules.

use dyno_tidy::{
    Manifest, Page, check_length, check_machine_paths, check_names, check_page,
    workspace_dependencies,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Text files of the repository that git tracks or would track: path and content. None where git
/// is not installed, as on a machine that has what the README asks for and no more.
fn files() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output();
    let listed = match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: git is not installed");
            return Vec::new();
        }
        listed => listed.expect("git lists the repository's files"),
    };
    assert!(listed.status.success(), "git ls-files: {listed:?}");
    let listed = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    listed
        .split_terminator('\0')
        // A path that git still tracks may be gone, a binary file is no text.
        .filter_map(|path| Some((path.into(), fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}

/// Source files of the product: neither the suite nor test code.
fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter(|(path, _)| {
        let source = path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "py");
        let ours = path.starts_with("crates") || path.starts_with("python/dyno");
        let tests = path
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        source && ours && !tests
    })
}

/// The checks' own tests are full of what they look for.
fn looks_for_itself(path: &Path) -> bool {
    path.starts_with("crates/dyno-tidy")
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn manifests() -> Vec<Manifest> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let manifests: Vec<Manifest> = crates
        .map(|entry| entry.unwrap().path().join("Cargo.toml"))
        .filter_map(|path| Some((fs::read_to_string(&path).ok()?, path)))
        .map(|(text, path)| {
            Manifest::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    assert!(!manifests.is_empty());
    manifests
}

#[test]
fn the_architecture_page_agrees_with_the_manifests() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let page = Page::parse(&page).unwrap();
    assert_none(&check_page(&page, &manifests()));
}

#[test]
fn what_the_workspace_offers_is_used() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifests = manifests();
    let complaints: Vec<String> = workspace_dependencies(&workspace)
        .unwrap()
        .into_iter()
        .filter(|offered| {
            manifests
                .iter()
                .all(|manifest| !manifest.uses.contains(offered))
        })
        .map(|offered| format!("no crate uses `{offered}` of the workspace's dependencies"))
        .collect();
    assert_none(&complaints);
}

#[test]
fn names_say_something() {
    let complaints: Vec<String> = sources()
        .filter(|(path, _)| !looks_for_itself(path))
        .flat_map(|(path, text)| check_names(&path, &text))
        .collect();
    assert_none(&complaints);
}

#[test]
fn files_have_one_purpose() {
    let complaints: Vec<String> = sources()
        .filter_map(|(path, text)| check_length(&path, &text))
        .collect();
    assert_none(&complaints);
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let complaints: Vec<String> = files()
        .into_iter()
        .filter(|(path, _)| !looks_for_itself(path))
        .flat_map(|(path, text)| check_machine_paths(&path, &text))
        .collect();
    assert_none(&complaints);
}
