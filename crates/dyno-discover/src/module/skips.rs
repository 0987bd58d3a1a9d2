//! Whether importing a module can end in its being skipped: `pytest.importorskip`,
//! `pytest.skip(..., allow_module_level=True)`, and what calls them at import time.

use dyno_python::{Context, Found, Module, Reason, Value, World, ast};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of modules so far.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    known: Known,
    /// What the module's own statements say, its imports aside.
    own: Known,
}

type Known = Mutex<HashMap<PathBuf, Option<Reason>>>;

/// How deep calls are followed.
const DEPTH: u32 = 12;

impl Skips {
    /// Why importing the module may skip or stop it, if it may.
    pub(crate) fn of(&self, world: &World<'_>, module: &Arc<Module>) -> Option<Reason> {
        let mut under_way = HashSet::new();
        let found = self.of_module(world, module, &mut under_way);
        if found.is_none() {
            // Only now: a module that imports one that is under way may be skipped with it.
            locked(&self.known).extend(under_way.into_iter().map(|path| (path, None)));
        }
        found
    }

    fn of_module(
        &self,
        world: &World<'_>,
        module: &Arc<Module>,
        under_way: &mut HashSet<PathBuf>,
    ) -> Option<Reason> {
        if let Some(known) = locked(&self.known).get(&module.path) {
            return known.clone();
        }
        if !under_way.insert(module.path.clone()) {
            return None;
        }
        let own = self.of_statements(world, module);
        let found = own.or_else(|| self.of_imports(world, module, under_way));
        if found.is_some() {
            locked(&self.known).insert(module.path.clone(), found.clone());
        }
        found
    }

    fn of_statements(&self, world: &World<'_>, module: &Arc<Module>) -> Option<Reason> {
        if let Some(known) = locked(&self.own).get(&module.path) {
            return known.clone();
        }
        let search = Search {
            world,
            module,
            depth: 0,
        };
        let found = search.block(module.body());
        locked(&self.own).insert(module.path.clone(), found.clone());
        found
    }

    fn of_imports(
        &self,
        world: &World<'_>,
        module: &Arc<Module>,
        under_way: &mut HashSet<PathBuf>,
    ) -> Option<Reason> {
        let imports = module.imports().iter().filter(|import| import.at_import);
        for import in imports {
            let named = import.names.iter().map(|name| match import.module {
                "" => (*name).to_owned(),
                module => format!("{module}.{name}"),
            });
            for dotted in std::iter::once(import.module.to_owned()).chain(named) {
                if let Found::Module(imported) = world.find(module, import.level, &dotted)
                    && let Some(reason) = self.of_module(world, &imported, under_way)
                {
                    return Some(reason);
                }
            }
        }
        None
    }
}

fn locked(known: &Known) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Option<Reason>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A search through statements that run when the module is imported.
struct Search<'s, 'w> {
    world: &'s World<'w>,
    module: &'s Arc<Module>,
    depth: u32,
}

impl Search<'_, '_> {
    fn block(&self, statements: &[ast::Stmt]) -> Option<Reason> {
        statements
            .iter()
            .find_map(|statement| self.statement(statement))
    }

    fn statement(&self, statement: &ast::Stmt) -> Option<Reason> {
        if self.depth > DEPTH {
            return None;
        }
        let mut finder = Finder {
            search: self,
            found: None,
        };
        ast::visitor::Visitor::visit_stmt(&mut finder, statement);
        finder.found
    }

    /// What calling `callee` can do to the import.
    fn call(&self, call: &ast::ExprCall) -> Option<Reason> {
        let offset = dyno_python::text_size::Ranged::range(call).start().to_u32();
        if !may_name_a_skip(&call.func) {
            return self.project_call(call, offset);
        }
        let callee = self
            .world
            .evaluate(&Context::at(self.module, offset), &call.func);
        match callee {
            Value::External(name) => stops(&name)
                .then(|| Reason::new(format!("calls `{name}` on import"), self.module, offset)),
            Value::Function(function) => self.body(&function),
            _ => None,
        }
    }

