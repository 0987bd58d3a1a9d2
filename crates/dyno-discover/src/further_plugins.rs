//! The modules that conftests load as plugins, by `pytest_plugins`.

use crate::fixture::Layer;
use crate::hooks::{Hooks, conftest_hooks};
use crate::layout::Layout;
use crate::module::{Suite, plugin_module_fixtures, unknown};
use crate::rules::Place;
use dyno_model::{Doubt, Environment, PytestConfig, Unknown};
use dyno_python::{Closure, Found, Module, Reason, Value};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What those modules bring: their fixtures and hooks are heard everywhere.
pub(crate) struct Further<'e> {
    environment: &'e Environment,
    pub(crate) layers: Vec<Layer>,
    /// The files that all this was read from, or would have been.
    pub(crate) closure: Closure,
    /// pytest loads each once, which also ends circles.
    seen: HashSet<PathBuf>,
}

/// Names of pytest's own plugins that it loads by itself, in all versions from 8.0 to 9.2
/// (`default_plugins` in `_pytest/config/__init__.py`): naming them changes nothing.
const LOADED: [&str; 27] = [
    "assertion",
    "cacheprovider",
    "capture",
    "debugging",
    "doctest",
    "faulthandler",
    "fixtures",
    "helpconfig",
    "junitxml",
    "legacypath",
    "logging",
    "main",
    "mark",
    "monkeypatch",
    "pastebin",
    "python",
    "recwarn",
    "reports",
    "runner",
    "setuponly",
    "setupplan",
    "skipping",
    "stepwise",
    "terminal",
    "tmpdir",
    "unittest",
    "warnings",
];

/// Those that only some versions load, or that are loaded where they are named.
const OTHERS: [&str; 9] = [
    "freeze_support",
    "nose",
    "pytester",
    "pytester_assertions",
    "python_path",
    "subtests",
    "terminalprogress",
    "threadexception",
    "unraisableexception",
];

/// What a name in `pytest_plugins` is to pytest (`PytestPluginManager.import_plugin`).
enum Named {
    /// It is loaded already.
    Loaded,
    /// A module, if there is one.
    Module,
    /// Not settled here.
    Unknown,
}

impl<'e> Further<'e> {
    pub(crate) fn new(environment: &'e Environment) -> Self {
        Self {
            environment,
            layers: Vec::new(),
            closure: Closure::default(),
            seen: HashSet::new(),
        }
    }

    fn named_by(&self, suite: &Suite<'_>, name: &str) -> Named {
        let bare = |name: &str| name.strip_prefix("pytest_").unwrap_or(name).to_owned();
        let mut installed = self.environment.plugins.iter();
        let is_installed = installed.any(|plugin| plugin.name == name);
        let words = suite.config.plugins.iter();
        let mut blocked = words.filter_map(|word| word.trim().strip_prefix("no:"));
        if blocked.any(|word| bare(word) == bare(name)) || OTHERS.contains(&name) {
            Named::Unknown
        } else if LOADED.contains(&name) || is_installed {
            Named::Loaded
        } else {
            Named::Module
        }
    }

    /// Adds what a conftest names, and what that names.
    pub(crate) fn add(
        &mut self,
        suite: &Suite<'_>,
        conftest: &Arc<Module>,
        hooks: &mut Hooks,
        doubts: &mut Vec<Unknown>,
    ) {
        // `register` announces a module before it looks at what that names, in all versions:
        // what is named comes later, and its fixtures override those of who names it.
        let mut ahead = self.named(suite, conftest, doubts);
        ahead.reverse();
        while let Some(plugin) = ahead.pop() {
            if !self.seen.insert(plugin.path.clone()) {
                continue;
            }
            conftest_hooks(&suite.world, &plugin, None, hooks);
            self.layers.push(plugin_module_fixtures(suite, &plugin));
            let named = self.named(suite, &plugin, doubts);
            ahead.extend(named.into_iter().rev());
        }
    }

    /// The modules that a module's `pytest_plugins` names.
    fn named(
        &mut self,
        suite: &Suite<'_>,
        module: &Arc<Module>,
        doubts: &mut Vec<Unknown>,
    ) -> Vec<Arc<Module>> {
        let Some(binding) = module.scope().of("pytest_plugins").next_back() else {
            return Vec::new();
        };
        let place = Place {
            file: module.file.clone(),
            line: module.line(binding.offset),
        };
        let mut doubt = |text: String| {
            let reason = place.reason(text);
            doubts.push(unknown(suite.config, Doubt::Existence, &reason));
        };
        let Some(names) = texts(&suite.world.resolve(module, "pytest_plugins")) else {
            doubt("`pytest_plugins` is not settled".to_owned());
            return Vec::new();
        };
        let mut modules = Vec::new();
        for name in names {
            match self.named_by(suite, &name) {
                Named::Loaded => continue,
                Named::Unknown => {
                    doubt(format!("loads the plugin `{name}`"));
                    continue;
                }
                Named::Module => {}
            }
            let read = suite.world.closure_of_name(module, &name);
            self.closure.present.extend(read.present);
            self.closure.absent.extend(read.absent);
            self.closure.unknown.extend(read.unknown);
            match suite.world.find(module, 0, &name) {
                Found::Module(plugin) => modules.push(plugin),
                _ => doubt(format!("loads the plugin `{name}`")),
            }
        }
        modules
    }
}

/// `pytest_plugins` in a conftest that pytest loads while it collects: it refuses that.
pub(crate) fn refused(
    layout: &Layout,
    config: &PytestConfig,
    path: &Path,
    conftest: &Module,
) -> Option<Unknown> {
    let mut initial = layout.conftests.iter().take(layout.initial_conftests);
    if initial.any(|initial| *initial == path) {
        return None;
    }
    let binding = conftest.scope().of("pytest_plugins").next()?;
    let text = "pytest refuses `pytest_plugins` in a conftest that it loads as it collects";
    let reason = Reason::new(text, conftest, binding.offset);
    Some(unknown(config, Doubt::Existence, &reason))
}

/// One text, or those of a list.
fn texts(value: &Value) -> Option<Vec<Arc<str>>> {
    match value {
        Value::Str(name) => Some(vec![name.clone()]),
        Value::List(items) | Value::Tuple(items) => items
            .iter()
            .map(|item| item.as_str().map(Arc::from))
            .collect(),
        _ => None,
    }
}
