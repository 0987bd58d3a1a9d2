//! A project: its files, its conftests, its hooks, and what its text tells of each file.

use crate::apart::{Apart, apart, binds_files, reads_list};
use crate::elsewhere::changed_elsewhere;
use crate::fixture::Layer;
use crate::further_plugins::{Further, refused};
use crate::hooks::{Hooks, conftest_hooks, plugin_hooks};
use crate::ignores::collect_ignore;
use crate::import_trouble::{broken_import, module_twins};
use crate::installed::{interpreter, plugin_fixtures, search_path};
use crate::layout::{FileRole, Layout, LayoutFile, layout};
use crate::module::{Skips, Suite, collect, plugin_module_fixtures};
use crate::objects::WorldObjects;
use crate::rules::Rules;
use dyno_model::{
    Doubt, Environment, FileTests, Files, ImportMode, PytestConfig, PytestVersion, Unknown,
};
use dyno_python::{Closure, Module, Reason, World};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Versions of pytest whose rules are these. Of a later one nothing is concluded.
pub const CHECKED: std::ops::RangeInclusive<PytestVersion> =
    PytestVersion::new(8, 0)..=PytestVersion::new(9, 2);

/// What the text of one file tells.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its tests.
    pub tests: FileTests,
    /// The files that this was read from, the file and its conftests included, and those
    /// that would have been read had they been there.
    pub closure: Closure,
}

/// A project whose files can be asked for one by one, from any thread.
pub struct Project<'a> {
    suite: Suite<'a>,
    layout: Layout,
    /// The fixtures of plugins, and of the modules that conftests load as plugins.
    everywhere: Vec<Layer>,
    /// What those modules were read from.
    further: Closure,
    conftests: HashMap<PathBuf, Conftest>,
    unknown: Vec<Unknown>,
    /// Files that share a module's name with another.
    twins: HashMap<PathBuf, Unknown>,
}

struct Conftest {
    layer: Layer,
    closure: Closure,
    /// Why pytest cannot load it.
    fails: Option<Unknown>,
}

impl<'a> Project<'a> {
    /// Lays the project out and reads its conftests.
    pub fn open(files: &'a dyn Files, config: &'a PytestConfig, environment: &Environment) -> Self {
        let mut search = search_path(config, environment);
        // Where modules are found depends on where the test files are, and that on what
        // conftests say.
        let before = World::new(files, search.clone(), interpreter(environment));
        let ignored = |conftest: &Path| collect_ignore(&before, config, conftest);
        let layout = layout(config, files, &ignored);
        search.project.extend(roots(files, config, &layout));
        let world = World::new(files, search, interpreter(environment));
        let python = &environment.python;
        let mut rules = Rules::new(config, (python.version[0], python.version[1]));
        let mut hooks = Hooks::default();
        plugin_hooks(&world, environment, config, &mut hooks);
        let mut unknown = layout.unknown.clone();
        unknown.extend(unknown_rules(config));
        let mut suite = Suite {
            world,
            config,
            rules: rules.clone(),
            hooks: Hooks::default(),
            skips: Skips::default(),
        };
        let mut loaded = Vec::new();
        for path in &layout.conftests {
            match suite.world.load(path) {
                Ok(module) => loaded.push((path.clone(), module)),
                Err(problem) => unknown.push(
                    Unknown::new(
                        Doubt::Existence,
                        format!("a conftest cannot be read: {}", problem.message),
                    )
                    .at(
                        &crate::module::relative(&config.rootdir, path),
                        problem.line,
                    ),
                ),
            }
        }
        let mut conftests = HashMap::new();
        let mut further = Further::new(environment);
        let mut before_root = None;
        for (path, module) in loaded {
            unknown.extend(refused(&layout, config, &path, &module));
            if path.parent() == Some(&config.rootdir) {
                before_root = Some((path.clone(), further.layers.len()));
            }
            let folder = path.parent().filter(|folder| *folder != config.rootdir);
            conftest_hooks(&suite.world, &module, folder, &mut hooks);
            further.add(&suite, &module, &mut hooks, &mut unknown);
            let layer = plugin_module_fixtures(&suite, &module);
            let closure = suite.world.closure(&module);
            let fails = crate::module::import_error(&suite, &module);
            let fails = fails.or_else(|| layer.fails.clone());
            let conftest = Conftest {
                fails: fails.map(|why| crate::module::unknown(config, Doubt::Existence, &why)),
                layer,
                closure,
            };
            conftests.insert(path, conftest);
        }
        rules.id_hook = hooks.param_ids().map(|effect| Reason {
            text: effect.reason.as_str().into(),
            file: "".into(),
            line: 0,
        });
        hooks.tell_from_root(&config.rootdir);
        let Further {
            layers: mut everywhere,
            closure: further,
            ..
        } = further;
        let mut plugins = Layer::plugins(&plugin_fixtures(environment), &rules);
        if let Some((path, at)) = before_root
            && let Some(root) = conftests.get_mut(&path)
            && !rules.since(9, 1)
        {
            // Up to 9.0 the autouse names of the root's conftest and of plugins are in one
            // list, in the order of registration.
            let (earlier, later) = everywhere.split_at_mut(at);
            let layers = earlier.iter_mut().chain([&mut root.layer]).chain(later);
            for layer in layers {
                plugins.autouse.append(&mut layer.autouse);
            }
        }
        everywhere.insert(0, plugins);
        suite.rules = rules;
        suite.hooks = hooks;
        Self {
            twins: module_twins(config, &layout),
            suite,
            layout,
            everywhere,
            further,
            conftests,
            unknown,
        }
    }

