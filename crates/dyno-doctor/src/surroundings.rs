//! What the command knows and the doctor is told.

use dyno_hub::Place;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// This very command.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// The protocol that it speaks with its Python package.
    pub protocol: u32,
}

/// Where and for whom the doctor looks.
#[derive(Debug)]
pub struct Surroundings {
    /// The command.
    pub build: Build,
    /// The working folder.
    pub folder: PathBuf,
    /// An empty folder to try things in.
    pub scratch: PathBuf,
    /// The Python that `dyno test` would take, or why it finds none.
    pub python: Result<PathBuf, String>,
    /// The virtual environment that the command is installed in.
    pub own_environment: Option<PathBuf>,
    /// The environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// Where the Hub is, and its cache.
    pub place: Place,
}

impl Surroundings {
    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// A program on the `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        in_folders(self.variable("PATH")?, name)
    }

    /// The folder from here upwards that is dyno's own repository.
    pub(crate) fn repository(&self) -> Option<&Path> {
        let is_ours = |folder: &&Path| {
            folder.join("scripts/services.sh").exists() && folder.join("crates/dyno-cli").exists()
        };
        self.folder.ancestors().find(is_ours)
    }

    pub(crate) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Whether this is a container, as engines mark theirs.
    pub(crate) fn is_container(&self) -> bool {
        let marks = ["/.dockerenv", "/run/.containerenv"];
        marks.iter().any(|mark| Path::new(mark).exists())
            || self.variable("KUBERNETES_SERVICE_HOST").is_some()
    }
}

/// The first folder of a `PATH` that has such a program.
pub(crate) fn in_folders(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|place| {
            place.is_file() && rustix::fs::access(place, rustix::fs::Access::EXEC_OK).is_ok()
        })
}
