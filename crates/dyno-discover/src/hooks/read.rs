//! From implementations of hooks to what they do.

use super::body::uses;
use super::effect::{AnyioMode, Effect, Hooks, Kind};
use super::generates::generates_for;
use super::known::{Known, known};
use super::reach::reaches;
use crate::apart::LIST_READERS;
use crate::module::{Object, of_module};
use dyno_model::{Environment, HookImplementation, PytestConfig};
use dyno_python::{Function, Module, World, ast};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a hook may do, if its text does not say less.
enum Worst {
    /// Nothing that concerns collection.
    Nothing,
    /// It is given the list of tests, or one test.
    Items,
    /// It makes parameters.
    Generates,
    /// It decides about a path.
    Ignores,
    /// It makes nodes of files, also of those that nobody else looks at.
    Files,
    /// It makes nodes.
    Existence,
    /// It makes ids.
    ParamIds,
    /// It could reach for anything.
    Anything,
}

fn worst(hook: &str) -> Worst {
    match hook {
        "pytest_collection_modifyitems" | "pytest_itemcollected" => Worst::Items,
        "pytest_generate_tests" => Worst::Generates,
        "pytest_ignore_collect" => Worst::Ignores,
        "pytest_make_parametrize_id" => Worst::ParamIds,
        "pytest_collect_file" | "pytest_collect_directory" => Worst::Files,
        "pytest_pycollect_makemodule"
        | "pytest_pycollect_makeitem"
        | "pytest_make_collect_report"
        | "pytest_collectstart"
        | "pytest_asyncio_loop_factories" => Worst::Existence,
        "pytest_configure"
        | "pytest_sessionstart"
        | "pytest_plugin_registered"
        | "pytest_addhooks"
        | "pytest_addoption"
        | "pytest_collection"
        | "pytest_collection_finish"
        | "pytest_cmdline_main"
        | "pytest_cmdline_parse"
        | "pytest_cmdline_preparse"
        | "pytest_load_initial_conftests" => Worst::Anything,
        _ => Worst::Nothing,
    }
}

/// Adds what a conftest's hooks do. `below` is its folder; hooks that pytest calls for the
/// whole session are heard everywhere whatever it says.
pub(crate) fn conftest_hooks(
    world: &World<'_>,
    module: &Arc<Module>,
    below: Option<&Path>,
    hooks: &mut Hooks,
) {
    for entry in world.names(module).entries {
        if !entry.name.starts_with("pytest_") {
            continue;
        }
        if LIST_READERS.contains(&&*entry.name) {
            let reason = format!("a conftest has `{}`", entry.name);
            hooks.reads_list.get_or_insert(reason);
        }
        let worst = worst(&entry.name);
        if matches!(worst, Worst::Nothing) {
            continue;
        }
        let function = match of_module(world, module, &entry.name) {
            Object::Function(function, _) => Some(function),
            Object::Nothing => continue,
            _ => None,
        };
        let reading = Reading {
            world,
            hook: &entry.name,
            who: "a conftest",
            below: below.map(Path::to_path_buf),
        };
        reading.add(&worst, module, function.as_ref(), hooks);
    }
}

/// Adds what the hooks of installed plugins do.
pub(crate) fn plugin_hooks(
    world: &World<'_>,
    environment: &Environment,
    config: &PytestConfig,
    hooks: &mut Hooks,
) {
    for implementation in &environment.hooks {
        match known(environment, implementation) {
            Some(Known::Nothing) => {}
            Some(Known::Asyncio) => {
                hooks.asyncio_auto |=
                    is_auto(config, environment, "asyncio_mode", "--asyncio-mode");
            }
            Some(Known::Hypothesis) => hooks.hypothesis = true,
            Some(Known::Anyio) => {
                let auto = is_auto(config, environment, "anyio_mode", "--anyio-mode");
                hooks.anyio = Some(if auto {
                    AnyioMode::Auto
                } else {
                    AnyioMode::Strict
                });
            }
            None => plugin_hook(world, implementation, hooks),
        }
    }
    for reason in &environment.unknown {
        hooks.effects.push(Effect {
            below: None,
            kind: Kind::List,
            reason: reason.clone(),
            at: String::new(),
        });
    }
}

/// Whether a mode is `auto`: the command line outranks the ini file.
fn is_auto(config: &PytestConfig, environment: &Environment, key: &str, option: &str) -> bool {
    let given = &config.other_options;
    let last = given.iter().rposition(|arg| arg.starts_with(option));
    let value = last.and_then(|at| match given.get(at)?.split_once('=') {
        Some((_, value)) => Some(value),
        None => given.get(at + 1).map(String::as_str),
    });
    value.or_else(|| ini(config, environment, key)) == Some("auto")
}

fn ini<'c>(config: &'c PytestConfig, environment: &'c Environment, name: &str) -> Option<&'c str> {
    let given = config.ini.iter().find(|(key, _)| key == name);
    given.map(|(_, value)| value.as_str()).or_else(|| {
        let option = environment.ini.iter().find(|option| option.name == name)?;
        option.default.as_deref()
    })
}

