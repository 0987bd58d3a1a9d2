//! Where imports lead.

use crate::world::{Found, World, locked};
use crate::{BindingKind, Module, Reason, Value};
use dyno_model::FileKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a first name of an import leads.
#[derive(Debug, Clone)]
pub(crate) enum Top {
    At(Spot),
    External,
    Ambiguous(Arc<str>),
}

/// A module by its place.
#[derive(Debug, Clone)]
pub(crate) enum Spot {
    /// A module's file.
    File(PathBuf),
    /// A package's folder, with `__init__.py`.
    Package(PathBuf),
    /// Folders without one.
    Namespace(Vec<PathBuf>),
    /// An extension module, which Python prefers to a `.py` beside it
    /// (`importlib._bootstrap_external._get_supported_file_loaders`).
    Extension(PathBuf),
}

/// Modules whose classes are known by name, so their text is not read.
const KNOWN_BY_NAME: &[&str] = &[
    "abc",
    "builtins",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "typing",
    "typing_extensions",
    "unittest",
];

impl World<'_> {
    /// Where `import dotted`, or `from ..dotted import` at that level, leads from a module.
    pub fn find(&self, importer: &Module, level: u32, dotted: &str) -> Found {
        let mut parts = dotted.split('.').filter(|part| !part.is_empty());
        let mut place = if level > 0 {
            let mut folder = importer.path.parent();
            for _ in 1..level {
                folder = folder.and_then(Path::parent);
            }
            match folder {
                None => return Found::Missing,
                Some(folder) if self.is_file(&folder.join("__init__.py")) => {
                    Spot::Package(folder.to_path_buf())
                }
                Some(folder) => Spot::Namespace(vec![folder.to_path_buf()]),
            }
        } else {
            let Some(first) = parts.next() else {
                return Found::Missing;
            };
            match self.top(first) {
                Top::At(place) => place,
                Top::External => return Found::External,
                Top::Ambiguous(why) => return Found::Ambiguous(why),
            }
        };
        for part in parts {
            match self.below(&place, part) {
                Some(next) => place = next,
                None => return Found::Missing,
            }
        }
        self.loaded(place)
    }

    pub(crate) fn loaded(&self, place: Spot) -> Found {
        let path = match place {
            Spot::File(path) => path,
            Spot::Package(folder) => folder.join("__init__.py"),
            Spot::Namespace(folders) => return Found::Namespace(folders),
            Spot::Extension(path) => {
                let text = format!("{} is no Python text", path.display());
                return Found::Ambiguous(text.into());
            }
        };
        match self.load(&path) {
            Ok(module) => Found::Module(module),
            Err(problem) => Found::Broken(path, problem),
        }
    }

    pub(crate) fn is_file(&self, path: &Path) -> bool {
        self.files.kind(path) == Some(FileKind::File)
    }

    /// What a folder offers under a name: a package, else a module, else a bare folder.
    pub(crate) fn offered(&self, folder: &Path, name: &str) -> Option<Spot> {
        let inner = folder.join(name);
        if self.is_file(&inner.join("__init__.py")) {
            let built = self.extension(&inner, "__init__");
            return Some(built.unwrap_or(Spot::Package(inner)));
        }
        let file = folder.join(format!("{name}.py"));
        if self.is_file(&file) {
            return Some(self.extension(folder, name).unwrap_or(Spot::File(file)));
        }
        (self.files.kind(&inner) == Some(FileKind::Folder)).then(|| Spot::Namespace(vec![inner]))
    }

    /// `name.so`, `name.abi3.so`, `name.cpython-311-x86_64-linux-gnu.so`, `name.pyd`: which
    /// of them an interpreter takes is its own secret, so any counts.
    fn extension(&self, folder: &Path, name: &str) -> Option<Spot> {
        let entries = self.files.list(folder)?;
        let begin = format!("{name}.");
        let first = entries.partition_point(|entry| *entry.name < *begin);
        let named = entries.get(first..)?.iter().map_while(|entry| {
            let rest = entry.name.to_str().map(|full| full.strip_prefix(&*begin));
            // A name that is no text stands among those that are.
            rest.map_or(Some(None), |rest| rest.map(|rest| Some((rest, entry))))
        });
        let mut built = named.flatten().filter(|(rest, _)| {
            let ending = rest.rsplit('.').next();
            matches!(ending, Some("so" | "pyd" | "dll" | "sl"))
        });
        let (_, entry) = built.next()?;
        Some(Spot::Extension(folder.join(&entry.name)))
    }

    pub(crate) fn below(&self, place: &Spot, name: &str) -> Option<Spot> {
        match place {
            Spot::File(_) | Spot::Extension(_) => None,
            Spot::Package(folder) => self.offered(folder, name),
            Spot::Namespace(folders) => {
                let mut spaces = Vec::new();
                for folder in folders {
                    match self.offered(folder, name) {
                        Some(Spot::Namespace(more)) => spaces.extend(more),
                        Some(found) => return Some(found),
                        None => {}
                    }
                }
                (!spaces.is_empty()).then_some(Spot::Namespace(spaces))
            }
        }
    }

    pub(crate) fn top(&self, name: &str) -> Top {
        if let Some(top) = locked(&self.tops).get(name) {
            return top.clone();
        }
        let top = self.find_top(name);
        locked(&self.tops).insert(name.to_owned(), top.clone());
        top
    }

    pub(crate) fn find_top(&self, name: &str) -> Top {
        let mut regular: Vec<(PathBuf, Spot)> = Vec::new();
        let mut spaces = Vec::new();
        for root in &self.search.project {
            match self.offered(root, name) {
                Some(Spot::Namespace(folders)) => spaces.extend(folders),
                Some(found) => {
                    let path = match &found {
                        Spot::File(path) | Spot::Package(path) | Spot::Extension(path) => {
                            self.files.canonical(path)
                        }
                        Spot::Namespace(_) => continue,
                    };
                    if regular.iter().all(|(other, _)| *other != path) {
                        regular.push((path, found));
                    }
                }
                None => {}
            }
        }
        if regular.is_empty() && spaces.is_empty() {
            return Top::External;
        }
        let installed = self.search.installed.iter().any(|folder| {
            !self.search.project.contains(folder)
                && matches!(
                    self.offered(folder, name),
                    Some(Spot::File(_) | Spot::Package(_) | Spot::Extension(_))
                )
        });
        match (&regular[..], installed) {
            // A package that is installed comes before folders without `__init__.py`.
            ([], true) => Top::External,
            ([], false) => Top::At(Spot::Namespace(spaces)),
            ([(_, only)], false) => Top::At(only.clone()),
            ([_], true) => {
                Top::Ambiguous(format!("`{name}` is both in the project and installed").into())
            }
            _ => Top::Ambiguous(format!("several files could be imported as `{name}`").into()),
        }
    }

    /// What an import statement binds a name to, by the words of the statement alone.
    pub(crate) fn static_name(module: &Module, name: &str) -> Option<String> {
        let mut bindings = module.scope().of(name);
        let binding = bindings.next()?;
        if bindings.next().is_some() {
            return None;
        }
        let full = match &binding.kind {
            BindingKind::Import {
                module,
                whole: true,
            } => (*module).to_owned(),
            BindingKind::Import { module, .. } => module.split('.').next()?.to_owned(),
            BindingKind::FromImport {
                module,
                level: 0,
                name,
            } => format!("{module}.{name}"),
            _ => return None,
        };
        Some(full)
    }

    /// A submodule of a package, if there is one of that name.
    pub(crate) fn submodule(&self, package: &Module, name: &str) -> Option<Found> {
        if !package.is_package() {
            return None;
        }
        let place = self.offered(package.path.parent()?, name)?;
        Some(self.loaded(place))
    }

    /// Whether a package has a submodule of that name.
    pub(crate) fn has_submodule(&self, package: &Module, name: &str) -> bool {
        let folder = package.path.parent().filter(|_| package.is_package());
        folder.is_some_and(|folder| self.offered(folder, name).is_some())
    }

    /// In a package, a submodule takes the place of a name when it is first imported.
    pub(crate) fn shadowed_by_submodule(
        &self,
        package: &Module,
        binding: &crate::Binding<'_>,
    ) -> Option<Reason> {
        let name = binding.name;
        let folder = package.path.parent().filter(|_| package.is_package())?;
        if let BindingKind::FromImport {
            module,
            level,
            name: from,
        } = &binding.kind
        {
            let own = *level == 1 && (*module == name || (module.is_empty() && *from == name));
            let first = module.split('.').next();
            if own || (*level == 1 && first == Some(name)) {
                return None;
            }
        }
        let there = self.is_file(&folder.join(format!("{name}.py")))
            || self.is_file(&folder.join(name).join("__init__.py"));
        there.then(|| {
            let text = format!("`{name}` is also the name of a submodule");
            Reason::new(text, package, binding.offset)
        })
    }

    /// What `import dotted` is worth.
    pub(crate) fn module_value(
        &self,
        importer: &Module,
        level: u32,
        dotted: &str,
        offset: u32,
    ) -> Value {
        match self.find(importer, level, dotted) {
            Found::Module(module) => Value::Module(module),
            Found::External => Value::External(dotted.into()),
            found => Value::unknown(found.why(dotted), importer, offset),
        }
    }

    /// Something of an installed module by its full name, from that module's text, such as
    /// `starlette.testclient.TestClient`. Absent where the text is not found, and for the
    /// parts of the standard library that everyone knows by name.
    pub fn installed(&self, full: &str) -> Option<Value> {
        let first = full.split('.').next()?;
        if KNOWN_BY_NAME.contains(&first) || !full.contains('.') {
            return None;
        }
        if let Some(known) = locked(&self.outside).get(full) {
            return known.clone();
        }
        // Whoever asks for it while it is being looked for gets nothing.
        locked(&self.outside).insert(full.to_owned(), None);
        let value = self.find_installed(full);
        locked(&self.outside).insert(full.to_owned(), value.clone());
        value
    }

    pub(crate) fn find_installed(&self, full: &str) -> Option<Value> {
        let mut parts = full.split('.');
        let first = parts.next()?;
        let mut place =
            (self.search.installed.iter()).find_map(|folder| self.offered(folder, first))?;
        let mut left: Vec<&str> = parts.collect();
        left.reverse();
        while left.len() > 1 {
            let next = left.last().and_then(|name| self.below(&place, name))?;
            place = next;
            left.pop();
        }
        let Found::Module(module) = self.loaded(place) else {
            return None;
        };
        match self.resolve(&module, left.first()?) {
            // It is taken from yet another package.
            Value::External(other) if *other != *full => self.installed(&other),
            Value::Unknown(_) | Value::External(_) => None,
            value => Some(value),
        }
    }
}