    /// The files, conftests and problems.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is unknown of the project as a whole: nothing may be concluded from the text.
    pub fn unknown(&self) -> &[Unknown] {
        &self.unknown
    }

    /// What hooks do.
    pub fn hooks(&self) -> &Hooks {
        &self.suite.hooks
    }

    /// Why all tests have to be collected in one process, if they do.
    pub fn one_process(&self) -> Option<String> {
        let hooks = &self.suite.hooks;
        let mut unknown = hooks.whole_list().chain(self.unknown.iter().cloned());
        if let Some(unknown) = unknown.next() {
            return Some(unknown.reason);
        }
        let conftests = self.conftests.values().map(|conftest| &conftest.layer);
        // As under pytest-xdist, the fixtures of installed plugins, which come first, bind no tests together.
        let mut layers = self.everywhere.iter().skip(1).chain(conftests);
        let mut read = self.read_for_all().into_iter().filter_map(|path| {
            let module = self.suite.world.load(path).ok()?;
            let word = reads_list(&module.source)?;
            Some(format!("`{}` has `{word}` in it", module.file))
        });
        let twin = || self.twins.values().next();
        (hooks.reads_list.clone())
            .or_else(|| twin().map(|twin| twin.reason.clone()))
            .or_else(|| layers.find_map(binds_files))
            .or_else(|| read.next())
    }

    /// How a file bears being imported by one of several processes.
    pub fn apart(&self, file: &LayoutFile) -> Apart {
        // One that cannot be parsed is nobody's to change anything.
        let module = self.suite.world.read(&file.path);
        module.map_or(Apart::Quiet, |module| apart(&module))
    }

    /// The files that the hooks and fixtures of conftests and of the modules that they load
    /// as plugins were read from: a hook of any of them may see every test.
    pub fn read_for_all(&self) -> BTreeSet<&Path> {
        let conftests = self.conftests.values().map(|conftest| &conftest.closure);
        let present = conftests.chain([&self.further]);
        present
            .flat_map(|closure| closure.present.iter().map(PathBuf::as_path))
            .collect()
    }

    /// The files and folders that a module names in texts.
    pub fn named_paths(&self, module: &Path) -> BTreeSet<PathBuf> {
        let module = self.suite.world.load(module);
        module.map_or_else(
            |_| BTreeSet::new(),
            |module| self.suite.world.literal_paths(&module),
        )
    }

    /// Why a module may read files that it does not name.
    pub fn reads_unnamed(&self, module: &Path) -> Option<String> {
        let read = self.suite.world.load(module);
        let shown = crate::module::relative(&self.suite.config.rootdir, module);
        match read {
            Ok(module) => {
                let word = crate::changed::reading_word(&module.source)?;
                Some(format!(
                    "`{shown}` has `{word}` in it and may read any file"
                ))
            }
            Err(_) => Some(format!("`{shown}` cannot be read")),
        }
    }

