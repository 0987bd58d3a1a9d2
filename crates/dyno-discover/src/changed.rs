//! `--changed`: which files' tests a change can affect.
//!
//! Paths in, verdicts out: who asks git and who follows imports is elsewhere. What cannot
//! be told is affected. The rules, the first that applies:
//!
//! 1. The file itself changed, or a conftest above it, or a module that either imports,
//!    at any distance, within functions too; or something came to be where an import
//!    would have found it first.
//! 2. A changed path is named in a text of these modules, or lies below a folder that is;
//!    or it is no module, and they have words by which files are read ([`reading_word`]).
//! 3. A file changed that says how everything is run: the configuration of pytest, of the
//!    package or of its environment ([`is_configuration`]), wherever it lies.
//! 4. A `conftest.py` elsewhere changed, unless it is known to keep to its own folder, as
//!    one without hooks for the whole session does. One that is gone is not known to.
//! 5. Something of the file's dependencies is not known (a computed import, a process that
//!    is started): it is affected by every change but one of prose.
//! 6. A file changed that no test file is, imports or names, and that is not prose
//!    ([`is_prose`]): it may be read or run by anything, so everything is affected.

use dyno_python::Module;
use dyno_python::ast::{Expr, Stmt};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a test file depends on. Paths are absolute.
#[derive(Debug, Clone, Default)]
pub struct FileDependencies {
    /// The file.
    pub file: PathBuf,
    /// The conftests that apply to it.
    pub conftests: Vec<PathBuf>,
    /// Every module of the project that it or they import, at any distance.
    pub present: BTreeSet<PathBuf>,
    /// What those imports would have found first if it existed.
    pub absent: BTreeSet<PathBuf>,
    /// Files and folders that those modules name in texts.
    pub named: BTreeSet<PathBuf>,
    /// Why those modules may read files that they do not name: a clause.
    pub reads: Option<String>,
    /// Why there may be more, each a clause.
    pub unknown: Vec<String>,
}

/// What changed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The absolute paths: what was written, what came and what went; both names of what
    /// was renamed.
    pub paths: BTreeSet<PathBuf>,
    /// Conftests that are known to concern only the tests of their own folder.
    pub local_conftests: BTreeSet<PathBuf>,
}

/// Whether a change can affect the tests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affected {
    /// It can, for this reason: a lowercase clause.
    Yes(String),
    /// It cannot.
    No,
}

/// Says of each file whether the changes can affect its tests.
pub fn affected(changes: &Changes, files: &[FileDependencies]) -> Vec<Affected> {
    // The changes that are everybody's, each with what to say of it.
    let everybodys = changes.paths.iter().find_map(|path| {
        let shown = path.display();
        if is_configuration(path) {
            Some(format!("the configuration in `{shown}` changed"))
        } else if is_conftest(path) {
            let stays = changes.local_conftests.contains(path);
            (!stays).then(|| format!("`{shown}` changed, and a conftest may concern every test"))
        } else if is_prose(path) || files.iter().any(|file| relation(file, path).is_some()) {
            None
        } else {
            Some(format!("`{shown}` changed, and what reads it is not known"))
        }
    });
    let material = changes.paths.iter().find(|path| !is_prose(path));
    files
        .iter()
        .map(|file| {
            let own = changes.paths.iter().find_map(|path| relation(file, path));
            let unknown = || {
                let (reason, path) = (file.unknown.first()?, material?);
                Some(format!("{reason}, and `{}` changed", path.display()))
            };
            let reads = || {
                let path = changes.paths.iter().find(|path| may_be_read(path))?;
                let reason = file.reads.as_ref()?;
                Some(format!("{reason}, and `{}` changed", path.display()))
            };
            let reason = own.or_else(|| everybodys.clone());
            let reason = reason.or_else(unknown).or_else(reads);
            reason.map_or(Affected::No, Affected::Yes)
        })
        .collect()
}

/// How a changed path concerns the file, if it does.
fn relation(file: &FileDependencies, path: &Path) -> Option<String> {
    let shown = path.display();
    if file.file == path {
        Some("the file changed".to_owned())
    } else if file.conftests.iter().any(|conftest| conftest == path) {
        Some(format!("its conftest `{shown}` changed"))
    } else if file.present.contains(path) {
        Some(format!("it imports `{shown}`, which changed"))
    } else if path.ancestors().any(|above| file.absent.contains(above)) {
        Some(format!("`{shown}` stands in the way of one of its imports"))
    } else if path.ancestors().any(|above| file.named.contains(above)) {
        Some(format!("it names `{shown}`, which changed"))
    } else {
        None
    }
}

