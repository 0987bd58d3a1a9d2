//! All modules that can be reached, loaded when they are needed.

use crate::evaluate::{Evaluator, Place};
use crate::{Class, ClassRef, Module, Reason, SyntaxProblem, Value};
use dyno_model::Files;
use ruff_python_ast::Expr;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The interpreter for which the text is understood.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// `sys.version_info[:2]`.
    pub version: (u32, u32),
    /// `sys.platform`.
    pub platform: Arc<str>,
    /// `os.name`.
    pub os_name: Arc<str>,
}

/// Where modules are looked for.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    /// Folders of the project: what is found below them is read.
    pub project: Vec<PathBuf>,
    /// `site-packages` and the standard library: read only for base classes and for what
    /// is asked for by [`World::installed`].
    pub installed: Vec<PathBuf>,
}

/// Where an import leads.
#[derive(Debug, Clone)]
pub enum Found {
    /// To a module of the project.
    Module(Arc<Module>),
    /// To a file of the project that is not Python, or that cannot be read.
    Broken(PathBuf, SyntaxProblem),
    /// To a folder of the project without `__init__.py`.
    Namespace(Vec<PathBuf>),
    /// Out of the project: it is not among its folders.
    External,
    /// Nowhere: it would be a part of a package of the project, which has no such module.
    Missing,
    /// To one of several, or the text does not tell; why.
    Ambiguous(Arc<str>),
}

/// Where an expression stands, which decides what its names stand for.
#[derive(Debug, Clone)]
pub struct Context {
    /// The module.
    pub module: Arc<Module>,
    /// The classes around it, outermost first, by where they are defined.
    pub classes: Vec<u32>,
    /// The place at which names are looked up. `u32::MAX`: after the module was imported.
    pub position: u32,
}

impl Context {
    /// At a place on module level.
    pub fn at(module: &Arc<Module>, position: u32) -> Self {
        Self {
            module: module.clone(),
            classes: Vec::new(),
            position,
        }
    }

    /// At a place in a class body.
    pub fn in_class(class: &crate::ClassRef, position: u32) -> Self {
        Self {
            module: class.module.clone(),
            classes: class.module.classes_around(class.offset),
            position,
        }
    }

    /// After the module was imported.
    pub fn after(module: &Arc<Module>) -> Self {
        Self::at(module, u32::MAX)
    }
}

/// One name of a module or class, as `vars()` would list it.
#[derive(Debug, Clone)]
pub struct NameEntry {
    /// The name.
    pub name: Arc<str>,
    /// Why it may be absent, or stand elsewhere in the order; absent where both are sure.
    pub maybe: Option<Reason>,
    /// The module whose star import brought it, where one did.
    pub star: Option<Arc<Module>>,
}

/// The names of a module or class in the order of `vars()`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The names.
    pub entries: Vec<NameEntry>,
    /// Why there may be others, or fewer.
    pub doubts: Vec<Reason>,
}

/// The modules that a module imports, and those that they import, as far as they are the
/// project's.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// Files that are read, the module itself included.
    pub present: BTreeSet<PathBuf>,
    /// Files that would be read if they existed.
    pub absent: BTreeSet<PathBuf>,
    /// Imports whose target the text does not tell.
    pub unknown: Vec<Reason>,
}

/// One step of a class's `__mro__`.
#[derive(Debug, Clone)]
pub enum Ancestor {
    /// A class of the project (or of an installed package whose text was read).
    Class(crate::ClassRef),
    /// A class by its full name, such as `builtins.object`.
    External(Arc<str>),
}

impl Found {
    /// Why it is no module whose names can be looked up, as a reason.
    pub(crate) fn why(&self, dotted: &str) -> String {
        match self {
            Self::Module(module) => format!("the module {}", module.file),
            Self::Broken(path, problem) => format!("{}: {problem}", path.display()),
            Self::Namespace(_) => format!("`{dotted}` is a folder without `__init__.py`"),
            Self::External => format!("`{dotted}` is not of the project"),
            Self::Missing => format!("there is no module `{dotted}`"),
            Self::Ambiguous(why) => why.to_string(),
        }
    }
}

use crate::memory::Memory;
use crate::search::Top;

type Loaded = Result<Arc<Module>, SyntaxProblem>;

/// The modules of a project and of what it can import.
pub struct World<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) search: SearchPath,
    interpreter: Interpreter,
    modules: Mutex<HashMap<PathBuf, Arc<OnceLock<Loaded>>>>,
    pub(crate) tops: Mutex<HashMap<String, Top>>,
    pub(crate) memory: Memory,
    pub(crate) outside: Mutex<HashMap<String, Option<Value>>>,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("search", &self.search)
            .finish_non_exhaustive()
    }
}

