//! The walk through a module: names in order, functions expanded, classes descended into.

mod class_tests;
mod function_tests;
mod node;
mod shared_scopes;

use self::node::Node;
use super::classes::truth;
use super::fixtures::module_fixtures;
use super::function::{Definition, read};
use super::import_errors::import_error;
use super::names::{is_ignored, matches};
use super::object::{Object, of_module};
use super::skips::Skips;
use crate::fixture::Layer;
use crate::hooks::{FileHooks, Hooks};
use crate::layout::LayoutFile;
use crate::mark::MarkList;
use crate::rules::{Objects, Place, Rules};
use dyno_model::{Doubt, FileTests, FoundTest, PytestConfig, Shared, Thing, Unknown, python_text};
use dyno_python::{BindingKind, Context, Function, Module, Reason, Value, World, ast};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// What all files of a project have in common.
pub(crate) struct Suite<'a> {
    pub(crate) world: World<'a>,
    pub(crate) config: &'a PytestConfig,
    pub(crate) rules: Rules,
    pub(crate) hooks: Hooks,
    pub(crate) skips: Skips,
}

struct Walk<'w> {
    suite: &'w Suite<'w>,
    hooks: FileHooks<'w>,
    objects: &'w dyn Objects,
    module: Arc<Module>,
    /// The module's file from the root directory.
    file: String,
    tests: Vec<FoundTest>,
    unknown: Vec<Unknown>,
    /// Functions and classes that the tests are made of, by file and name: all classes, and
    /// functions that are another file's or have another name.
    uses: HashSet<(Arc<str>, Arc<str>)>,
}

/// The tests of a module. `above` are the layers of plugins and conftests.
pub(crate) fn collect(
    suite: &Suite<'_>,
    file: &LayoutFile,
    module: &Arc<Module>,
    above: &[&Layer],
    objects: &dyn Objects,
) -> FileTests {
    let own = module_fixtures(suite, module, &file.module.name);
    let marks = module_marks(suite, module);
    let mut layers = above.to_vec();
    layers.push(&own);
    let mut walk = Walk {
        suite,
        hooks: suite.hooks.of(&file.path),
        objects,
        module: module.clone(),
        file: relative(&suite.config.rootdir, &module.path),
        tests: Vec::new(),
        unknown: file.unknown.clone(),
        uses: HashSet::new(),
    };
    let node = Node {
        id: file.id.clone(),
        domain: String::new(),
        layers,
        marks: vec![&marks],
        patched: 0,
        in_class: false,
        class: None,
        depth: 0,
    };
    walk.whole_module();
    walk.holds_errors(&own, &marks);
    if walk.is_a_test() {
        walk.names_of_module(&node);
    }
    shared_scopes::doubt_shared_scopes(&mut walk.tests);
    let root = &suite.config.rootdir;
    walk.hooks.apply(root, &mut walk.tests, &mut walk.unknown);
    let doubts = walk.tests.iter_mut().flat_map(|test| &mut test.unknown);
    let root = format!("{}/", root.display());
    for unknown in doubts.chain(&mut walk.unknown) {
        if let Some(below) = unknown.at.strip_prefix(&root) {
            unknown.at = below.to_owned();
        }
    }
    FileTests {
        file: file.id.clone(),
        tests: walk.tests,
        unknown: walk.unknown,
        shared: Shared {
            uses: walk.uses.iter().map(thing).collect(),
            touches: Vec::new(),
        },
    }
}

fn thing((file, name): &(Arc<str>, Arc<str>)) -> Thing {
    Thing {
        file: file.to_string(),
        name: name.to_string(),
    }
}

fn module_marks(suite: &Suite<'_>, module: &Arc<Module>) -> MarkList {
    if module.scope().of("pytestmark").next().is_none() && module.scope().stars().is_empty() {
        return MarkList::default();
    }
    let place = Place {
        file: module.file.clone(),
        line: module
            .scope()
            .of("pytestmark")
            .next_back()
            .map_or(1, |binding| module.line(binding.offset)),
    };
    match suite.world.resolve(module, "pytestmark") {
        Value::External(name) if !name.starts_with("pytest.mark.") => MarkList::default(),
        value => MarkList::from_value(&value, &place),
    }
}

