//! Arguments: a path, and what is wanted of the file there.
//!
//! `resolve_collection_argument` and `normalize_collection_arguments` of pytest.

use super::Problem;
use dyno_model::{FileKind, Files, PytestConfig, absolute_path};
use std::path::PathBuf;

/// One argument, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) path: PathBuf,
    pub(super) names: Vec<String>,
    pub(super) parametrization: Option<String>,
    pub(super) is_folder: bool,
}

impl Argument {
    /// As pytest names it where it finds nothing.
    pub(super) fn report(&self, config: &PytestConfig) -> String {
        let mut text = self.path.to_string_lossy().into_owned();
        for name in &self.names {
            text.push_str("::");
            text.push_str(name);
        }
        // 9.0 keeps the brackets apart from the names, and leaves them out here.
        if !config.version.at_least(9, 0) {
            text.push_str(self.parametrization.as_deref().unwrap_or_default());
        }
        text
    }

    fn is_subsumed_by(&self, by: &Self) -> bool {
        if by.path != self.path {
            return by.names.is_empty() && self.path.starts_with(&by.path);
        }
        self.names.starts_with(&by.names)
            && (by.parametrization.is_none() || by.parametrization == self.parametrization)
    }
}

/// Resolves all arguments; pytest stops at the first that it cannot.
pub(super) fn resolve(config: &PytestConfig, files: &dyn Files) -> Result<Vec<Argument>, Problem> {
    let arguments = config
        .args
        .iter()
        .map(|text| resolve_one(text, config, files))
        .collect::<Result<Vec<_>, _>>()?;
    // 9.0 began to normalize; before, the cache of collected nodes dropped some duplicates.
    if config.version.at_least(9, 0) && !config.keep_duplicates {
        Ok(normalize(arguments))
    } else {
        Ok(arguments)
    }
}

fn resolve_one(text: &str, config: &PytestConfig, files: &dyn Files) -> Result<Argument, Problem> {
    let refuse = |what: &str| Problem {
        message: format!("{what}: {text}"),
    };
    let (base, brackets) = match text.find('[') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut parts = base.split("::");
    let path = parts.next().unwrap_or_default();
    let names: Vec<String> = parts.map(str::to_owned).collect();
    // Before 9.0 brackets without a name before them were dropped, without a word.
    if !brackets.is_empty() && names.is_empty() && config.version.at_least(9, 0) {
        return Err(refuse("path cannot contain [] parametrization"));
    }
    let path = absolute_path(&config.invocation_dir, path);
    let Some(kind) = files.kind(&path) else {
        return Err(refuse(if config.pyargs {
            "module or package not found"
        } else {
            "file or directory not found"
        }));
    };
    let is_folder = kind == FileKind::Folder;
    if is_folder && !names.is_empty() {
        return Err(refuse(if config.pyargs {
            "package argument cannot contain :: selection parts"
        } else {
            "directory argument cannot contain :: selection parts"
        }));
    }
    let parametrization = (!brackets.is_empty() && !names.is_empty()).then(|| brackets.to_owned());
    Ok(Argument {
        path,
        names,
        parametrization,
        is_folder,
    })
}

/// Leaves out what another argument holds already, of equals all but the first.
fn normalize(arguments: Vec<Argument>) -> Vec<Argument> {
    let mut sorted: Vec<(usize, Argument)> = arguments.into_iter().enumerate().collect();
    sorted.sort_by(|(_, left), (_, right)| {
        let key = |argument: &Argument| argument.parametrization.clone().unwrap_or_default();
        (&left.path, &left.names)
            .cmp(&(&right.path, &right.names))
            .then_with(|| key(left).cmp(&key(right)))
    });
    let mut kept: Vec<(usize, Argument)> = Vec::with_capacity(sorted.len());
    for (index, argument) in sorted {
        let held = kept
            .last()
            .is_some_and(|(_, last)| argument.is_subsumed_by(last));
        if !held {
            kept.push((index, argument));
        }
    }
    kept.sort_by_key(|(index, _)| *index);
    kept.into_iter().map(|(_, argument)| argument).collect()
}
