//! What a conftest says of files to leave out.

use crate::layout::{CollectIgnore, IgnoreList};
use dyno_model::PytestConfig;
use dyno_python::{GrownList, Module, Value, World};
use std::path::Path;
use std::sync::Arc;

/// Its `collect_ignore` and `collect_ignore_glob`.
pub(crate) fn collect_ignore(
    world: &World<'_>,
    config: &PytestConfig,
    conftest: &Path,
) -> CollectIgnore {
    let module = match world.load(conftest) {
        Ok(module) => module,
        Err(problem) => {
            let unknown = IgnoreList::Unknown(problem.message);
            return CollectIgnore {
                paths: unknown.clone(),
                globs: unknown,
            };
        }
    };
    CollectIgnore {
        paths: list(world, config, &module, "collect_ignore"),
        globs: list(world, config, &module, "collect_ignore_glob"),
    }
}

fn list(world: &World<'_>, config: &PytestConfig, module: &Arc<Module>, name: &str) -> IgnoreList {
    if module.scope().of(name).next().is_none() && module.scope().stars().is_empty() {
        return IgnoreList::Absent;
    }
    let unknown = |reason: String| match module.grown_list(name) {
        Some(GrownList {
            certain,
            perhaps,
            may_be_absent,
        }) => IgnoreList::Perhaps {
            certain,
            perhaps,
            may_be_absent,
        },
        None => IgnoreList::Unknown(reason),
    };
    match world.resolve(module, name) {
        Value::List(items) | Value::Tuple(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().map_or_else(
                || unknown(format!("`{name}` is not settled")),
                IgnoreList::Known,
            )
        }
        Value::Unknown(reason) => {
            let file = crate::module::relative(&config.rootdir, Path::new(&*reason.file));
            unknown(format!("{} ({file}:{})", reason.text, reason.line))
        }
        _ => unknown(format!("`{name}` is not settled")),
    }
}