/// A lock that a panic elsewhere cannot take away: what it guards is only added to.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<'f> World<'f> {
    /// A world in which nothing is loaded yet.
    pub fn new(files: &'f dyn Files, search: SearchPath, interpreter: Interpreter) -> Self {
        Self {
            files,
            search,
            interpreter,
            modules: Mutex::default(),
            tops: Mutex::default(),
            memory: Memory::default(),
            outside: Mutex::default(),
        }
    }

    /// The interpreter for which the text is understood.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// The module in a file; parsed once, however often and from wherever it is asked for.
    pub fn load(&self, path: &Path) -> Result<Arc<Module>, SyntaxProblem> {
        let slot = locked(&self.modules)
            .entry(path.to_path_buf())
            .or_default()
            .clone();
        slot.get_or_init(|| self.parse(path)).clone()
    }

    /// The module in a file if it was loaded.
    pub(crate) fn loaded_already(&self, path: &Path) -> Option<Loaded> {
        let slot = locked(&self.modules).get(path).cloned();
        slot.and_then(|slot| slot.get().cloned())
    }

    pub(crate) fn parse(&self, path: &Path) -> Loaded {
        let bytes = self.files.read(path).ok_or_else(|| SyntaxProblem {
            message: "the file cannot be read".to_owned(),
            line: 1,
        })?;
        let name = self.dotted_name(path);
        Module::parse(path, name.as_deref(), &bytes, &self.interpreter).map(Arc::new)
    }

    /// The name by which a file is imported, if exactly one of the roots holds it.
    fn dotted_name(&self, path: &Path) -> Option<String> {
        let roots = self.search.project.iter().chain(&self.search.installed);
        let mut names = roots.filter_map(|root| {
            let inner = path.strip_prefix(root).ok()?.with_extension("");
            let parts: Option<Vec<&str>> = inner.iter().map(|part| part.to_str()).collect();
            let mut parts = parts?;
            if parts.last() == Some(&"__init__") {
                parts.pop();
            }
            Some(parts.join("."))
        });
        let first = names.next()?;
        names.next().is_none().then_some(first)
    }

    /// What a name of the module is worth after the module was imported.
    pub fn resolve(&self, module: &Arc<Module>, name: &str) -> Value {
        self.lookup(&Context::after(module), name)
    }

    /// What a name is worth at a place.
    ///
    /// A function or a class is given as it is defined, whatever its decorators make of it:
    /// they are for those to judge who know them.
    pub fn lookup(&self, context: &Context, name: &str) -> Value {
        Evaluator::new(self).name(&Place::of(context), name, context.position)
    }

    /// What an expression is worth at a place.
    pub fn evaluate(&self, context: &Context, expression: &Expr) -> Value {
        Evaluator::new(self).evaluate(&mut Place::of(context), expression)
    }

    /// What a binding of a module (or of a class body, if given) binds.
    pub fn bound(
        &self,
        module: &Arc<Module>,
        class: Option<&ClassRef>,
        binding: &crate::Binding<'_>,
    ) -> Value {
        let classes = class.map_or(Vec::new(), |class| module.classes_around(class.offset));
        Evaluator::new(self).bound(module, &classes, binding)
    }

    /// What iterating over a value gives, in order.
    pub fn iterate(&self, context: &Context, value: &Value) -> Result<Vec<Value>, Reason> {
        Evaluator::new(self).iterate(&Place::of(context), value, context.position)
    }

    /// The members of an enum by name, aliases included, in order.
    pub fn enum_members(&self, class: &ClassRef) -> Result<Vec<(Arc<str>, Value)>, Reason> {
        Evaluator::new(self).enum_members(class)
    }

    /// A class: its decorators, bases, keywords. Absent for a class within a function.
    pub fn class(&self, class: &ClassRef) -> Option<Class> {
        Evaluator::new(self).class(class)
    }

    /// The class's `__mro__`, `object` last.
    pub fn mro(&self, class: &ClassRef) -> Result<Vec<Ancestor>, Reason> {
        self.mro_with(&mut Evaluator::new(self), class)
    }

    pub(crate) fn mro_with(
        &self,
        evaluator: &mut Evaluator<'_, '_>,
        class: &ClassRef,
    ) -> Result<Vec<Ancestor>, Reason> {
        if let Some(mro) = self.memory.mro(class) {
            return Ok(mro);
        }
        let active = (class.module.id(), class.offset, "mro".to_owned());
        if !evaluator.active.insert(active.clone()) {
            let text = format!("the bases of `{}` depend on themselves", class.name);
            return Err(Reason::new(text, &class.module, class.offset));
        }
        let mro = evaluator.mro(class, crate::class::MRO_DEPTH);
        evaluator.active.remove(&active);
        if let Ok(mro) = &mro {
            self.memory.keep_mro(class, mro.clone());
        }
        mro
    }

    /// An attribute of a class through its `__mro__`; absent where no class has it.
    pub fn class_attribute(&self, class: &ClassRef, name: &str) -> Option<Value> {
        Evaluator::new(self).class_attribute(class, name)
    }

    /// The names of a module in the order of `vars(module)`, star imports followed.
    pub fn names(&self, module: &Arc<Module>) -> Names {
        crate::names::of_module(self, module)
    }

    /// The names of a class body in the order of `vars(class)`.
    pub fn class_names(&self, class: &ClassRef) -> Names {
        crate::names::of_class(class)
    }
}
