//! A project of the grammar, as files.

use super::grammar::{
    Body, Class, Fixture, Function, Library, Project, PytestNames, Statement, Table,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What modules define in common: name, definition. Later ones may use earlier ones.
const LIBRARY: &[(&str, &str)] = &[
    ("INT", "INT = 7"),
    ("NEGATIVE", "NEGATIVE = -3"),
    ("FLAG", "FLAG: bool = True"),
    ("TEXT", "TEXT = 'word'"),
    ("ITEMS", "ITEMS = [1, 2, 3]"),
    ("WORDS", "WORDS = ('a', 'b')"),
    ("TABLE", "TABLE = {'x': 1, 'y': 2}"),
    ("ROWS", "ROWS = [(1, 'one'), (2, 'two')]"),
    ("EMPTY", "EMPTY = []"),
    ("GROWN", "GROWN = [1]\nGROWN.append(2)"),
    ("AUGMENTED", "AUGMENTED = 1\nAUGMENTED += 1"),
    (
        "LATER",
        "LATER = []\nfor number in range(2):\n    LATER.append(number)",
    ),
    (
        "CONDITIONAL",
        "if os.environ.get('NO_SUCH_VARIABLE'):\n    CONDITIONAL = 1\nelse:\n    CONDITIONAL = 2",
    ),
    (
        "TRIED",
        "try:\n    import json\n    TRIED = 'with'\nexcept ImportError:\n    TRIED = 'without'",
    ),
    ("T", "T = typing.TypeVar('T')"),
    (
        "Color",
        "class Color(enum.Enum):\n    RED = 1\n    GREEN = 'green'",
    ),
    (
        "Level",
        "class Level(enum.IntEnum):\n    LOW = 1\n    HIGH = 2",
    ),
    (
        "Kind",
        "class Kind(str, enum.Enum):\n    ONE = 'one'\n    TWO = 'two'",
    ),
    ("Perm", "class Perm(enum.Flag):\n    R = 1\n    W = 2"),
    (
        "Auto",
        "class Auto(enum.Enum):\n    A = enum.auto()\n    B = A",
    ),
    (
        "Text",
        "class Text(str, enum.Enum):\n    ONE = 'one'\n    def __str__(self): return self.value",
    ),
    (
        "Point",
        "@dataclasses.dataclass(frozen=True)\nclass Point:\n    x: int\n    y: int = 0",
    ),
    ("Plain", "class Plain:\n    pass"),
    ("Named", "class Named:\n    __name__ = 'named'"),
    ("Loud", "class Loud(int):\n    pass"),
    (
        "LoudText",
        "class LoudText(str):\n    def __str__(self): return 'loud'",
    ),
    ("double", "def double(x=1):\n    return x * 2"),
    ("make", "def make():\n    return [1, 2]"),
    ("label", "def label(value):\n    return f'<{value}>'"),
    (
        "label_int",
        "def label_int(value):\n    if isinstance(value, int):\n        return f'i{value}'",
    ),
    ("nothing", "def nothing(value):\n    return None"),
    (
        "counter",
        "def counter(seen=[]):\n    seen.append(1)\n    return len(seen)",
    ),
    ("keep", "def keep(function):\n    return function"),
    (
        "wrapped",
        "def wrapped(function):\n    @functools.wraps(function)\n    def inner(*args, **kwargs):\n        return function(*args, **kwargs)\n    return inner",
    ),
    (
        "repeat",
        "def repeat(count):\n    return $mark.parametrize('$a', range(count))",
    ),
    (
        "marked",
        "def marked(number):\n    return $mark.made(number)",
    ),
    ("slow", "slow = $mark.slow"),
    ("needs", "needs = $mark.skipif(INT > 3, reason='needs')"),
    ("marks", "marks = [$mark.first, $mark.second(1)]"),
    (
        "CASES",
        "CASES = [$param(1, id='one'), $param(2, marks=$mark.slow), 3]",
    ),
    (
        "Whole",
        "class Whole:\n    text = 'text'\n    rows = [1, 2]\n    mark = $mark.whole(1)",
    ),
    (
        "Mixin",
        "class Mixin:\n    def test_mixin(self): pass\n    @$mark.slow\n    def test_a(self, request): pass",
    ),
    (
        "Base",
        "class Base:\n    pytestmark = $mark.base\n    @$fixture\n    def $f1(self): return 1\n    def test_base(self, $f1): pass\n    @$mark.parametrize('$c', [1, 2])\n    def test_table(self, $c): pass",
    ),
    (
        "TestBase",
        "@$mark.decorated('base')\nclass TestBase:\n    def test_b(self): pass\n    class TestInner:\n        def test_inner(self): pass",
    ),
    (
        "CaseBase",
        "class CaseBase(unittest.TestCase):\n    def setUp(self): pass\n    def test_case(self): pass\n    @$mark.slow\n    def test_z(self): pass\n    def test_a(self): pass",
    ),
    (
        "Unmade",
        "Unmade = type('Unmade', (), {'test_unmade': lambda self: None})",
    ),
    (
        "TestShared",
        "class TestShared:\n    def test_it(self, $f0): pass",
    ),
    (
        "SharedCase",
        "class SharedCase(unittest.TestCase):\n    def test_it(self): pass",
    ),
    ("test_shared", "@$mark.slow\ndef test_shared($f0): pass"),
    (
        "f_shared",
        "@$fixture(params=[1, 2])\ndef f_shared(request): return request.param",
    ),
];

/// Modules imported by name wherever they are mentioned.
const MODULES: &[&str] = &[
    "abc",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "http",
    "itertools",
    "math",
    "os",
    "pathlib",
    "re",
    "signal",
    "sys",
    "types",
    "typing",
    "unittest",
    "uuid",
];

/// Names of pytest that the grammar asks for.
const PYTEST: &[&str] = &["fixture", "mark", "param"];

/// Paths below the root, and what is in the files.
pub(crate) type Rendered = BTreeMap<String, String>;

/// The files of the project in a folder of this name, which also tells its names from
/// those of other projects.
pub(crate) fn render(project: &Project, folder: &str) -> Rendered {
    let mut files = Rendered::new();
    let project_files = ProjectFiles { project, folder };
    if project.package {
        files.insert(format!("{folder}/__init__.py"), String::new());
        if project.below.is_some() {
            files.insert(format!("{folder}/below/__init__.py"), String::new());
        }
    }
    files.insert(
        format!("{folder}/{}.py", project_files.library()),
        project_files.library_text(),
    );
    if let Some(conftest) = &project.conftest {
        files.insert(
            format!("{folder}/conftest.py"),
            project_files.module(conftest, false),
        );
    }
    for (number, module) in project.modules.iter().enumerate() {
        files.insert(
            format!("{folder}/test_{folder}_{number}.py"),
            project_files.module(module, false),
        );
    }
    if let Some((conftest, module)) = &project.below {
        files.insert(
            format!("{folder}/below/conftest.py"),
            project_files.module(conftest, true),
        );
        files.insert(
            format!("{folder}/below/test_{folder}_below.py"),
            project_files.module(module, true),
        );
    }
    files
}

struct ProjectFiles<'a> {
    project: &'a Project,
    folder: &'a str,
}