/// Whether a file is what others read rather than import.
fn may_be_read(path: &Path) -> bool {
    path.extension().is_none_or(|suffix| suffix != "py") && !is_prose(path)
}

/// A word in a module's text by which it may read files that it does not name: from the
/// text alone it is not told what becomes of a path.
pub fn reading_word(source: &str) -> Option<&'static str> {
    const WORDS: [&str; 16] = [
        "__file__", "open", "read", "load", "glob", "iterdir", "listdir", "scandir", "walk",
        "resource", "get_data", "datadir", "path", "Path", "rootdir", "parse",
    ];
    // `load` of `load_only` is no call, but which word it is does not tell.
    WORDS.into_iter().find(|word| source.contains(word))
}

/// Whether the text of a `conftest.py` shows that it concerns only the tests of its own
/// folder: it defines fixtures and other functions, no hook and no plugin, does nothing as
/// it is imported, and nothing of it lives longer than a module.
pub fn keeps_to_its_folder(text: &[u8]) -> bool {
    let interpreter = dyno_python::Interpreter {
        version: (3, 13),
        platform: "".into(),
        os_name: "".into(),
    };
    let path = Path::new("conftest.py");
    let Ok(module) = Module::parse(path, None, text, &interpreter) else {
        return false;
    };
    let lasts = ["session", "package", "scope=", "pytest_plugins"]
        .iter()
        .any(|word| module.source.contains(word));
    !lasts && module.body().iter().all(keeps_to_itself)
}

/// Modules that bring no fixture and no hook by `from module import name`; from any other,
/// one may come.
const PLAIN: [&str; 12] = [
    "__future__",
    "collections",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "datetime",
    "functools",
    "pathlib",
    "pytest",
    "textwrap",
    "typing",
    "unittest.mock",
];

/// Whether a statement of a conftest is of the kind that does nothing beyond its folder.
fn keeps_to_itself(statement: &Stmt) -> bool {
    match statement {
        Stmt::Import(_) | Stmt::Pass(_) => true,
        Stmt::ImportFrom(import) => {
            let module = import.module.as_ref().map_or("", |module| module.as_str());
            let is_star = import.names.iter().any(|name| name.name.as_str() == "*");
            import.level == 0 && PLAIN.contains(&module) && !is_star
        }
        Stmt::FunctionDef(function) => {
            let defaults = function.parameters.iter_non_variadic_params();
            let mut defaults = defaults.filter_map(|parameter| parameter.default.as_deref());
            let mut decorators = function.decorator_list.iter();
            !function.name.starts_with("pytest_")
                && defaults.all(Expr::is_literal_expr)
                && decorators.all(|decorator| is_fixture(&decorator.expression))
        }
        Stmt::Expr(expression) => expression.value.is_string_literal_expr(),
        Stmt::Assign(assign) => {
            let is_plain = |target: &Expr| {
                let name = target.as_name_expr();
                name.is_some_and(|name| !name.id.starts_with("pytest"))
            };
            assign.targets.iter().all(is_plain) && assign.value.is_literal_expr()
        }
        _ => false,
    }
}

/// `@pytest.fixture`, called or not.
fn is_fixture(decorator: &Expr) -> bool {
    let called = decorator.as_call_expr().map(|call| &*call.func);
    let named = called.unwrap_or(decorator).as_attribute_expr();
    named.is_some_and(|named| {
        let owner = named.value.as_name_expr();
        named.attr.as_str() == "fixture" && owner.is_some_and(|owner| owner.id == "pytest")
    })
}

/// Whether the path is that of a conftest.
pub fn is_conftest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "conftest.py")
}

/// Whether the file's name says that it tells how everything is run or installed.
pub fn is_configuration(path: &Path) -> bool {
    const NAMES: [&str; 21] = [
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "pyproject.toml",
        "tox.ini",
        "tox.toml",
        "setup.cfg",
        "setup.py",
        "noxfile.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pipfile",
        "pipfile.lock",
        "environment.yml",
        "environment.yaml",
        "pixi.toml",
        ".python-version",
        ".tool-versions",
        ".envrc",
        ".coveragerc",
    ];
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name.map(str::to_lowercase) else {
        return false;
    };
    let ends = |suffix: &str| name.ends_with(suffix);
    NAMES.contains(&name.as_str())
        || name == ".env"
        || name.starts_with(".env.")
        || ends(".lock")
        || ends(".pth")
        || (ends(".txt") || ends(".in"))
            && (name.contains("requirements") || name.contains("constraints"))
}

