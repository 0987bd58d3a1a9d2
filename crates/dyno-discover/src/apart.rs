//! Whether the test files of a project may be imported in several processes, a part in each.
//!
//! What pytest collects of a file is then what it collects of it alone, so nothing may look
//! at the list of tests as a whole, and what the import of one file does to others must be
//! done in each process. A *loud* module is one whose text shows that its import changes
//! what is not its own: `os.environ["X"] = ...`, `sys.path.insert(...)`,
//! `@registry.register`. Calls whose result is given a name count as quiet, as does making
//! a class; so what a module does to others through these is not seen.

use crate::fixture::Layer;
use dyno_model::Scope;
use dyno_python::ast::{self, Expr, Stmt};
use dyno_python::text_size::Ranged;
use dyno_python::{BindingKind, Module};

/// How a test file bears being imported by some of several processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Apart {
    /// Any one may import it.
    Quiet,
    /// Each has to: its import changes what is not its own, on this line.
    Loud(u32),
    /// None may do without the others' tests, for this reason.
    Never(String),
}

/// Hooks that are given, or wait for, the list of all tests without changing it.
pub(crate) const LIST_READERS: [&str; 3] = [
    "pytest_collection_finish",
    "pytest_report_collectionfinish",
    "pytest_runtestloop",
];

/// Texts by which code that runs with the tests looks at the list of all of them.
const LIST_WORDS: [&str; 2] = ["session.items", "testscollected"];

/// Packages whose functions, as decorators, change nothing but what they decorate.
const QUIET_DECORATORS: &[&str] = &[
    "pytest",
    "pytest_asyncio",
    "anyio",
    "asyncio",
    "unittest",
    "mock",
    "hypothesis",
    "parameterized",
    "functools",
    "contextlib",
    "dataclasses",
    "attr",
    "attrs",
    "abc",
    "enum",
    "typing",
    "typing_extensions",
    "warnings",
    "types",
    "numpy",
    "torch",
];

/// Functions that a module may call for themselves: they end its own import or nothing.
const QUIET_CALLS: &[&str] = &[
    "pytest.importorskip",
    "pytest.skip",
    "pytest.fail",
    "pytest.xfail",
    "print",
];

/// The text by which a module looks at the list of all tests.
pub(crate) fn reads_list(source: &str) -> Option<&'static str> {
    LIST_WORDS.into_iter().find(|word| source.contains(word))
}

/// Why fixtures of a layer keep tests of several files in one process.
pub(crate) fn binds_files(layer: &Layer) -> Option<String> {
    if layer.more.is_some() {
        return Some("there may be fixtures that the text does not tell".to_owned());
    }
    let mut fixtures = layer.by_name.values().flatten();
    let binds = |scope: &Result<Scope, _>| !matches!(scope, Ok(scope) if *scope != Scope::Package);
    let fixture = fixtures.find(|fixture| binds(&fixture.scope))?;
    Some(format!(
        "the fixture `{}` is one for a package",
        fixture.name
    ))
}

/// How a test file bears it.
pub(crate) fn apart(module: &Module) -> Apart {
    if let Some(word) = reads_list(&module.source) {
        return Apart::Never(format!("it has `{word}` in it"));
    }
    loud(module).map_or(Apart::Quiet, Apart::Loud)
}

/// The first statement that shows that a module's import changes what is not its own: its
/// line.
fn loud(module: &Module) -> Option<u32> {
    let reader = Reader { module };
    let at = reader.block(module.body())?;
    Some(module.line(at))
}

struct Reader<'m> {
    module: &'m Module,
}