impl ProjectFiles<'_> {
    fn library(&self) -> String {
        format!("values_{}", self.folder)
    }

    /// What `from ... import` says to reach the library.
    fn library_path(&self, below: bool) -> String {
        match (self.project.package, below) {
            (true, true) => format!("..{}", self.library()),
            (true, false) => format!("{}.{}", self.folder, self.library()),
            (false, _) => self.library(),
        }
    }

    fn library_text(&self) -> String {
        let names: BTreeSet<&str> = LIBRARY.iter().map(|(name, _)| *name).collect();
        let definitions = definitions(&names);
        self.fill(&definitions, &|name| {
            // The library's own names stand there as they are.
            name.to_owned()
        })
    }

    fn module(&self, body: &Body, below: bool) -> String {
        let mut text = String::new();
        write_body(&mut text, body, 0, &[]);
        let used: BTreeSet<&str> = holes(&text)
            .into_iter()
            .filter(|name| is_library(name))
            .collect();
        let path = self.library_path(below);
        let mut head = String::new();
        // A test module of a folder below without packages finds the library on the path
        // that its neighbour above put there, or not at all: then it is an error.
        match self.project.library {
            Library::Local => head = definitions(&used),
            Library::FromImport => {
                for name in &used {
                    let _ = writeln!(head, "from {path} import {name}");
                }
            }
            Library::FromImportAlias => {
                for name in &used {
                    let _ = writeln!(head, "from {path} import {name} as {}", aliased(name));
                }
            }
            Library::ModuleImport if !used.is_empty() => {
                let _ = match path.rsplit_once('.') {
                    Some(("" | ".", name)) => writeln!(head, "from .. import {name} as values"),
                    Some((package, name)) => {
                        writeln!(head, "from {package} import {name} as values")
                    }
                    None => writeln!(head, "import {path} as values"),
                };
            }
            Library::Star if !used.is_empty() => {
                let _ = writeln!(head, "from {path} import *");
            }
            Library::ModuleImport | Library::Star => {}
        }
        let name_of = |name: &str| match self.project.library {
            Library::ModuleImport => format!("values.{name}"),
            Library::FromImportAlias => aliased(name),
            _ => name.to_owned(),
        };
        let whole = format!("{head}{text}").replace("$lib", &path);
        self.fill(&whole, &name_of)
    }

    /// Fills the holes and puts the imports above.
    fn fill(&self, text: &str, library_name: &dyn Fn(&str) -> String) -> String {
        let mut imports = String::new();
        for module in MODULES {
            if mentions(text, &format!("{module}.")) || text.contains(&format!("({module}, ")) {
                let _ = writeln!(imports, "import {module}");
            }
        }
        if mentions(text, "mock.") {
            imports.push_str("from unittest import mock\n");
        }
        let wanted = holes(text);
        let names: Vec<&str> = PYTEST
            .iter()
            .copied()
            .filter(|name| wanted.contains(name))
            .collect();
        let style = self.project.pytest_names;
        match style {
            PytestNames::Module => imports.push_str("import pytest\n"),
            PytestNames::ModuleAlias => imports.push_str("import pytest as pt\n"),
            PytestNames::Names if !names.is_empty() => {
                let _ = writeln!(imports, "from pytest import {}", names.join(", "));
            }
            PytestNames::NameAliases => {
                for name in names {
                    let _ = writeln!(imports, "from pytest import {name} as its_{name}");
                }
            }
            PytestNames::Names => {}
        }
        if mentions(text, "pytest.") && !matches!(style, PytestNames::Module) {
            imports.push_str("import pytest\n");
        }
        let filled = replace_holes(text, &|name| {
            if PYTEST.contains(&name) {
                match style {
                    PytestNames::Module => format!("pytest.{name}"),
                    PytestNames::ModuleAlias => format!("pt.{name}"),
                    PytestNames::Names => name.to_owned(),
                    PytestNames::NameAliases => format!("its_{name}"),
                }
            } else if is_library(name) {
                library_name(name)
            } else {
                // Names of fixtures and arguments: different in each project, so that a
                // session-wide parameter of one does not reorder the tests of another.
                format!("{name}_{}", self.folder)
            }
        });
        format!("{imports}\n{filled}")
    }
}