impl Walk<'_> {
    /// What holds of the module as a whole.
    fn whole_module(&mut self) {
        let module = self.module.clone();
        if let Some(reason) = self.suite.skips.of(&self.suite.world, &module) {
            self.file_doubt(Doubt::Existence, &reason);
        }
        if let Some(reason) = import_error(self.suite, &module) {
            self.file_doubt(Doubt::Existence, &reason);
        }
        for (name, what) in [
            ("pytest_generate_tests", Doubt::Ids),
            ("pytest_plugins", Doubt::Existence),
        ] {
            if let Some(binding) = module.scope().of(name).next_back() {
                let reason = Reason::new(format!("defines `{name}`"), &module, binding.offset);
                if what == Doubt::Ids {
                    self.hooks.generates(self.unknown(Doubt::Ids, &reason));
                } else {
                    self.file_doubt(what, &reason);
                }
            }
        }
    }

    /// What pytest fails on when it reads a module or a class.
    fn holds_errors(&mut self, layer: &Layer, marks: &MarkList) {
        for reason in [&layer.fails, &marks.broken].into_iter().flatten() {
            self.file_doubt(Doubt::Existence, reason);
        }
    }

    /// `__test__` of the module.
    fn is_a_test(&mut self) -> bool {
        let module = self.module.clone();
        if module.scope().of("__test__").next().is_none() {
            return true;
        }
        match truth(Some(&self.suite.world.resolve(&module, "__test__"))) {
            Ok(value) => value != Some(false),
            Err(reason) => {
                self.file_doubt(Doubt::Existence, &reason);
                true
            }
        }
    }

    fn names_of_module(&mut self, node: &Node<'_>) {
        let module = self.module.clone();
        let names = self.suite.world.names(&module);
        for reason in &names.doubts {
            self.file_doubt(Doubt::Existence, reason);
        }
        for entry in names.entries {
            if is_ignored(&entry.name) || !self.is_looked_at(&module, &entry.name) {
                continue;
            }
            let object = of_module(&self.suite.world, &module, &entry.name);
            let own = match &object {
                Object::Function(function, _) => function.module.path == module.path,
                Object::Class(class) => class.module.path == module.path,
                _ => true,
            };
            if !own && !self.suite.config.collect_imported_tests {
                continue;
            }
            self.object(node, &entry.name, object, entry.maybe.as_ref());
        }
    }

    /// Whether a name of a module can be a test at all: by its name, or because it may be
    /// a class, which its bases can make a test case.
    fn is_looked_at(&self, module: &Module, name: &str) -> bool {
        let config = self.suite.config;
        if matches(&config.python_functions, name) || matches(&config.python_classes, name) {
            return true;
        }
        let is_written_to = |attribute: &str| {
            let writes = module.attribute_writes();
            writes
                .iter()
                .any(|write| write.root == name && write.attribute == attribute)
        };
        let mut bindings = module.scope().of(name).peekable();
        if bindings.peek().is_none() {
            return true;
        }
        is_written_to("__test__")
            || bindings.any(|binding| match &binding.kind {
                BindingKind::Class(_) => true,
                BindingKind::FromImport { name, .. } => looks_like_a_class(name),
                BindingKind::Value(ast::Expr::Name(_) | ast::Expr::Attribute(_)) => {
                    looks_like_a_class(name)
                }
                _ => false,
            })
    }

    fn object(&mut self, node: &Node<'_>, name: &str, object: Object, maybe: Option<&Reason>) {
        let config = self.suite.config;
        let first = self.tests.len();
        match object {
            Object::Function(function, context) => {
                self.function(node, name, &function, &context);
            }
            Object::Class(class) => self.class(node, name, &class),
            Object::ExternalClass(full) => {
                // A thing from outside under a name that asks to be looked at.
                let named = matches(&config.python_functions, name)
                    || matches(&config.python_classes, name);
                if named && !full.starts_with("pytest.") && !full.starts_with("unittest.") {
                    let reason = self.here(format!("`{full}` may be a test"));
                    self.file_doubt(Doubt::Existence, &reason);
                }
            }
            Object::Nothing => {}
            Object::Unknown(reason) => {
                if matches(&config.python_functions, name) || matches(&config.python_classes, name)
                {
                    let text = format!("`{name}` may be a test: {}", reason.text);
                    let reason = Reason {
                        text: text.into(),
                        ..reason
                    };
                    self.file_doubt(Doubt::Existence, &reason);
                }
            }
        }
        if let Some(reason) = maybe {
            let unknown = self.unknown(Doubt::Existence, reason);
            for test in &mut self.tests[first..] {
                test.unknown.push(unknown.clone());
            }
        }
    }

    fn function(&mut self, node: &Node<'_>, name: &str, function: &Function, context: &Context) {
        let named = matches(&self.suite.config.python_functions, name);
        if *function.name != *name || !Arc::ptr_eq(&function.module, &self.module) {
            let used = (function.module.file.clone(), function.name.clone());
            self.uses.insert(used);
        }
        let asks = function
            .module
            .attribute_writes()
            .iter()
            .find(|write| write.root == &*function.name && write.attribute == "__test__");
        if let Some(write) = asks {
            let reason = Reason::new(
                format!("sets `{}.__test__`", function.name),
                &function.module,
                write.offset,
            );
            self.file_doubt(Doubt::Existence, &reason);
        }
        if !named {
            return;
        }
        match read(function, context, &self.suite.world) {
            Some(Definition::Function(decorated)) => {
                if decorated.is_generator && !decorated.is_async {
                    let reason = decorated.place.reason(format!("`{name}` yields"));
                    self.file_doubt(Doubt::Existence, &reason);
                }
                // pytest puts marks on the function inside, and reads them off the wrapper.
                let wrapped = !node.in_class && (decorated.is_static || decorated.is_class_method);
                let doubt = wrapped.then(|| decorated.place.reason("is a method outside a class"));
                self.expand(node, name, function, &decorated, doubt.as_ref());
            }
            Some(Definition::Unknown(decorated, reason)) => {
                self.expand(node, name, function, &decorated, Some(&reason));
            }
            Some(Definition::Fixture(..) | Definition::NotCallable) => {}
            None => {
                let reason = self.here(format!("`{name}` has no definition"));
                self.file_doubt(Doubt::Existence, &reason);
            }
        }
    }

    fn here(&self, text: impl Into<Arc<str>>) -> Reason {
        Reason::new(text, &self.module, 0)
    }

    fn file_doubt(&mut self, doubt: Doubt, reason: &Reason) {
        let unknown = self.unknown(doubt, reason);
        self.unknown.push(unknown);
    }

    fn unknown(&self, doubt: Doubt, reason: &Reason) -> Unknown {
        unknown(self.suite.config, doubt, reason)
    }
}

/// A doubt, with its place told from the root directory.
pub(crate) fn unknown(config: &PytestConfig, doubt: Doubt, reason: &Reason) -> Unknown {
    let file = relative(&config.rootdir, Path::new(&*reason.file));
    Unknown::new(doubt, &*reason.text).at(&file, reason.line)
}

/// By convention: a name that a class could have.
fn looks_like_a_class(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(char::is_uppercase)
}

/// A path from the root directory, with `..` where it lies outside.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    if let Ok(below) = path.strip_prefix(root) {
        return python_text(below.as_os_str()).into_owned();
    }
    if !path.is_absolute() {
        return python_text(path.as_os_str()).into_owned();
    }
    let common = root
        .components()
        .zip(path.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = root.components().count() - common;
    let mut found: std::path::PathBuf = std::iter::repeat_n("..", up).collect();
    found.extend(path.components().skip(common));
    python_text(found.as_os_str()).into_owned()
}
