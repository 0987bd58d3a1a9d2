//! Which tests a `pytest_generate_tests` is about.

use dyno_python::ast;

/// The fixtures whose use a `pytest_generate_tests` makes its work depend on; empty where
/// it may parametrize any test.
pub(super) fn generates_for(definition: &ast::StmtFunctionDef) -> Vec<String> {
    let mut fixtures = Vec::new();
    for statement in &definition.body {
        match statement {
            ast::Stmt::Expr(expression)
                if matches!(&*expression.value, ast::Expr::StringLiteral(_)) => {}
            ast::Stmt::Pass(_) => {}
            ast::Stmt::If(branch) => {
                let mut tests = vec![Some(&*branch.test)];
                tests.extend(
                    branch
                        .elif_else_clauses
                        .iter()
                        .map(|clause| clause.test.as_ref()),
                );
                for test in tests {
                    match test.and_then(asked_fixture) {
                        Some(name) => fixtures.push(name),
                        None => return Vec::new(),
                    }
                }
            }
            _ => return Vec::new(),
        }
    }
    fixtures
}

/// `"name" in metafunc.fixturenames`, also as the first part of an `and`.
fn asked_fixture(test: &ast::Expr) -> Option<String> {
    let test = match test {
        ast::Expr::BoolOp(operation) if operation.op == ast::BoolOp::And => {
            operation.values.first()?
        }
        test => test,
    };
    let ast::Expr::Compare(compare) = test else {
        return None;
    };
    let (ast::Expr::StringLiteral(name), [ast::CmpOp::In], [ast::Expr::Attribute(names)]) =
        (&*compare.left, &*compare.ops, &*compare.comparators)
    else {
        return None;
    };
    (names.attr.as_str() == "fixturenames").then(|| name.value.to_str().to_owned())
}