/// A name that collects as the original does.
fn aliased(name: &str) -> String {
    match name.strip_prefix("Test") {
        Some(rest) => format!("TestOther{rest}"),
        None if name.starts_with("test_") => format!("{name}_other"),
        None => format!("other_{name}"),
    }
}

fn is_library(name: &str) -> bool {
    LIBRARY.iter().any(|(defined, _)| *defined == name)
}

/// Definitions of these names and of what they use.
fn definitions(names: &BTreeSet<&str>) -> String {
    let mut wanted: BTreeSet<&str> = names.clone();
    for (name, text) in LIBRARY.iter().rev() {
        if wanted.contains(name) {
            for (other, _) in LIBRARY {
                if other != name && mentions(text, other) {
                    wanted.insert(other);
                }
            }
        }
    }
    let mut written = String::new();
    for (name, text) in LIBRARY {
        if wanted.contains(name) {
            let _ = writeln!(written, "{text}");
        }
    }
    written
}

/// Whether a word begins here that is not the end of a longer one.
fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let open = word.ends_with('.');
        let after = text[at + word.len()..].chars().next();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(|c| is_word(c) || c == '.') && (open || !after.is_some_and(is_word))
    })
}

fn hole_end(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

fn holes(text: &str) -> BTreeSet<&str> {
    text.match_indices('$')
        .map(|(at, _)| &text[at + 1..][..hole_end(&text[at + 1..])])
        .filter(|name| !name.is_empty())
        .collect()
}

fn replace_holes(text: &str, fill: &dyn Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = rest.split_at(hole_end(rest));
        if name.is_empty() {
            filled.push('$');
        } else {
            filled.push_str(&fill(name));
        }
        rest = after;
    }
    filled + rest
}

fn line(text: &mut String, depth: usize, content: &str) {
    let _ = writeln!(text, "{:1$}{content}", "", depth * 4);
}