    fn project_call(&self, call: &ast::ExprCall, offset: u32) -> Option<Reason> {
        let name = match &*call.func {
            ast::Expr::Name(name) => name.id.as_str(),
            _ => return None,
        };
        self.module.scope().of(name).next()?;
        match self.world.lookup(&Context::at(self.module, offset), name) {
            Value::Function(function) => self.body(&function),
            _ => None,
        }
    }

    fn body(&self, function: &dyno_python::Function) -> Option<Reason> {
        let definition = function.module.function_at(function.offset)?;
        let inside = Search {
            world: self.world,
            module: &function.module,
            depth: self.depth + 1,
        };
        inside.block(&definition.body)
    }
}

/// Whether the last part of what is called is a word that can skip or end an import, by
/// whatever name it was imported, or an attribute (`pytest.skip`).
fn may_name_a_skip(callee: &ast::Expr) -> bool {
    match callee {
        ast::Expr::Attribute(attribute) => {
            matches!(
                attribute.attr.as_str(),
                "skip" | "importorskip" | "exit" | "fail" | "xfail" | "abort" | "_exit"
            )
        }
        ast::Expr::Name(name) => matches!(
            name.id.as_str(),
            "skip" | "importorskip" | "exit" | "fail" | "xfail" | "quit" | "abort"
        ),
        _ => false,
    }
}

fn stops(name: &str) -> bool {
    matches!(
        name,
        "pytest.skip"
            | "pytest.importorskip"
            | "pytest.exit"
            | "pytest.fail"
            | "pytest.xfail"
            | "sys.exit"
            | "os._exit"
            | "os.abort"
            | "builtins.exit"
            | "builtins.quit"
    )
}

/// Finds the first thing that can stop an import, outside of functions, lambdas and
/// classes' methods.
struct Finder<'f, 's, 'w> {
    search: &'f Search<'s, 'w>,
    found: Option<Reason>,
}

impl<'a> ast::visitor::Visitor<'a> for Finder<'_, '_, '_> {
    fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
        if self.found.is_some() {
            return;
        }
        match statement {
            ast::Stmt::FunctionDef(def) => {
                for decorator in &def.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
            }
            ast::Stmt::If(branch) if is_main_guard(&branch.test) => {
                for clause in &branch.elif_else_clauses {
                    self.visit_body(&clause.body);
                }
            }
            // `raise` under no condition at all ends every import; under one, some.
            ast::Stmt::Raise(raise) => {
                let offset = dyno_python::text_size::Ranged::range(raise)
                    .start()
                    .to_u32();
                if self.search.depth == 0 || raises_a_skip(raise) {
                    let reason = Reason::new("may raise on import", self.search.module, offset);
                    self.found = Some(reason);
                }
            }
            _ => ast::visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a ast::Expr) {
        if self.found.is_some() || matches!(expression, ast::Expr::Lambda(_)) {
            return;
        }
        if let ast::Expr::Call(call) = expression {
            self.found = self.search.call(call);
        }
        if self.found.is_none() {
            ast::visitor::walk_expr(self, expression);
        }
    }
}

/// `if __name__ == "__main__":`.
pub(super) fn is_main_guard(test: &ast::Expr) -> bool {
    let ast::Expr::Compare(compare) = test else {
        return false;
    };
    matches!(&*compare.left, ast::Expr::Name(name) if name.id.as_str() == "__name__")
        && matches!(&*compare.ops, [ast::CmpOp::Eq])
}

fn raises_a_skip(raise: &ast::StmtRaise) -> bool {
    let mut raised = raise.exc.as_deref();
    if let Some(ast::Expr::Call(call)) = raised {
        raised = Some(&call.func);
    }
    match raised {
        Some(ast::Expr::Attribute(attribute)) => {
            matches!(
                attribute.attr.as_str(),
                "SkipTest" | "Exception" | "Skipped"
            )
        }
        Some(ast::Expr::Name(name)) => matches!(name.id.as_str(), "SkipTest" | "Skipped"),
        _ => false,
    }
}
