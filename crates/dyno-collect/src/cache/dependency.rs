//! What an answer depends on, and whether it is as it was.

use crate::{Disk, Fingerprint, Variables};
use dyno_model::{Bind, FileKind, Files, Found, SocketKind};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

/// Something that an answer depends on, in the state in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Dependency {
    /// The content of a file; absent: there was none that could be read.
    #[serde(rename = "f")]
    File(PathBuf, Option<Fingerprint>),
    /// The names in a folder; absent: it could not be listed.
    #[serde(rename = "l")]
    Listing(PathBuf, Option<Fingerprint>),
    /// What is at a path: a file, a folder (`d`), something other, nothing.
    #[serde(rename = "k")]
    Look(PathBuf, char),
    /// What there is of some top-level modules in the folders that imports are looked for
    /// in: another file there, and an import leads elsewhere.
    #[serde(rename = "i")]
    Imports {
        /// The folders.
        folders: Vec<PathBuf>,
        /// The modules' names, sorted.
        names: Vec<String>,
        /// Of the paths that were there.
        found: Fingerprint,
    },
    /// Every variable of the environment.
    #[serde(rename = "e")]
    Environment(Fingerprint),
    /// A variable of the environment, of whose value only a digest is kept: it may be a
    /// secret. Absent: it was not set.
    #[serde(rename = "v")]
    Variable(String, Option<Fingerprint>),
    /// Whether an address of the machine can be bound, for a port that the system chooses.
    #[serde(rename = "b")]
    Bind(IpAddr, SocketKind, bool),
}

/// What dependencies are looked up in.
pub(crate) struct Surroundings<'a> {
    /// The disk.
    pub(crate) disk: &'a Disk,
    /// The environment.
    pub(crate) variables: &'a Variables,
}

impl Surroundings<'_> {
    fn variable(&self, name: &str) -> Option<Fingerprint> {
        let value = self.variables.get(name)?;
        Some(Fingerprint::of(value.as_encoded_bytes()))
    }
}

impl Dependency {
    /// A file in its present state.
    pub(crate) fn file(path: PathBuf, disk: &Disk) -> Self {
        let state = disk.fingerprint(&path);
        Self::File(path, state)
    }

    /// A folder in its present state.
    pub(crate) fn listing(path: PathBuf, disk: &Disk) -> Self {
        let state = disk.listing_fingerprint(&path);
        Self::Listing(path, state)
    }

    /// A variable in its present state.
    pub(crate) fn variable(name: &str, now: &Surroundings<'_>) -> Self {
        Self::Variable(name.to_owned(), now.variable(name))
    }

    /// The whole environment in its present state.
    pub(crate) fn environment(now: &Surroundings<'_>) -> Self {
        Self::Environment(now.variables.fingerprint())
    }

    /// The candidates of imports in their present state; `names` are sorted.
    pub(crate) fn imports(folders: Vec<PathBuf>, names: Vec<String>, disk: &Disk) -> Self {
        let found = candidates(&folders, &names, disk);
        Self::Imports {
            folders,
            names,
            found,
        }
    }

    /// A path with what was there.
    pub(crate) fn look(path: PathBuf, found: Found) -> Self {
        let letter = match found {
            Found::Nothing => 'n',
            Found::File => 'f',
            Found::Folder => 'd',
            Found::Other => 'o',
        };
        Self::Look(path, letter)
    }

    /// An address with whether it could be bound.
    pub(crate) fn bind(bind: &Bind) -> Self {
        Self::Bind(bind.address, bind.kind, bind.possible)
    }

    /// Whether it is as it was.
    pub(crate) fn holds(&self, now: &Surroundings<'_>) -> bool {
        match self {
            Self::File(path, state) => now.disk.fingerprint(path) == *state,
            Self::Listing(path, state) => now.disk.listing_fingerprint(path) == *state,
            Self::Look(path, found) => {
                let letter = match now.disk.kind(path) {
                    None => 'n',
                    Some(FileKind::File) => 'f',
                    Some(FileKind::Folder) => 'd',
                    Some(FileKind::Other) => 'o',
                };
                letter == *found
            }
            Self::Imports {
                folders,
                names,
                found,
            } => candidates(folders, names, now.disk) == *found,
            Self::Environment(state) => now.variables.fingerprint() == *state,
            Self::Variable(name, state) => now.variable(name) == *state,
            Self::Bind(address, kind, possible) => can_be_bound(*address, *kind) == *possible,
        }
    }

    /// Its name, for a person.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path, _) | Self::Look(path, _) => path.display().to_string(),
            Self::Listing(path, _) => format!("the names in {}", path.display()),
            Self::Imports { .. } => "where imports lead".to_owned(),
            Self::Environment(_) => "the environment".to_owned(),
            Self::Variable(name, _) => format!("${name}"),
            Self::Bind(address, ..) => format!("whether {address} can be bound"),
        }
    }

    /// Whether all its paths can be written down.
    pub(crate) fn is_text(&self) -> bool {
        // A name that Python told and that is no text was written out so, and names another
        // file here (`dyno_model::python_text`).
        let is_text = |path: &PathBuf| path.to_str().is_some_and(|text| !text.contains("\\udc"));
        match self {
            Self::File(path, _) | Self::Listing(path, _) | Self::Look(path, _) => is_text(path),
            Self::Imports { folders, .. } => folders.iter().all(is_text),
            Self::Environment(_) | Self::Variable(..) | Self::Bind(..) => true,
        }
    }
}

fn can_be_bound(address: IpAddr, kind: SocketKind) -> bool {
    match kind {
        SocketKind::Stream => TcpListener::bind((address, 0)).is_ok(),
        SocketKind::Datagram => UdpSocket::bind((address, 0)).is_ok(),
    }
}

/// What there is of `NAME` and `NAME.py` in the folders.
fn candidates(folders: &[PathBuf], names: &[String], disk: &Disk) -> Fingerprint {
    let mut found = Vec::new();
    for folder in folders {
        let Some(entries) = disk.list(folder) else {
            continue;
        };
        for entry in entries.iter() {
            let Some(name) = entry.name.to_str() else {
                continue;
            };
            let module = name.strip_suffix(".py").unwrap_or(name);
            let asked = names.binary_search_by(|other| other.as_str().cmp(module));
            if asked.is_ok() {
                found.push(folder.join(name).into_os_string().into_encoded_bytes());
            }
        }
    }
    Fingerprint::of_parts(found.iter().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_tried() {
        let (disk, variables) = (Disk::new(), Variables::default());
        let now = Surroundings {
            disk: &disk,
            variables: &variables,
        };
        // 203.0.113.0/24 is nobody's (RFC 5737).
        for (address, is_there) in [("127.0.0.1", true), ("203.0.113.7", false)] {
            for kind in [SocketKind::Stream, SocketKind::Datagram] {
                for possible in [true, false] {
                    let need = Dependency::bind(&Bind {
                        address: address.parse().unwrap(),
                        kind,
                        possible,
                    });
                    let text = serde_json::to_string(&need).unwrap();
                    let read: Dependency = serde_json::from_str(&text).unwrap();
                    assert_eq!(read.holds(&now), possible == is_there, "{text}");
                }
            }
        }
    }
}
