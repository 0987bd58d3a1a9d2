//! The cache of this project, for this environment and configuration.

use super::Heard;
use super::session::Session;
use crate::cache::{Dependency, Entry, Lookup, Made, Pack, Surroundings};
use crate::request::Request;
use crate::{Disk, Fingerprint};
use dyno_discover::Project;
use dyno_discover::hooks::{Effect, Kind};
use dyno_discover::layout::{Layout, LayoutFile};
use dyno_model::{FileKind, Files, PytestConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The cache, and what is new since it was read.
pub(super) struct Store<'a> {
    pack: Option<Pack>,
    pub(super) now: Surroundings<'a>,
    new: Mutex<Vec<Entry>>,
    rootdir: PathBuf,
    surroundings: Fingerprint,
    /// What selects, where a hook could look at it.
    selection: String,
}

impl<'a> Store<'a> {
    pub(super) fn open(
        request: &Request,
        session: &Session,
        project: &Project<'_>,
        now: Surroundings<'a>,
        debug: &mut Vec<String>,
    ) -> Self {
        let layout = project.layout();
        let rootdir = session.config.rootdir.clone();
        let pack = request.cache.as_ref().map(|_| {
            let folder = rootdir.join(".dyno/cache/collection");
            let (pack, note) = Pack::open(&folder, context(request, session));
            debug.extend(note.map(|note| format!("cache: {note}")));
            pack
        });
        Self {
            pack,
            new: Mutex::default(),
            rootdir,
            surroundings: surroundings(layout),
            selection: selection(project, &session.config),
            now,
        }
    }

    /// What is asked about a file: its place in the tree, the conftests that it sees, how it
    /// is imported, what is wanted of it.
    pub(super) fn question(&self, file: &LayoutFile) -> Fingerprint {
        Fingerprint::of(format!("{file:?}{}", self.surroundings).as_bytes())
    }

    /// The same where pytest answers, and a hook of its could look at what selects.
    pub(super) fn question_of_pytest(&self, question: Fingerprint) -> Fingerprint {
        if self.selection.is_empty() {
            return question;
        }
        Fingerprint::of(format!("{question}{}", self.selection).as_bytes())
    }

    pub(super) fn disk(&self) -> &Disk {
        self.now.disk
    }

    /// The kept answer for a file, if it holds. Why one does not goes to `debug`.
    pub(super) fn find<T: DeserializeOwned>(
        &self,
        file: &str,
        made: Made,
        question: Fingerprint,
        debug: &mut Vec<String>,
    ) -> Option<T> {
        let pack = self.pack.as_ref()?;
        match pack.find(file, made, question, &self.now) {
            Lookup::Found(answer) => match serde_json::from_str(answer) {
                Ok(answer) => Some(answer),
                Err(error) => {
                    debug.push(format!("cache: {file}: not understood: {error}"));
                    None
                }
            },
            Lookup::Absent => None,
            Lookup::Stale(reason) => {
                let file = if file.is_empty() { "the whole" } else { file };
                debug.push(format!("cache: {file}: {reason}"));
                None
            }
        }
    }

    /// What a kept answer depends on.
    pub(super) fn needs(&self, file: &str, made: Made) -> Vec<Dependency> {
        let pack = self.pack.as_ref();
        pack.map(|pack| pack.needs(file, made)).unwrap_or_default()
    }

    /// Keeps an answer with what it depends on.
    pub(super) fn keep(
        &self,
        file: &str,
        made: Made,
        question: Fingerprint,
        needs: Vec<Dependency>,
        answer: &impl Serialize,
    ) {
        if self.pack.is_none() {
            return;
        }
        let Ok(answer) = serde_json::to_string(answer) else {
            return;
        };
        let entry = Entry {
            file: file.to_owned(),
            made,
            question,
            needs,
            answer,
        };
        if entry.is_storable() {
            let new = self.new.lock();
            new.unwrap_or_else(PoisonError::into_inner).push(entry);
        }
    }

    /// Makes the folder that the cache is kept in, if it can.
    pub(super) fn make_room(&self) {
        if let Some(pack) = &self.pack {
            let _ = pack.make_folder();
        }
    }

    /// Writes what is new. A cache that cannot be written costs time, not the answer.
    pub(super) fn save(&self, files: &[LayoutFile], heard: &mut Heard) {
        let new = std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner));
        let (Some(pack), false) = (&self.pack, new.is_empty()) else {
            return;
        };
        let listed: std::collections::HashSet<&str> =
            files.iter().map(|file| file.id.as_str()).collect();
        let remains = |file: &str| listed.contains(file) || self.is_there(file);
        heard.debug.push(match pack.store(&new, &remains) {
            Ok(stored) => format!(
                "cache: wrote {} entries, {} bytes; dropped {}",
                stored.entries, stored.bytes, stored.dropped
            ),
            Err(error) => format!("cache: cannot be written: {error}"),
        });
    }

    fn is_there(&self, file: &str) -> bool {
        let path = self.rootdir.join(Path::new(file));
        self.now.disk.kind(&path) == Some(FileKind::File)
    }
}

/// What all answers of a pack have in common: interpreter, plugins, this executable (all in
/// the probe's key), the plugins that arguments name, the machine's name, and the
/// configuration, but for which tests it asks for.
fn context(request: &Request, session: &Session) -> Fingerprint {
    let config = PytestConfig {
        args: Vec::new(),
        ignore: Vec::new(),
        ignore_glob: Vec::new(),
        marker_expression: String::new(),
        keyword_expression: String::new(),
        deselect: Vec::new(),
        args_source: dyno_model::ArgsSource::InvocationDir,
        collect_only: false,
        unknown: Vec::new(),
        ..session.config.clone()
    };
    let config = serde_json::to_vec(&config).unwrap_or_default();
    let key = session.probed.key.to_string();
    let python = request.python.as_os_str().as_encoded_bytes();
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let system = rustix::system::uname();
    let machine = system.nodename().to_bytes();
    Fingerprint::of_parts([config.as_slice(), key.as_bytes(), python, version, machine])
}

/// What every file's tests depend on beside its own place: a hook of any conftest and a
/// module below any folder that imports begin in may have a part in them.
fn surroundings(layout: &Layout) -> Fingerprint {
    let files = layout.files.iter();
    let roots: BTreeSet<&Path> = files.map(|file| file.module.root.as_path()).collect();
    Fingerprint::of(format!("{:?}{roots:?}", layout.conftests).as_bytes())
}

/// The expressions that select, unless no hook does anything to tests: one that adds a
/// marker where `-m` is not given is not rare.
fn selection(project: &Project<'_>, config: &PytestConfig) -> String {
    let acts = |effect: &Effect| !matches!(effect.kind, Kind::Ignore(_) | Kind::ParamIds);
    if !project.hooks().effects.iter().any(acts) {
        return String::new();
    }
    let (marker, keyword) = (&config.marker_expression, &config.keyword_expression);
    format!("{marker:?} {keyword:?} {:?}", config.deselect)
}