    /// What the text of a file tells: of one of [`Layout::files`].
    pub fn tell(&self, file: &LayoutFile) -> Told {
        let world = &self.suite.world;
        let mut closure = self.further.clone();
        let mut fails = Vec::new();
        let mut layers: Vec<&Layer> = self.everywhere.iter().collect();
        for path in &*file.conftests {
            if let Some(conftest) = self.conftests.get(path) {
                layers.push(&conftest.layer);
                fails.extend(conftest.fails.clone());
                closure
                    .present
                    .extend(conftest.closure.present.iter().cloned());
                closure
                    .absent
                    .extend(conftest.closure.absent.iter().cloned());
                closure
                    .unknown
                    .extend(conftest.closure.unknown.iter().cloned());
            }
        }
        closure.present.insert(file.path.clone());
        fails.extend(self.twins.get(&file.path).cloned());
        let mut tests = match world.read(&file.path) {
            Ok(module) => {
                let own = world.closure(&module);
                closure.present.extend(own.present);
                closure.absent.extend(own.absent);
                closure.unknown.extend(own.unknown);
                let mut tests = self.of_module(file, &module, &layers);
                changed_elsewhere(&self.suite, &module, &closure, &mut tests);
                let broken = broken_import(&self.suite, file, &closure);
                tests.unknown.extend(broken);
                tests
            }
            Err(problem) => FileTests {
                file: file.id.clone(),
                tests: Vec::new(),
                unknown: vec![
                    Unknown::new(Doubt::Existence, problem.message).at(&file.id, problem.line),
                ],
                shared: dyno_model::Shared::default(),
            },
        };
        tests.unknown.extend(fails);
        tests.unknown.extend(self.unknown.iter().cloned());
        Told { tests, closure }
    }

    fn of_module(&self, file: &LayoutFile, module: &Arc<Module>, layers: &[&Layer]) -> FileTests {
        let doctests = |tests: &mut FileTests| {
            let why = "docstrings may be tests (--doctest-modules, --doctest-glob)";
            tests
                .unknown
                .push(Unknown::new(Doubt::Existence, why).at(&file.id, 1));
        };
        let objects = WorldObjects {
            world: &self.suite.world,
        };
        match file.role {
            FileRole::Module => collect(&self.suite, file, module, layers, &objects),
            FileRole::ModuleAndDoctests => {
                let mut tests = collect(&self.suite, file, module, layers, &objects);
                doctests(&mut tests);
                tests
            }
            FileRole::DoctestModule | FileRole::DoctestText => {
                let mut tests = FileTests {
                    file: file.id.clone(),
                    tests: Vec::new(),
                    unknown: file.unknown.clone(),
                    shared: dyno_model::Shared::default(),
                };
                doctests(&mut tests);
                tests
            }
        }
    }
}

/// What makes pytest's rules for this configuration unknown.
fn unknown_rules(config: &PytestConfig) -> Vec<Unknown> {
    let mut reasons = config.unknown.clone();
    if !CHECKED.contains(&config.version) {
        let PytestVersion { major, minor } = config.version;
        reasons.push(format!("the rules of pytest {major}.{minor} are not known"));
    }
    let unknown = |why| Unknown::new(Doubt::Existence, why);
    reasons.into_iter().map(unknown).collect()
}

/// Under `prepend` and `append` the folder above a file's topmost package goes onto
/// `sys.path` when the file is imported.
fn roots(files: &dyn Files, config: &PytestConfig, layout: &Layout) -> Vec<PathBuf> {
    if config.import_mode == ImportMode::Importlib {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut roots = Vec::new();
    let of_files = layout.files.iter().map(|file| file.module.root.as_path());
    let of_conftests = layout.conftests.iter().filter_map(|path| {
        let is_package = |folder: &&Path| files.kind(&folder.join("__init__.py")).is_some();
        path.ancestors().skip(1).find(|folder| !is_package(folder))
    });
    for root in of_conftests.chain(of_files) {
        if seen.insert(root) {
            roots.push(root.to_path_buf());
        }
    }
    roots
}
