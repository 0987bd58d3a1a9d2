//! The root directory and the file of configuration: `determine_setup` of pytest.

use super::UsageError;
use super::file::{self, Values};
use super::ini::repr;
use dyno_model::{FileKind, Files, PytestVersion, absolute_path};
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) rootdir: PathBuf,
    pub(super) inifile: Option<PathBuf>,
    pub(super) values: Values,
}

/// What it is looked for by.
pub(super) struct Search<'a> {
    pub(super) version: PytestVersion,
    pub(super) folder: &'a Path,
    pub(super) files: &'a dyn Files,
    /// Paths and node ids of the command line.
    pub(super) paths: &'a [String],
    /// `-c`.
    pub(super) inifile: Option<&'a str>,
    /// `--rootdir`, with variables expanded.
    pub(super) rootdir: Option<String>,
}

impl Search<'_> {
    pub(super) fn setup(&self) -> Result<Setup, UsageError> {
        let folders = self.folders();
        let mut setup = match self.inifile.filter(|name| !name.is_empty()) {
            Some(name) => self.given(name, &folders)?,
            None => self.located(&folders)?,
        };
        if let Some(given) = self.rootdir.as_deref().filter(|given| !given.is_empty()) {
            setup.rootdir = absolute_path(self.folder, given);
            if !self.is(&setup.rootdir, FileKind::Folder) {
                return Err(UsageError {
                    message: format!(
                        "Directory '{}' not found. Check your '--rootdir' option.",
                        setup.rootdir.display()
                    ),
                });
            }
        }
        Ok(setup)
    }

    fn is(&self, path: &Path, kind: FileKind) -> bool {
        self.files.kind(path) == Some(kind)
    }

    /// `get_dirs_from_args`.
    fn folders(&self) -> Vec<PathBuf> {
        let path =
            |text: &String| absolute_path(self.folder, text.split("::").next().unwrap_or_default());
        self.paths
            .iter()
            .filter(|text| !text.starts_with('-'))
            .map(path)
            .filter_map(|path| match self.files.kind(&path)? {
                FileKind::Folder => Some(path),
                _ => Some(path.parent().unwrap_or(&path).to_path_buf()),
            })
            .collect()
    }

    fn given(&self, name: &str, folders: &[PathBuf]) -> Result<Setup, UsageError> {
        let path = absolute_path(self.folder, name);
        let refuse = |what: String| UsageError {
            message: format!("Config file '{}' {what}", path.display()),
        };
        // 9.2 began to refuse what it cannot read; before, it was taken as empty, or pytest
        // ended with a traceback where its name is that of a file of configuration.
        let is_new = self.version.at_least(9, 2);
        let is_lax = !is_new && !file::is_supported(&path);
        let kind = match self.files.kind(&path) {
            None | Some(FileKind::Folder) if is_lax => FileKind::Other,
            None => {
                let hint = "not found. Check your '-c/--config-file' option.";
                return Err(refuse(hint.to_owned()));
            }
            Some(FileKind::Folder) => {
                let hint = "is a directory. Check your '-c/--config-file' option.";
                return Err(refuse(hint.to_owned()));
            }
            Some(kind) => kind,
        };
        if is_new && kind == FileKind::File && !file::is_supported(&path) {
            let hint = "has an unsupported format. Supported extensions are: .cfg, .ini, .toml.";
            return Err(refuse(hint.to_owned()));
        }
        let values = file::load(&path, self.version, self.files)?.unwrap_or_default();
        // 9.2 derives nothing from what is no file, such as /dev/null.
        let rootdir = if kind == FileKind::File || !is_new {
            path.parent().unwrap_or(&path).to_path_buf()
        } else {
            let ancestor = self.ancestor(folders);
            if ancestor.parent().is_none() {
                self.folder.to_path_buf()
            } else {
                ancestor
            }
        };
        Ok(Setup {
            rootdir,
            inifile: Some(path),
            values,
        })
    }

    fn located(&self, folders: &[PathBuf]) -> Result<Setup, UsageError> {
        let ancestor = self.ancestor(folders);
        if let Some(setup) = self.locate(std::slice::from_ref(&ancestor))? {
            return Ok(setup);
        }
        let mut setup = Setup::default();
        if self
            .rootdir
            .as_deref()
            .is_some_and(|given| !given.is_empty())
        {
            return Ok(setup);
        }
        let has_setup = |above: &&Path| self.is(&above.join("setup.py"), FileKind::File);
        if let Some(above) = ancestor.ancestors().find(has_setup) {
            setup.rootdir = above.to_path_buf();
            return Ok(setup);
        }
        if folders != [ancestor.clone()] {
            let own = [self.folder.to_path_buf()];
            let searched = if folders.is_empty() { &own } else { folders };
            if let Some(setup) = self.locate(searched)? {
                return Ok(setup);
            }
        }
        setup.rootdir = nearest_above(&[self.folder.to_path_buf(), ancestor.clone()]);
        if setup.rootdir.parent().is_none() {
            setup.rootdir = ancestor;
        }
        Ok(setup)
    }

    /// `locate_config`.
    fn locate(&self, folders: &[PathBuf]) -> Result<Option<Setup>, UsageError> {
        let mut pyproject = None;
        for folder in folders {
            for base in folder.ancestors() {
                for name in file::names(self.version) {
                    let path = base.join(name);
                    if !self.is(&path, FileKind::File) {
                        continue;
                    }
                    if let Some(values) = file::load(&path, self.version, self.files)? {
                        return Ok(Some(Setup {
                            rootdir: base.to_path_buf(),
                            inifile: Some(path),
                            values,
                        }));
                    }
                    if *name == "pyproject.toml" && pyproject.is_none() {
                        pyproject = Some(path);
                    }
                }
            }
        }
        // 8.1 began to take any pyproject.toml where there is nothing else.
        let pyproject = pyproject.filter(|_| self.version.at_least(8, 1));
        Ok(pyproject.map(|path| Setup {
            rootdir: path.parent().unwrap_or(&path).to_path_buf(),
            inifile: Some(path),
            values: Values::new(),
        }))
    }

    /// `get_common_ancestor`, of folders that are there.
    fn ancestor(&self, folders: &[PathBuf]) -> PathBuf {
        if folders.is_empty() {
            self.folder.to_path_buf()
        } else {
            nearest_above(folders)
        }
    }
}

fn nearest_above(paths: &[PathBuf]) -> PathBuf {
    let mut paths = paths.iter();
    let mut shared = paths.next().cloned().unwrap_or_default();
    for path in paths {
        while !path.starts_with(&shared) && shared.pop() {}
    }
    shared
}

/// Takes `-o name=value` apart; of several for one name the last counts.
pub(super) fn overrides<'a>(
    given: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, String)>, UsageError> {
    given
        .map(|text| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(UsageError {
                message: format!(
                    "-o/--override-ini expects option=value style (got: {}).",
                    repr(text)
                ),
            }),
        })
        .collect()
}