impl Reader<'_> {
    fn block(&self, body: &[Stmt]) -> Option<u32> {
        body.iter().find_map(|statement| self.statement(statement))
    }

    fn statement(&self, statement: &Stmt) -> Option<u32> {
        let blocks = |blocks: &[&[Stmt]]| blocks.iter().find_map(|block| self.block(block));
        match statement {
            Stmt::Expr(only) => (!self.is_quiet(&only.value)).then(|| start(statement)),
            Stmt::Assign(assign) => {
                let loud = assign.targets.iter().any(|target| !self.is_own(target));
                loud.then(|| start(statement))
            }
            Stmt::AnnAssign(assign) => (!self.is_own(&assign.target)).then(|| start(statement)),
            Stmt::AugAssign(assign) => {
                let own = match &*assign.target {
                    Expr::Name(name) => self.makes(name.id.as_str()),
                    target => self.is_own(target),
                };
                (!own).then(|| start(statement))
            }
            Stmt::Delete(delete) => {
                let loud = delete.targets.iter().any(|target| !self.is_own(target));
                loud.then(|| start(statement))
            }
            Stmt::FunctionDef(function) => self.decorators(&function.decorator_list),
            Stmt::ClassDef(class) => self
                .decorators(&class.decorator_list)
                .or_else(|| self.block(&class.body)),
            Stmt::If(test) => self.block(&test.body).or_else(|| {
                let mut clauses = test.elif_else_clauses.iter();
                clauses.find_map(|clause| self.block(&clause.body))
            }),
            Stmt::For(each) => (!self.is_own(&each.target))
                .then(|| start(statement))
                .or_else(|| blocks(&[&each.body, &each.orelse])),
            Stmt::While(each) => blocks(&[&each.body, &each.orelse]),
            Stmt::With(with) => self.block(&with.body),
            Stmt::Try(attempt) => blocks(&[&attempt.body, &attempt.orelse, &attempt.finalbody])
                .or_else(|| {
                    attempt.handlers.iter().find_map(|handler| {
                        let ast::ExceptHandler::ExceptHandler(handler) = handler;
                        self.block(&handler.body)
                    })
                }),
            Stmt::Match(matched) => matched.cases.iter().find_map(|case| self.block(&case.body)),
            _ => None,
        }
    }

    /// Whether what is assigned to belongs to the module.
    fn is_own(&self, target: &Expr) -> bool {
        match target {
            Expr::Name(_) => true,
            Expr::Tuple(tuple) => tuple.elts.iter().all(|part| self.is_own(part)),
            Expr::List(list) => list.elts.iter().all(|part| self.is_own(part)),
            Expr::Starred(starred) => self.is_own(&starred.value),
            target => root(target).is_some_and(|name| self.makes(name)),
        }
    }

    /// Whether the module makes the thing of this name, rather than import it or name it anew.
    fn makes(&self, name: &str) -> bool {
        let mut bindings = self.module.scope().of(name).peekable();
        bindings.peek().is_some()
            && bindings.all(|binding| match &binding.kind {
                BindingKind::Function(_) | BindingKind::Class(_) | BindingKind::Augmented(_) => {
                    true
                }
                BindingKind::Value(value) => {
                    root(value).is_none() || matches!(value, Expr::Call(_))
                }
                _ => false,
            })
    }

    /// Whether an expression that stands for itself changes nothing of others.
    fn is_quiet(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Call(call) => {
                let named = self.dotted(&call.func);
                named.is_some_and(|name| QUIET_CALLS.contains(&&*name))
                    || root(&call.func).is_some_and(|name| {
                        // A method of a thing of the module's own, such as `CASES.append(...)`.
                        matches!(*call.func, Expr::Attribute(_)) && self.makes(name)
                    })
            }
            other => !calls(other),
        }
    }

    fn decorators(&self, decorators: &[ast::Decorator]) -> Option<u32> {
        let loud = |decorator: &&ast::Decorator| {
            let Some(name) = root(&decorator.expression) else {
                return true;
            };
            let mut bindings = self.module.scope().of(name).peekable();
            // A builtin, such as `property`.
            bindings.peek().is_some()
                && !self.makes(name)
                && bindings.any(|binding| match &binding.kind {
                    BindingKind::Import { module, .. }
                    | BindingKind::FromImport {
                        module, level: 0, ..
                    } => {
                        let package = module.split('.').next().unwrap_or_default();
                        !QUIET_DECORATORS.contains(&package)
                    }
                    // Another name for a mark: `gpu = pytest.mark.gpu`.
                    BindingKind::Value(value) => self
                        .dotted(value)
                        .is_none_or(|name| !QUIET_DECORATORS.contains(&first(&name))),
                    _ => true,
                })
        };
        let decorator = decorators.iter().find(loud)?;
        Some(start(decorator))
    }

    /// The dotted name that an expression stands for, through the module's imports.
    fn dotted(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Name(name) => {
                let name = name.id.as_str();
                let Some(binding) = self.module.scope().of(name).next_back() else {
                    return Some(name.to_owned());
                };
                match &binding.kind {
                    BindingKind::Import {
                        module,
                        whole: true,
                    } => Some((*module).to_owned()),
                    BindingKind::Import { module, .. } => Some(first(module).to_owned()),
                    BindingKind::FromImport {
                        module,
                        level: 0,
                        name,
                    } => Some(format!("{module}.{name}")),
                    _ => None,
                }
            }
            Expr::Attribute(attribute) => {
                let of = self.dotted(&attribute.value)?;
                Some(format!("{of}.{}", attribute.attr))
            }
            _ => None,
        }
    }
}

