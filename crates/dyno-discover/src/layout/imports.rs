//! How files are imported, and which cannot be because the name is taken.
//!
//! Under `prepend` and `append` a module's name comes from the packages that it lies in.
//! Two files of one name, or two packages of one name in different places, do not go
//! together: the later one is an error of collection.

use super::imported::IMPORTED_BEFORE;
use super::types::ModuleName;
use dyno_model::{FileKind, Files, ImportMode, PytestConfig};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names that are taken, and by what.
pub(super) struct Imports<'a> {
    config: &'a PytestConfig,
    files: &'a dyn Files,
    taken: HashMap<String, PathBuf>,
    packages: HashMap<PathBuf, Option<PathBuf>>,
}

impl<'a> Imports<'a> {
    pub(super) fn new(config: &'a PytestConfig, files: &'a dyn Files) -> Self {
        Self {
            config,
            files,
            taken: HashMap::new(),
            packages: HashMap::new(),
        }
    }

    /// The name that a file is imported by: `resolve_pkg_root_and_module_name`, or
    /// `module_name_from_path` under `importlib`.
    pub(super) fn name(&mut self, path: &Path) -> ModuleName {
        let folder = path.parent().unwrap_or(path);
        if self.config.import_mode == ImportMode::Importlib {
            return self.importlib_name(path);
        }
        let package = self.package(folder);
        let root = match &package {
            Some(outermost) => outermost.parent().unwrap_or(outermost),
            None => folder,
        };
        let name = dotted(path, root, str::to_owned);
        ModuleName {
            root: root.to_path_buf(),
            name,
        }
    }

    fn importlib_name(&self, path: &Path) -> ModuleName {
        let root = &self.config.rootdir;
        let root = if path.starts_with(root) {
            root.clone()
        } else {
            PathBuf::from("/")
        };
        let name = dotted(path, &root, |part| part.replace('.', "_"));
        ModuleName { root, name }
    }

    /// The outermost of the packages that a folder lies in, without a gap.
    fn package(&mut self, folder: &Path) -> Option<PathBuf> {
        if let Some(known) = self.packages.get(folder) {
            return known.clone();
        }
        let mut outermost = None;
        for above in folder.ancestors() {
            let named = above.file_name().and_then(|name| name.to_str());
            if !named.is_some_and(is_identifier)
                || self.files.kind(&above.join("__init__.py")) != Some(FileKind::File)
            {
                break;
            }
            outermost = Some(above.to_path_buf());
        }
        self.packages
            .insert(folder.to_path_buf(), outermost.clone());
        outermost
    }

    /// Takes a name for a file; where another place has it, the reason why the import
    /// fails.
    pub(super) fn take(&mut self, path: &Path, module: &ModuleName) -> Option<String> {
        if self.config.import_mode == ImportMode::Importlib {
            return None;
        }
        let top = module.name.split('.').next().unwrap_or_default();
        let is_package = module.name != top || path.ends_with("__init__.py");
        let place = if is_package {
            module.root.join(top)
        } else {
            path.to_path_buf()
        };
        // Its own conftests are forgotten before each import.
        if !is_package && top == "conftest" {
            return None;
        }
        if IMPORTED_BEFORE.binary_search(&top).is_ok() {
            return Some(format!(
                "its module would be `{top}`, which may be imported already from elsewhere"
            ));
        }
        match self.taken.get(top) {
            None => {
                self.taken.insert(top.to_owned(), place);
                None
            }
            Some(first) if *first == place => None,
            Some(first) if self.files.canonical(first) == self.files.canonical(&place) => None,
            Some(first) => Some(format!(
                "`{top}` is imported already from {}",
                first.display()
            )),
        }
    }
}

fn dotted(path: &Path, root: &Path, part_name: impl Fn(&str) -> String) -> String {
    let relative = path.with_extension("");
    let relative = relative.strip_prefix(root).unwrap_or(&relative);
    let mut parts: Vec<String> = relative
        .iter()
        .map(|part| part_name(&part.to_string_lossy()))
        .collect();
    if parts.len() > 1 && parts.last().is_some_and(|last| last == "__init__") {
        parts.pop();
    }
    parts.join(".")
}

/// `str.isidentifier`, but for a few letters outside ASCII that only Unicode's tables know.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}
