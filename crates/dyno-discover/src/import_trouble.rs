//! Files whose import fails, or may, for the sake of other files.

use crate::layout::{Layout, LayoutFile};
use crate::module::{Suite, relative, unknown};
use dyno_model::{Doubt, ImportMode, PytestConfig, Unknown};
use dyno_python::{Closure, Reason};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Files that would be imported by one name: pytest refuses the second (`import file
/// mismatch`), unless `PY_IGNORE_IMPORTMISMATCH` gives it the first one's module.
pub(crate) fn module_twins(config: &PytestConfig, layout: &Layout) -> HashMap<PathBuf, Unknown> {
    // Under `importlib` a name is made of the whole path.
    if config.import_mode == ImportMode::Importlib {
        return HashMap::new();
    }
    let mut by_name: HashMap<&str, Vec<&LayoutFile>> = HashMap::new();
    for file in &layout.files {
        by_name.entry(&file.module.name).or_default().push(file);
    }
    let mut twins = HashMap::new();
    for (name, files) in by_name {
        for file in &files {
            let Some(other) = files.iter().find(|other| other.path != file.path) else {
                continue;
            };
            let reason = format!("`{}` is imported as `{name}` too", other.id);
            let twin = Unknown::new(Doubt::Existence, reason).at(&file.id, 1);
            twins.insert(file.path.clone(), twin);
        }
    }
    twins
}

/// A module of the project that a file imports, or a package that it lies in, and that
/// Python cannot read.
pub(crate) fn broken_import(
    suite: &Suite<'_>,
    file: &LayoutFile,
    closure: &Closure,
) -> Option<Unknown> {
    let packages = (file.folders.iter())
        .filter(|folder| folder.is_package)
        .map(|folder| folder.path.join("__init__.py"));
    let imported = closure.present.iter().filter(|path| **path != file.path);
    imported.cloned().chain(packages).find_map(|path| {
        let problem = suite.world.load(&path).err()?;
        let why = Reason {
            text: format!("it imports what cannot be read: {}", problem.message).into(),
            file: shown(suite, &path),
            line: problem.line,
        };
        Some(unknown(suite.config, Doubt::Existence, &why))
    })
}

fn shown(suite: &Suite<'_>, path: &Path) -> std::sync::Arc<str> {
    relative(&suite.config.rootdir, path).as_str().into()
}
