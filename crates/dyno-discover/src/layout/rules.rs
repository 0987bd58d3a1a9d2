//! Which files are tests, and which files and folders are left out.

use super::conftests::Ignored;
use super::patterns::PathPatterns;
use super::types::FileRole;
use dyno_model::{FileKind, Files, Fnmatch, FolderEntry, PytestConfig};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The configuration's patterns, read once.
pub(super) struct Rules<'a> {
    config: &'a PytestConfig,
    files: &'a dyn Files,
    python_files: PathPatterns,
    norecursedirs: PathPatterns,
    doctest_glob: PathPatterns,
    ignore: HashSet<PathBuf>,
    ignore_glob: Vec<Fnmatch>,
    doctests: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(config: &'a PytestConfig, files: &'a dyn Files) -> Self {
        let read = |glob: &String| Fnmatch::new(glob);
        Self {
            config,
            files,
            python_files: PathPatterns::new(&config.python_files),
            norecursedirs: PathPatterns::new(&config.norecursedirs),
            doctest_glob: PathPatterns::new(&config.doctest_glob),
            ignore: config.ignore.iter().cloned().collect(),
            ignore_glob: config.ignore_glob.iter().map(read).collect(),
            doctests: !config.blocks("doctest"),
        }
    }

    /// `norecursedirs`.
    pub(super) fn is_skipped_folder(&self, text: &str, name: &str) -> bool {
        self.norecursedirs.any(text, name)
    }

    pub(super) fn is_ignored(&self, path: &Path, text: &str, ignored: &Ignored) -> bool {
        (!self.ignore.is_empty() && self.ignore.contains(path))
            || self.ignore_glob.iter().any(|glob| glob.matches(text))
            || ignored.holds(path, text)
    }

    /// `_in_venv`.
    pub(super) fn is_virtualenv(&self, path: &Path, listed: &[FolderEntry]) -> bool {
        let holds = |name: &str, kind| {
            let is_it = |entry: &FolderEntry| entry.name == name && entry.kind == Some(kind);
            listed.iter().any(is_it)
        };
        // 8.3 began to look for pyvenv.cfg; before, an activate script was the sign.
        if self.config.version.at_least(8, 3) {
            holds("pyvenv.cfg", FileKind::File)
                || (holds("conda-meta", FileKind::Folder)
                    && self.files.kind(&path.join("conda-meta/history")) == Some(FileKind::File))
        } else {
            holds("bin", FileKind::Folder)
                && self.files.list(&path.join("bin")).is_some_and(|scripts| {
                    let named =
                        |entry: &FolderEntry| ACTIVATE.iter().any(|name| entry.name == *name);
                    scripts.iter().any(named)
                })
        }
    }

    /// `pytest_collect_file` of the python and the doctest plugin.
    pub(super) fn role(
        &self,
        path: &Path,
        text: &str,
        name: &str,
        is_initial: bool,
    ) -> Option<FileRole> {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if extension == "py" {
            let is_module = is_initial || self.python_files.any(text, name);
            let has_doctests = self.doctests
                && self.config.doctest_modules
                && name != "__main__.py"
                && !(name == "setup.py" && self.is_setup(path));
            return match (is_module, has_doctests) {
                (true, true) => Some(FileRole::ModuleAndDoctests),
                (true, false) => Some(FileRole::Module),
                (false, true) => Some(FileRole::DoctestModule),
                (false, false) => None,
            };
        }
        let is_text = self.doctests
            && (self.doctest_glob.any(text, name)
                || (matches!(extension, "txt" | "rst") && is_initial));
        is_text.then_some(FileRole::DoctestText)
    }

    fn is_setup(&self, path: &Path) -> bool {
        let holds =
            |content: &[u8], word: &[u8]| content.windows(word.len()).any(|part| part == word);
        self.files
            .read(path)
            .is_some_and(|content| holds(&content, b"setuptools") || holds(&content, b"distutils"))
    }
}

/// The scripts that made a folder a virtual environment before 8.3.
const ACTIVATE: &[&str] = &[
    "activate",
    "activate.csh",
    "activate.fish",
    "Activate",
    "Activate.bat",
    "Activate.ps1",
];
