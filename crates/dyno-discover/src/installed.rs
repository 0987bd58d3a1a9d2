//! What an environment means to the reading of text: the interpreter, the folders that
//! modules come from, the fixtures of pytest and its plugins.

use crate::fixture::{PluginFixture, PluginParams};
use dyno_model::{Environment, PytestConfig};
use dyno_python::{Interpreter, SearchPath};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The interpreter of an environment.
pub(crate) fn interpreter(environment: &Environment) -> Interpreter {
    let python = &environment.python;
    Interpreter {
        version: (python.version[0], python.version[1]),
        platform: python.platform.as_str().into(),
        os_name: python.os_name.as_str().into(),
    }
}

/// The folders that modules are imported from, before any test file adds its own.
pub(crate) fn search_path(config: &PytestConfig, environment: &Environment) -> SearchPath {
    let mut search = SearchPath::default();
    search.project.extend(config.pythonpath.iter().cloned());
    for folder in &environment.sys_path {
        let folder = PathBuf::from(folder);
        let site = environment
            .python
            .site
            .iter()
            .chain(&environment.python.stdlib);
        let is_site = site.map(Path::new).any(|site| folder.starts_with(site));
        if is_site || !folder.starts_with(&config.rootdir) {
            search.installed.push(folder);
        } else {
            search.project.push(folder);
        }
    }
    search
}

/// The fixtures of pytest and its plugins.
pub(crate) fn plugin_fixtures(environment: &Environment) -> Vec<PluginFixture> {
    let params = |fixture: &dyno_model::PluginFixture| match &fixture.params {
        _ if fixture.scope.is_none() => {
            PluginParams::Unknown("a function decides its scope".into())
        }
        None => PluginParams::None,
        Some(params) if params.iter().any(|param| !param.marks.is_empty()) => {
            PluginParams::Unknown("its parameters bring marks".into())
        }
        Some(params) => {
            let ids = params
                .iter()
                .map(|param| param.id.as_deref().map(Arc::from));
            ids.collect::<Option<Vec<_>>>().map_or_else(
                || PluginParams::Unknown("the ids of its parameters are not known".into()),
                PluginParams::Known,
            )
        }
    };
    let fixtures = environment.fixtures.iter();
    let seen_everywhere = fixtures.filter(|fixture| fixture.base.is_empty());
    seen_everywhere
        .map(|fixture| PluginFixture {
            name: fixture.name.as_str().into(),
            scope: fixture.scope.unwrap_or(dyno_model::Scope::Function),
            params: params(fixture),
            autouse: fixture.autouse,
            argnames: fixture
                .arguments
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            plugin: fixture.file.as_str().into(),
        })
        .collect()
}