/// Whether the file is written for people and read by no program that does not name it.
pub fn is_prose(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_lowercase();
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    matches!(suffix, Some("md" | "rst" | "adoc"))
        || ["license", "notice", "authors", "codeowners", ".gitignore"].contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    fn files() -> Vec<FileDependencies> {
        let plain = FileDependencies {
            file: "/p/tests/test_plain.py".into(),
            conftests: vec!["/p/conftest.py".into()],
            present: paths(&["/p/src/app/__init__.py", "/p/src/app/core.py"]),
            absent: paths(&["/p/tests/app", "/p/tests/app.py"]),
            ..FileDependencies::default()
        };
        let data = FileDependencies {
            file: "/p/tests/test_data.py".into(),
            conftests: vec!["/p/conftest.py".into()],
            named: paths(&["/p/tests/cases", "/p/README.md"]),
            ..FileDependencies::default()
        };
        let unknown = FileDependencies {
            file: "/p/tests/test_unknown.py".into(),
            conftests: vec!["/p/conftest.py".into()],
            unknown: vec!["it imports a computed name".to_owned()],
            ..FileDependencies::default()
        };
        vec![plain, data, unknown]
    }

    /// Which of the three files a change of one path affects.
    fn by(path: &str) -> [bool; 3] {
        let changes = Changes {
            paths: paths(&[path]),
            local_conftests: paths(&["/p/tests/quiet/conftest.py"]),
        };
        let verdicts = affected(&changes, &files());
        [0, 1, 2].map(|place| verdicts[place] != Affected::No)
    }

    #[test]
    fn each_rule_says_which_files_a_change_affects() {
        let all = [true; 3];
        let (first, second) = ([true, false, true], [false, true, true]);
        for (path, expected) in [
            ("/p/tests/test_plain.py", first),
            ("/p/tests/test_unknown.py", [false, false, true]),
            ("/p/src/app/core.py", first),
            ("/p/tests/app/__init__.py", first),
            ("/p/conftest.py", all),
            ("/p/tests/other/conftest.py", all),
            ("/p/tests/quiet/conftest.py", [false, false, true]),
            ("/p/tests/cases/1.json", second),
            ("/p/README.md", [false, true, false]),
            ("/p/docs/page.rst", [false; 3]),
            ("/p/pyproject.toml", all),
            ("/p/requirements/dev.txt", all),
            ("/p/dev-requirements.txt", all),
            ("/p/uv.lock", all),
            ("/p/.env.test", all),
            ("/p/scripts/tool.py", all),
            ("/p/src/native.rs", all),
        ] {
            assert_eq!(by(path), expected, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_read_affects_whoever_may_read_it() {
        let mut all = files();
        for (reads, expected) in [(None, false), (Some("it opens files".to_owned()), true)] {
            if let Some(first) = all.first_mut() {
                first.reads = reads;
            }
            let of = |path: &str| {
                let changes = Changes {
                    paths: paths(&[path]),
                    ..Changes::default()
                };
                affected(&changes, &all)[0] != Affected::No
            };
            assert_eq!(of("/p/tests/cases/1.json"), expected);
            assert!(!of("/p/README.md"), "prose is not read unnamed");
            assert!(!of("/p/tests/test_data.py"), "a module is imported");
        }
    }

    #[test]
    fn a_conftest_of_fixtures_keeps_to_its_folder() {
        let plain = "import os\nimport pytest\nfrom pathlib import Path\nX = 1\n\n\
                     @pytest.fixture(autouse=True)\ndef x(a=1): yield os.sep\n";
        assert!(keeps_to_its_folder(plain.as_bytes()));
        for more in [
            "def pytest_runtest_setup(): pass",
            "pytest_plugins = ['x']",
            "from helper import *",
            "from helper import x",
            "from . import x",
            "import sys\nsys.path.insert(0, 'x')",
            "os.environ['X'] = 'y'",
            "X = f()",
            "if X: pass",
            "@pytest.fixture(scope='session')\ndef y(): pass",
            "@register\ndef y(): pass",
            "def y(a=f()): pass",
            "class pytest_x: pass",
            "def y(:",
        ] {
            let text = format!("{plain}{more}\n");
            assert!(!keeps_to_its_folder(text.as_bytes()), "{more}");
        }
    }

    #[test]
    fn no_change_affects_nothing() {
        let verdicts = affected(&Changes::default(), &files());
        assert!(verdicts.iter().all(|verdict| *verdict == Affected::No));
    }
}