fn first(dotted: &str) -> &str {
    dotted.split('.').next().unwrap_or_default()
}

/// The name at the root of `a.b[0].c(...)`.
fn root(expression: &Expr) -> Option<&str> {
    let mut at = expression;
    loop {
        at = match at {
            Expr::Name(name) => return Some(name.id.as_str()),
            Expr::Attribute(attribute) => &attribute.value,
            Expr::Subscript(subscript) => &subscript.value,
            Expr::Call(call) => &call.func,
            _ => return None,
        };
    }
}

/// Whether anything is called in an expression.
fn calls(expression: &Expr) -> bool {
    struct Calls(bool);
    impl<'a> ast::visitor::Visitor<'a> for Calls {
        fn visit_expr(&mut self, expression: &'a Expr) {
            self.0 |= matches!(expression, Expr::Call(_) | Expr::Await(_));
            if !self.0 {
                ast::visitor::walk_expr(self, expression);
            }
        }
    }
    let mut calls = Calls(false);
    ast::visitor::Visitor::visit_expr(&mut calls, expression);
    calls.0
}

fn start(node: &impl Ranged) -> u32 {
    node.range().start().to_u32()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_python::Interpreter;
    use std::path::Path;

    fn apart_of(text: &str) -> Apart {
        let interpreter = Interpreter {
            version: (3, 11),
            platform: "linux".into(),
            os_name: "posix".into(),
        };
        let module = Module::parse(Path::new("test_a.py"), None, text.as_bytes(), &interpreter);
        apart(&module.unwrap())
    }

    #[test]
    fn what_concerns_the_module_alone_is_quiet() {
        for text in [
            "'''Words.'''\nimport os, pytest\nfrom x import *\n",
            "import pytest\ntorch = pytest.importorskip('torch')\npytest.importorskip('numpy')\n",
            "CASES = [1]\nCASES.append(2)\nCASES[0] = 3\nCASES += [4]\ndel CASES[0]\n",
            "import logging\nlogger = logging.getLogger()\na, (b, c) = 1, (2, 3)\n",
            "import pytest\ngpu = pytest.mark.gpu\n@gpu\ndef test_a(): pass\n",
            "import pytest\n@pytest.mark.parametrize('x', [1])\ndef test_a(x): f(x)\n",
            "import functools\ndef own(f): return f\n@own\n@functools.cache\ndef a(): g()\n",
            "class TestA:\n    x = 1\n    @property\n    def y(self): return os.environ.pop('A')\n",
            "class TestA: pass\nTestA.x = 1\n",
            "from app import make\napp = make()\n@app.get('/')\ndef root(): pass\n",
            "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
            "import sys\nif sys.platform == 'win32':\n    x = 1\nfor i in [1]:\n    y = i\n",
        ] {
            assert_eq!(apart_of(text), Apart::Quiet, "{text}");
        }
    }

    #[test]
    fn what_changes_others_is_loud_at_its_line() {
        for text in [
            "import os\nos.environ['A'] = '1'\n",
            "import os\nos.environ.setdefault('A', '1')\n",
            "import sys\nsys.path.insert(0, 'x')\n",
            "import sys\nsys.modules['vllm'] = object()\n",
            "from os import environ\nenviron |= {'A': '1'}\n",
            "from sys import path\ndel path[0]\n",
            "import a\na.b.c = 1\n",
            "import os\nif True: os.umask(0)\n",
            "import os\nclass A: os.umask(0)\n",
            "import os\nfor os.environ['A'] in ['1']: pass\n",
            "from app import registry\n@registry.register\nclass A: pass\n",
            "from app import register\n@register('x')\ndef a(): pass\n",
            "import app\napp.DEBUG, x = 1, 2\n",
            "\nstart()\n",
            "import os\nenv = os.environ; env['A'] = '1'\n",
            "import a\na.b or a.start()\n",
            "import a\nwith a.lock: a.start()\n",
        ] {
            assert_eq!(apart_of(text), Apart::Loud(2), "{text}");
        }
    }

    #[test]
    fn whoever_looks_at_all_tests_has_them_in_one_process() {
        let text = "def test_a(request):\n    assert request.session.items\n";
        assert!(matches!(apart_of(text), Apart::Never(reason) if reason.contains("session.items")));
    }
}
