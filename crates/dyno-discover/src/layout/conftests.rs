//! Which conftests are loaded, in which order, and what they leave out.

use super::types::{CollectIgnore, IgnoreList};
use dyno_model::{FileKind, Files, Fnmatch, PytestConfig, absolute_path};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The conftests loaded so far.
pub(super) struct Conftests<'a> {
    config: &'a PytestConfig,
    files: &'a dyn Files,
    pub(super) loaded: Vec<PathBuf>,
    known: HashSet<PathBuf>,
}

impl<'a> Conftests<'a> {
    pub(super) fn new(config: &'a PytestConfig, files: &'a dyn Files) -> Self {
        Self {
            config,
            files,
            loaded: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// Those that pytest loads before it collects: `_set_initial_conftests`.
    pub(super) fn load_initial(&mut self) {
        let mut anchors = Vec::new();
        for argument in &self.config.args {
            let path = argument.split("::").next().unwrap_or_default();
            let anchor = absolute_path(&self.config.invocation_dir, path);
            self.add_anchor(anchor, &mut anchors);
        }
        if anchors.is_empty() {
            self.add_anchor(self.config.invocation_dir.clone(), &mut anchors);
        }
        for folder in anchors {
            self.load_above(&folder);
        }
    }

    /// Adds a path, if it is there, and its `test*` folders. pytest takes these in the
    /// order of the disk, which nobody can rely on; here it is the order of their names.
    fn add_anchor(&self, anchor: PathBuf, anchors: &mut Vec<PathBuf>) {
        match self.files.kind(&anchor) {
            Some(FileKind::Folder) => {}
            Some(FileKind::File) => {
                anchors.extend(anchor.parent().map(Path::to_path_buf));
                return;
            }
            Some(FileKind::Other) => {
                anchors.push(anchor);
                return;
            }
            None => return,
        }
        let listed = self.files.list(&anchor);
        let below: Vec<PathBuf> = listed
            .iter()
            .flat_map(|entries| entries.iter())
            .filter(|entry| entry.kind == Some(FileKind::Folder))
            .filter(|entry| entry.name.as_encoded_bytes().starts_with(b"test"))
            .map(|entry| anchor.join(&entry.name))
            .collect();
        anchors.push(anchor);
        anchors.extend(below);
    }

    /// Loads those of a folder and of all above it.
    pub(super) fn load_above(&mut self, folder: &Path) {
        for conftest in self.above(folder) {
            self.load(&conftest);
        }
    }

    /// Those of a folder and of all above it, outermost first.
    pub(super) fn above(&self, folder: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = folder
            .ancestors()
            .filter(|above| self.applies_to(above))
            .map(|above| above.join("conftest.py"))
            .filter(|path| self.files.kind(path) == Some(FileKind::File))
            .collect();
        found.reverse();
        found
    }

    /// Whether conftests of this folder count: `_is_in_confcutdir`.
    pub(super) fn applies_to(&self, folder: &Path) -> bool {
        !self.config.noconftest && is_in_confcutdir(self.config, folder)
    }

    pub(super) fn load(&mut self, conftest: &Path) {
        if self.known.insert(conftest.to_path_buf()) {
            self.loaded.push(conftest.to_path_buf());
        }
    }
}

/// Everything but the folders strictly above `--confcutdir`.
pub(super) fn is_in_confcutdir(config: &PytestConfig, folder: &Path) -> bool {
    config
        .confcutdir
        .as_deref()
        .is_none_or(|cut| cut == folder || !cut.starts_with(folder))
}

/// What the entries of a folder are compared with before they are looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignored {
    paths: List<PathBuf>,
    globs: List<Fnmatch>,
}

/// One of the two lists, as it counts in a folder.
#[derive(Debug, Clone)]
struct List<T> {
    certain: Rc<[T]>,
    /// What may be in it.
    perhaps: Rc<[T]>,
    /// Why it is not known.
    unknown: Option<Rc<str>>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            certain: Rc::new([]),
            perhaps: Rc::new([]),
            unknown: None,
        }
    }
}

impl<T: Clone> List<T> {
    /// The same, with what a nearer conftest says, which counts alone where there is such a
    /// list.
    fn with(&mut self, said: &IgnoreList, read: impl Fn(&String) -> T) {
        let all = |texts: &[String]| -> Rc<[T]> { texts.iter().map(&read).collect() };
        match said {
            IgnoreList::Absent => {}
            IgnoreList::Known(texts) => {
                *self = Self {
                    certain: all(texts),
                    ..Self::default()
                }
            }
            IgnoreList::Perhaps {
                certain,
                perhaps,
                may_be_absent: false,
            } => {
                *self = Self {
                    certain: all(certain),
                    perhaps: all(perhaps),
                    unknown: None,
                }
            }
            // Then that of the conftest above counts, and it may be that.
            IgnoreList::Perhaps {
                certain, perhaps, ..
            } => {
                let above = self.certain.iter().chain(&*self.perhaps).cloned();
                let own = certain.iter().chain(perhaps).map(&read);
                self.perhaps = above.chain(own).collect();
                self.certain = Rc::new([]);
            }
            IgnoreList::Unknown(reason) => {
                *self = Self {
                    unknown: Some(reason.as_str().into()),
                    ..Self::default()
                }
            }
        }
    }
}

impl Ignored {
    /// The same, with what a conftest of the folder itself says. The nearest conftest that
    /// has a list counts alone; it does not add to those above.
    pub(super) fn with(&self, conftest: &Path, said: &CollectIgnore) -> Self {
        let folder = conftest.parent().unwrap_or(conftest);
        let mut ignored = self.clone();
        let absolute = |path: &String| absolute_path(folder, path);
        ignored.paths.with(&said.paths, absolute);
        ignored.globs.with(&said.globs, |glob| {
            Fnmatch::new(&absolute(glob).to_string_lossy())
        });
        ignored
    }

    pub(super) fn holds(&self, path: &Path, text: &str) -> bool {
        self.paths.certain.iter().any(|ignored| ignored == path)
            || self.globs.certain.iter().any(|glob| glob.matches(text))
    }

    /// Why it is not known whether this one entry is left out.
    pub(super) fn doubt(&self, path: &Path, text: &str) -> Option<&'static str> {
        if self.paths.perhaps.iter().any(|ignored| ignored == path) {
            Some("a condition decides whether `collect_ignore` names it")
        } else if self.globs.perhaps.iter().any(|glob| glob.matches(text)) {
            Some("a condition decides whether `collect_ignore_glob` fits it")
        } else {
            None
        }
    }

    /// Why it is not known whether an entry is left out, whichever it is.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &str> {
        [&self.paths.unknown, &self.globs.unknown]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}