fn write_body(text: &mut String, body: &Body, depth: usize, given: &[&'static str]) {
    if let Some(mark) = &body.pytestmark {
        line(text, depth, &format!("pytestmark = {mark}"));
    }
    write_statements(text, &body.statements, depth, given, depth > 0);
    if depth > 0 && body.pytestmark.is_none() && body.statements.is_empty() {
        line(text, depth, "pass");
    }
}

fn write_statements(
    text: &mut String,
    statements: &[Statement],
    depth: usize,
    given: &[&'static str],
    in_class: bool,
) {
    for statement in statements {
        match statement {
            Statement::Function(function) => write_function(text, function, depth, given, in_class),
            Statement::Fixture(fixture) => write_fixture(text, fixture, depth, in_class),
            Statement::Class(class) => write_class(text, class, depth, given),
            Statement::Guarded(guard, inner) => {
                line(text, depth, guard);
                write_statements(text, inner, depth + 1, given, in_class);
            }
            // Nothing is used before it is defined: such a module is an error and shows nothing.
            Statement::Raw(raw) if !defined(text, raw) => {}
            // Raw lines are written for the depth at which the grammar uses them, and no
            // other depth indents their continuation right.
            Statement::Raw(raw) => {
                let written = usize::from(in_class);
                for part in raw
                    .lines()
                    .map(|part| part.strip_prefix(&" ".repeat(written * 4)).unwrap_or(part))
                {
                    line(text, depth, part);
                }
            }
        }
    }
}

/// Whether what a raw line uses of the module's own is there, as far as that is seen.
fn defined(text: &str, raw: &str) -> bool {
    ["test_a", "TestA", "TestB", "TestC"].iter().all(|name| {
        let used = [
            format!("= {name}"),
            format!("{name}."),
            format!("del {name}"),
            format!("({name})"),
        ];
        let defined = [
            format!("def {name}("),
            format!("class {name}:"),
            format!("class {name}("),
        ];
        !used.iter().any(|used| raw.contains(used))
            || defined.iter().any(|defined| text.contains(defined))
    })
}

fn write_table(text: &mut String, table: &Table, depth: usize) {
    let Table {
        names_text,
        values,
        more,
        ..
    } = table;
    line(
        text,
        depth,
        &format!("@$mark.parametrize({names_text}, {values}{more})"),
    );
}

fn write_function(
    text: &mut String,
    function: &Function,
    depth: usize,
    given: &[&'static str],
    in_class: bool,
) {
    for decorator in &function.decorators {
        line(text, depth, &format!("@{decorator}"));
    }
    for table in &function.tables {
        write_table(text, table, depth);
    }
    let mut arguments: Vec<&str> = Vec::new();
    let tabled = function.tables.iter().flat_map(|table| table.names.iter());
    for name in in_class
        .then_some(&"self")
        .into_iter()
        .chain(tabled)
        .chain(given)
        .chain(&function.arguments)
    {
        if !arguments.contains(name) {
            arguments.push(name);
        }
    }
    // Python's own order: plain, defaulted, starred, named.
    arguments.sort_by_key(|name| match *name {
        "x=1" => 1,
        "*rest" => 2,
        "*, only" => 3,
        "**more" => 4,
        _ => 0,
    });
    if arguments.contains(&"*rest") {
        arguments.retain(|name| *name != "*, only");
    }
    let keyword = if function.is_async {
        "async def"
    } else {
        "def"
    };
    line(
        text,
        depth,
        &format!(
            "{keyword} {}({}): pass",
            function.name,
            arguments.join(", ")
        ),
    );
}

fn write_fixture(text: &mut String, fixture: &Fixture, depth: usize, in_class: bool) {
    let options = if fixture.options.is_empty() {
        String::new()
    } else {
        format!("({})", fixture.options.join(", "))
    };
    line(text, depth, &format!("@$fixture{options}"));
    let mut arguments: Vec<&str> = if in_class { vec!["self"] } else { Vec::new() };
    for argument in &fixture.arguments {
        if !arguments.contains(argument) {
            arguments.push(argument);
        }
    }
    let keyword = if fixture.yields { "yield" } else { "return" };
    line(
        text,
        depth,
        &format!(
            "def {}({}): {keyword} 1",
            fixture.name,
            arguments.join(", ")
        ),
    );
}

fn write_class(text: &mut String, class: &Class, depth: usize, given: &[&'static str]) {
    for decorator in &class.decorators {
        line(text, depth, &format!("@{decorator}"));
    }
    let mut given = given.to_vec();
    if let Some(table) = &class.table {
        write_table(text, table, depth);
        given.extend(&table.names);
    }
    let own = |base: &&&str| !base.starts_with("Test") || defined(text, &format!("{base}."));
    let bases: Vec<&str> = class.bases.iter().filter(own).copied().collect();
    let bases = if bases.is_empty() {
        String::new()
    } else {
        format!("({})", bases.join(", "))
    };
    line(text, depth, &format!("class {}{bases}:", class.name));
    write_body(text, &class.body, depth + 1, &given);
}
