//! What discovery says of a project.

use super::oracle;
use dyno_discover::{Project, crossings};
use dyno_model::{
    Environment, FileKind, FileTests, Files, FolderEntry, PytestConfig, PytestVersion,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The disk, without a memory.
struct Disk;

fn file_kind(metadata: &fs::Metadata) -> FileKind {
    if metadata.is_dir() {
        FileKind::Folder
    } else if metadata.is_file() {
        FileKind::File
    } else {
        FileKind::Other
    }
}

impl Files for Disk {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        fs::metadata(path).ok().map(|metadata| file_kind(&metadata))
    }

    fn read(&self, path: &Path) -> Option<Arc<[u8]>> {
        fs::read(path).ok().map(Into::into)
    }

    fn list(&self, folder: &Path) -> Option<Arc<[FolderEntry]>> {
        let mut entries: Vec<FolderEntry> = fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| FolderEntry {
                name: entry.file_name(),
                kind: self.kind(&entry.path()),
                is_link: entry.path().is_symlink(),
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Some(entries.into())
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
    }
}

/// Of every test file below `root`, in order.
pub(crate) fn discover(root: &Path) -> Vec<FileTests> {
    let environment = environment();
    let config = PytestConfig::defaults(version(environment), root);
    let project = Project::open(&Disk, &config, environment);
    let files = &project.layout().files;
    let tell = |file| project.tell(file).tests;
    let mut told: Vec<FileTests> = files.iter().map(tell).collect();
    for (index, why) in crossings(files.iter().zip(&told)) {
        told[index].unknown.push(why);
    }
    told
}

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        serde_json::from_str(&oracle::probe()).expect("the probe tells of an environment")
    })
}

fn version(environment: &Environment) -> PytestVersion {
    let mut numbers = environment
        .pytest
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    PytestVersion {
        major: numbers.next().unwrap_or(0),
        minor: numbers.next().unwrap_or(0),
    }
}
