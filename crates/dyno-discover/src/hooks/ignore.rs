//! What a `pytest_ignore_collect` says of one path: its function is followed with the path
//! given and everything else unknown.

use dyno_python::{Function, ast};
use std::collections::HashMap;
use std::path::Path;

/// What the hook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The path is left out.
    Yes,
    /// It is not, or the hook leaves it to others.
    No,
    /// The text does not tell.
    Unknown,
}

/// A value on the way.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    Path(std::path::PathBuf),
    Text(String),
    Texts(Vec<String>),
    Truth(bool),
    Nothing,
    Unknown,
}

/// Every folder of a tree is asked about; a body that is not small is not followed.
const STATEMENTS: usize = 200;

/// Whether the hook leaves a path out.
pub(super) fn ignores(function: &Function, path: &Path) -> Verdict {
    let Some(definition) = function.module.function_at(function.offset) else {
        return Verdict::Unknown;
    };
    let mut follow = Follow {
        locals: HashMap::new(),
        budget: STATEMENTS,
    };
    for name in ["collection_path", "path"] {
        follow
            .locals
            .insert(name.to_owned(), Known::Path(path.to_path_buf()));
    }
    match follow.block(&definition.body) {
        Flow::Returns(verdict) => verdict,
        Flow::Falls | Flow::Either(Verdict::No) => Verdict::No,
        Flow::Either(_) => Verdict::Unknown,
    }
}

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// At its end.
    Falls,
    /// By a return.
    Returns(Verdict),
    /// At its end, or by a return of this.
    Either(Verdict),
}

struct Follow {
    locals: HashMap<String, Known>,
    budget: usize,
}

impl Follow {
    fn block(&mut self, statements: &[ast::Stmt]) -> Flow {
        let mut so_far: Option<Verdict> = None;
        for statement in statements {
            let flow = match self.budget.checked_sub(1) {
                Some(left) => {
                    self.budget = left;
                    self.statement(statement)
                }
                None => Flow::Returns(Verdict::Unknown),
            };
            match flow {
                Flow::Falls => {}
                Flow::Returns(verdict) => {
                    return Flow::Returns(so_far.map_or(verdict, |before| both(before, verdict)));
                }
                Flow::Either(verdict) => {
                    so_far = Some(so_far.map_or(verdict, |before| both(before, verdict)));
                }
            }
        }
        so_far.map_or(Flow::Falls, Flow::Either)
    }

    fn statement(&mut self, statement: &ast::Stmt) -> Flow {
        use ast::Stmt;
        match statement {
            Stmt::Return(returned) => Flow::Returns(match &returned.value {
                None => Verdict::No,
                Some(value) => match truth(&self.value(value)) {
                    Some(true) => Verdict::Yes,
                    Some(false) => Verdict::No,
                    None => Verdict::Unknown,
                },
            }),
            Stmt::Assign(assign) => match &*assign.targets {
                [ast::Expr::Name(name)] => {
                    let value = self.value(&assign.value);
                    self.locals.insert(name.id.to_string(), value);
                    Flow::Falls
                }
                _ => Flow::Either(Verdict::Unknown),
            },
            Stmt::If(branch) => self.branches(branch),
            Stmt::Expr(_)
            | Stmt::Pass(_)
            | Stmt::Import(_)
            | Stmt::ImportFrom(_)
            | Stmt::Global(_) => Flow::Falls,
            _ => Flow::Either(Verdict::Unknown),
        }
    }

    fn branches(&mut self, branch: &ast::StmtIf) -> Flow {
        let mut clauses = vec![(Some(&*branch.test), &branch.body)];
        let others = branch.elif_else_clauses.iter();
        clauses.extend(others.map(|clause| (clause.test.as_ref(), &clause.body)));
        let mut possible = Vec::new();
        for (test, body) in clauses {
            match test.map_or(Some(true), |test| truth(&self.value(test))) {
                Some(false) => {}
                Some(true) => {
                    possible.push(self.block(body));
                    return join(&possible);
                }
                None => possible.push(self.block(body)),
            }
        }
        possible.push(Flow::Falls);
        join(&possible)
    }

    fn value(&self, expression: &ast::Expr) -> Known {
        use ast::Expr;
        match expression {
            Expr::StringLiteral(text) => Known::Text(text.value.to_str().to_owned()),
            Expr::BooleanLiteral(value) => Known::Truth(value.value),
            Expr::NoneLiteral(_) => Known::Nothing,
            Expr::Name(name) => self
                .locals
                .get(name.id.as_str())
                .cloned()
                .unwrap_or(Known::Unknown),
            Expr::Named(named) => self.value(&named.value),
            Expr::Tuple(tuple) => self.texts(&tuple.elts),
            Expr::List(list) => self.texts(&list.elts),
            Expr::Set(set) => self.texts(&set.elts),
            Expr::Attribute(attribute) => {
                attribute_of(&self.value(&attribute.value), attribute.attr.as_str())
            }
            Expr::UnaryOp(unary) if unary.op == ast::UnaryOp::Not => {
                truth(&self.value(&unary.operand))
                    .map_or(Known::Unknown, |value| Known::Truth(!value))
            }
            Expr::BoolOp(operation) => self.junction(operation),
            Expr::Compare(compare) => self.comparison(compare),
            Expr::Call(call) => self.call(call),
            _ => Known::Unknown,
        }
    }