fn plugin_hook(world: &World<'_>, implementation: &HookImplementation, hooks: &mut Hooks) {
    if LIST_READERS.contains(&implementation.hook.as_str()) {
        let HookImplementation { plugin, hook, .. } = implementation;
        let reason = format!("the plugin {plugin} has `{hook}`");
        hooks.reads_list.get_or_insert(reason);
    }
    let worst = match worst(&implementation.hook) {
        // What a plugin set up, the probe of the environment saw.
        Worst::Anything | Worst::Nothing => return,
        worst => worst,
    };
    let who = format!("plugin `{}`", implementation.plugin);
    let reading = Reading {
        world,
        hook: &implementation.hook,
        who: &who,
        below: None,
    };
    match world.load(Path::new(&implementation.file)) {
        Ok(module) => {
            let function = function_at(&module, implementation.line);
            reading.add(&worst, &module, function.as_ref(), hooks);
        }
        Err(_) => reading.push(hooks, Kind::List, "is not readable as text", String::new()),
    }
}

/// The function whose definition begins at a line, its decorators included.
fn function_at(module: &Arc<Module>, line: u32) -> Option<Function> {
    struct At<'m> {
        module: &'m Arc<Module>,
        line: u32,
        found: Option<Function>,
    }
    impl<'a> ast::visitor::Visitor<'a> for At<'_> {
        fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
            if let ast::Stmt::FunctionDef(def) = statement {
                let offset = dyno_python::text_size::Ranged::range(def).start().to_u32();
                let name = dyno_python::text_size::Ranged::range(&def.name)
                    .start()
                    .to_u32();
                if (self.module.line(offset)..=self.module.line(name)).contains(&self.line) {
                    self.found = Some(Function {
                        module: self.module.clone(),
                        name: def.name.as_str().into(),
                        offset,
                    });
                }
            }
            if self.found.is_none() {
                ast::visitor::walk_stmt(self, statement);
            }
        }
    }
    let mut at = At {
        module,
        line,
        found: None,
    };
    ast::visitor::Visitor::visit_body(&mut at, module.body());
    at.found
}

struct Reading<'r, 'w> {
    world: &'r World<'w>,
    hook: &'r str,
    who: &'r str,
    below: Option<PathBuf>,
}

impl Reading<'_, '_> {
    fn push(&self, hooks: &mut Hooks, kind: Kind, what: &str, at: String) {
        let whole = matches!(kind, Kind::List | Kind::Markers(_));
        let session_wide =
            self.hook == "pytest_collection_modifyitems" || matches!(kind, Kind::List);
        hooks.effects.push(Effect {
            below: if whole && session_wide {
                None
            } else {
                self.below.clone()
            },
            kind,
            reason: format!("`{}` of {} {what}", self.hook, self.who),
            at,
        });
    }

    fn add(
        &self,
        worst: &Worst,
        module: &Arc<Module>,
        function: Option<&Function>,
        hooks: &mut Hooks,
    ) {
        let place = |function: &Function| {
            format!(
                "{}:{}",
                function.module.file,
                function.module.line(function.offset)
            )
        };
        let definition = function
            .and_then(|function| Some((function, function.module.function_at(function.offset)?)));
        let Some((function, definition)) = definition else {
            let kind = match worst {
                Worst::Nothing => return,
                Worst::Generates => Kind::Ids(Vec::new()),
                Worst::ParamIds => Kind::ParamIds,
                Worst::Ignores | Worst::Existence => Kind::Existence,
                Worst::Items | Worst::Anything | Worst::Files => Kind::List,
            };
            return self.push(
                hooks,
                kind,
                "is not written as a function there",
                module.file.to_string(),
            );
        };
        let at = place(function);
        match worst {
            Worst::Nothing => {}
            Worst::Generates => {
                let names = generates_for(definition);
                self.push(hooks, Kind::Ids(names), "makes parameters", at);
            }
            Worst::ParamIds => self.push(hooks, Kind::ParamIds, "makes ids", at),
            Worst::Existence => self.push(hooks, Kind::Existence, "makes nodes", at),
            Worst::Files => self.push(hooks, Kind::List, "may make tests of any file", at),
            Worst::Ignores => self.push(
                hooks,
                Kind::Ignore(function.clone()),
                "may leave files out",
                at,
            ),
            Worst::Anything => {
                if let Some(what) = reaches(definition) {
                    self.push(hooks, Kind::List, &what, at);
                }
            }
            Worst::Items => {
                let found = uses(self.world, &function.module, definition);
                if let Some(what) = found.other {
                    self.push(hooks, Kind::List, &what, at.clone());
                }
                if found.any_marker {
                    self.push(hooks, Kind::Markers(Vec::new()), "adds markers", at);
                } else if !found.markers.is_empty() {
                    let names: Vec<_> = found.markers.into_iter().collect();
                    let what = format!("adds the marker `{}`", names.join("`, `"));
                    self.push(hooks, Kind::Markers(names), &what, at);
                }
            }
        }
    }
}