    fn texts(&self, elements: &[ast::Expr]) -> Known {
        let texts = elements.iter().map(|element| match self.value(element) {
            Known::Text(text) => Some(text),
            _ => None,
        });
        texts
            .collect::<Option<Vec<_>>>()
            .map_or(Known::Unknown, Known::Texts)
    }

    fn junction(&self, operation: &ast::ExprBoolOp) -> Known {
        let decides = operation.op == ast::BoolOp::Or;
        let truths: Vec<_> = operation
            .values
            .iter()
            .map(|value| truth(&self.value(value)))
            .collect();
        if truths.contains(&Some(decides)) {
            Known::Truth(decides)
        } else if truths.contains(&None) {
            Known::Unknown
        } else {
            Known::Truth(!decides)
        }
    }

    fn comparison(&self, compare: &ast::ExprCompare) -> Known {
        let ([operator], [right]) = (&*compare.ops, &*compare.comparators) else {
            return Known::Unknown;
        };
        let (left, right) = (self.value(&compare.left), self.value(right));
        let found = match (&left, &right) {
            (Known::Text(left), Known::Texts(right)) => right.contains(left),
            (Known::Text(left), Known::Text(right)) if is_membership(*operator) => {
                right.contains(left.as_str())
            }
            (Known::Text(left), Known::Text(right)) => left == right,
            _ => return Known::Unknown,
        };
        match operator {
            ast::CmpOp::In | ast::CmpOp::Eq => Known::Truth(found),
            ast::CmpOp::NotIn | ast::CmpOp::NotEq => Known::Truth(!found),
            _ => Known::Unknown,
        }
    }

    fn call(&self, call: &ast::ExprCall) -> Known {
        let argument = match &*call.arguments.args {
            [argument] if call.arguments.keywords.is_empty() => self.value(argument),
            _ => return Known::Unknown,
        };
        match &*call.func {
            ast::Expr::Name(name) if name.id.as_str() == "str" => match argument {
                Known::Path(path) => Known::Text(path.to_string_lossy().into_owned()),
                Known::Text(text) => Known::Text(text),
                _ => Known::Unknown,
            },
            ast::Expr::Attribute(method) => {
                let Known::Text(text) = self.value(&method.value) else {
                    return Known::Unknown;
                };
                let any = |test: &dyn Fn(&str) -> bool| match &argument {
                    Known::Text(one) => Known::Truth(test(one)),
                    Known::Texts(many) => Known::Truth(many.iter().any(|one| test(one))),
                    _ => Known::Unknown,
                };
                match method.attr.as_str() {
                    "startswith" => any(&|start| text.starts_with(start)),
                    "endswith" => any(&|end| text.ends_with(end)),
                    _ => Known::Unknown,
                }
            }
            _ => Known::Unknown,
        }
    }
}

fn is_membership(operator: ast::CmpOp) -> bool {
    matches!(operator, ast::CmpOp::In | ast::CmpOp::NotIn)
}

fn attribute_of(value: &Known, name: &str) -> Known {
    let Known::Path(path) = value else {
        return Known::Unknown;
    };
    let text = |part: Option<&std::ffi::OsStr>| {
        Known::Text(
            part.map(|part| part.to_string_lossy().into_owned())
                .unwrap_or_default(),
        )
    };
    match name {
        "name" | "basename" => text(path.file_name()),
        "stem" => text(path.file_stem()),
        "suffix" => match path.extension() {
            Some(extension) => Known::Text(format!(".{}", extension.to_string_lossy())),
            None => Known::Text(String::new()),
        },
        "parent" => path
            .parent()
            .map_or(Known::Unknown, |parent| Known::Path(parent.to_path_buf())),
        "parts" => Known::Texts(
            path.components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect(),
        ),
        _ => Known::Unknown,
    }
}

fn truth(value: &Known) -> Option<bool> {
    match value {
        Known::Path(_) => Some(true),
        Known::Text(text) => Some(!text.is_empty()),
        Known::Texts(texts) => Some(!texts.is_empty()),
        Known::Truth(value) => Some(*value),
        Known::Nothing => Some(false),
        Known::Unknown => None,
    }
}

fn both(one: Verdict, other: Verdict) -> Verdict {
    if one == other { one } else { Verdict::Unknown }
}

fn join(flows: &[Flow]) -> Flow {
    let mut falls = false;
    let mut returned: Option<Verdict> = None;
    for flow in flows {
        let verdict = match flow {
            Flow::Falls => {
                falls = true;
                continue;
            }
            Flow::Either(verdict) => {
                falls = true;
                *verdict
            }
            Flow::Returns(verdict) => *verdict,
        };
        returned = Some(returned.map_or(verdict, |before| both(before, verdict)));
    }
    match (falls, returned) {
        (_, None) => Flow::Falls,
        (true, Some(verdict)) => Flow::Either(verdict),
        (false, Some(verdict)) => Flow::Returns(verdict),
    }
}
#[cfg(test)]
mod tests;
