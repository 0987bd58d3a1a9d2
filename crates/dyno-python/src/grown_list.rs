//! A global list of texts that a module binds and adds to, and does nothing else with.

use crate::Module;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};
use ruff_text_size::Ranged;
use std::ops::Range;

/// What such a list may hold once the module is imported, and after each of its functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrownList {
    /// What it holds for certain.
    pub certain: Vec<String>,
    /// What it holds under conditions that are not looked at.
    pub perhaps: Vec<String>,
    /// Whether the name may not be bound at all.
    pub may_be_absent: bool,
}

impl Module {
    /// The list of that name, if all that is ever done to it is binding it to literals, and
    /// `append`, `extend` and `+=` of literals; whatever the conditions. Any other mention
    /// of the name, in a text too, and nothing is known.
    pub fn grown_list(&self, name: &str) -> Option<GrownList> {
        let scope = self.scope();
        if !scope.stars().is_empty() || !scope.doubts().is_empty() {
            return None;
        }
        let mut growth = Growth {
            name,
            depth: 0,
            understood: 0,
            bound: 0,
            bound_at_top: 0,
            at_top: Vec::new(),
            below: Vec::new(),
            is_spoiled: false,
        };
        for statement in self.body() {
            growth.visit_stmt(statement);
        }
        if growth.is_spoiled || growth.bound == 0 || growth.understood != mentions(self, name) {
            return None;
        }
        let Growth {
            bound,
            bound_at_top,
            mut at_top,
            below,
            ..
        } = growth;
        Some(if bound == 1 && bound_at_top == 1 {
            GrownList {
                certain: at_top,
                perhaps: below,
                may_be_absent: false,
            }
        } else {
            at_top.extend(below);
            GrownList {
                certain: Vec::new(),
                perhaps: at_top,
                may_be_absent: bound_at_top == 0,
            }
        })
    }
}

/// How often the name stands in the text, comments left out.
fn mentions(module: &Module, name: &str) -> usize {
    let source = &module.source;
    let mut strings = Strings(Vec::new());
    for statement in module.body() {
        strings.visit_stmt(statement);
    }
    let in_string = |at: usize| strings.0.iter().any(|range| range.contains(&at));
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| character == '_' || character.is_alphanumeric())
    };
    let found = source.match_indices(name).filter(|(at, _)| {
        let before = source.get(..*at).unwrap_or_default();
        let after = source.get(at + name.len()..).unwrap_or_default();
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let start = before.len() - line.len();
        let mut hashes = line.match_indices('#').map(|(hash, _)| start + hash);
        let is_comment = !in_string(*at) && hashes.any(|hash| !in_string(hash));
        !is_word(before.chars().next_back()) && !is_word(after.chars().next()) && !is_comment
    });
    found.count()
}

/// Where texts stand.
struct Strings(Vec<Range<usize>>);

impl<'a> Visitor<'a> for Strings {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if matches!(
            expression,
            Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::FString(_) | Expr::TString(_)
        ) {
            let range = expression.range();
            self.0
                .push(range.start().to_usize()..range.end().to_usize());
        }
        walk_expr(self, expression);
    }
}

struct Growth<'n> {
    name: &'n str,
    /// 0 for the statements of the module itself.
    depth: u32,
    /// How many mentions of the name are understood.
    understood: usize,
    bound: usize,
    bound_at_top: usize,
    at_top: Vec<String>,
    below: Vec<String>,
    is_spoiled: bool,
}

impl Growth<'_> {
    fn is_it(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Name(name) if name.id == self.name)
    }

    fn add(&mut self, texts: Vec<String>) {
        self.understood += 1;
        let list = if self.depth == 0 {
            &mut self.at_top
        } else {
            &mut self.below
        };
        list.extend(texts);
    }

    fn bind(&mut self, texts: Vec<String>) {
        self.bound += 1;
        self.bound_at_top += usize::from(self.depth == 0);
        self.add(texts);
    }

    /// Whether the statement is one of those that are understood.
    fn take(&mut self, statement: &Stmt) -> bool {
        match statement {
            Stmt::Assign(assign) => {
                let [target] = &*assign.targets else {
                    return false;
                };
                match texts(&assign.value) {
                    Some(texts) if self.is_it(target) => self.bind(texts),
                    _ => return false,
                }
            }
            Stmt::AnnAssign(assign) if self.is_it(&assign.target) => {
                let Some(texts) = assign.value.as_deref().and_then(texts) else {
                    return false;
                };
                self.visit_expr(&assign.annotation);
                self.bind(texts);
            }
            Stmt::AugAssign(assign) if assign.op == Operator::Add && self.is_it(&assign.target) => {
                match texts(&assign.value) {
                    Some(texts) => self.add(texts),
                    None => return false,
                }
            }
            Stmt::Expr(expression) => match expression.value.as_call_expr() {
                Some(call) => match self.added(call) {
                    Some(texts) => self.add(texts),
                    None => return false,
                },
                None => return false,
            },
            Stmt::Global(global) => {
                let named = global.names.iter();
                self.understood += named.filter(|name| name.as_str() == self.name).count();
            }
            _ => return false,
        }
        true
    }

    /// What `name.append(...)` or `name.extend(...)` adds.
    fn added(&self, call: &ExprCall) -> Option<Vec<String>> {
        let function = call.func.as_attribute_expr()?;
        let [argument] = &*call.arguments.args else {
            return None;
        };
        if !self.is_it(&function.value) || !call.arguments.keywords.is_empty() {
            return None;
        }
        match function.attr.as_str() {
            "append" => Some(vec![text(argument)?]),
            "extend" => texts(argument),
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for Growth<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if !self.take(statement) {
            self.depth += 1;
            walk_stmt(self, statement);
            self.depth -= 1;
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        const ANY_NAME: [&str; 5] = ["globals", "locals", "vars", "exec", "eval"];
        if let Expr::Name(name) = expression {
            self.is_spoiled |= name.id == self.name || ANY_NAME.contains(&name.id.as_str());
        }
        walk_expr(self, expression);
    }
}

fn text(expression: &Expr) -> Option<String> {
    let literal = expression.as_string_literal_expr()?;
    Some(literal.value.to_str().to_owned())
}

/// The texts of a literal list, tuple or set that holds nothing else.
fn texts(expression: &Expr) -> Option<Vec<String>> {
    let elements = match expression {
        Expr::List(list) => &list.elts,
        Expr::Tuple(tuple) => &tuple.elts,
        Expr::Set(set) => &set.elts,
        _ => return None,
    };
    elements.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interpreter;
    use std::path::Path;

    fn grown(source: &str) -> Option<GrownList> {
        let interpreter = Interpreter {
            version: (3, 11),
            platform: "linux".into(),
            os_name: "posix".into(),
        };
        let path = Path::new("/conftest.py");
        let module = Module::parse(path, None, source.as_bytes(), &interpreter).unwrap();
        module.grown_list("names")
    }

    fn of(certain: &[&str], perhaps: &[&str], may_be_absent: bool) -> GrownList {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        GrownList {
            certain: owned(certain),
            perhaps: owned(perhaps),
            may_be_absent,
        }
    }

    #[test]
    fn what_is_bound_and_added() {
        for (source, expected) in [
            ("names = ['a']\n", of(&["a"], &[], false)),
            (
                "names = ['a']  # names\nif x():\n    names.append('b')\nnames += ('c',)\n",
                of(&["a", "c"], &["b"], false),
            ),
            (
                "names: list = []\ntry:\n    import z\nexcept ImportError:\n    names.extend(['a'])\n",
                of(&[], &["a"], false),
            ),
            (
                "if x():\n    names = ['a', 'b' 'c']\n",
                of(&[], &["a", "bc"], true),
            ),
            (
                "names = ['a']\nif x():\n    names = ['b']\n",
                of(&[], &["a", "b"], false),
            ),
            (
                "names = []\ndef f():\n    global names\n    names = ['b']\n",
                of(&[], &["b"], false),
            ),
        ] {
            assert_eq!(grown(source), Some(expected), "{source}");
        }
    }

    #[test]
    fn any_other_mention_and_nothing_is_known() {
        for more in [
            "names.remove('a')",
            "names.append(x)",
            "names.extend(y for y in x)",
            "names.extend(['a'], )\nother = names",
            "names[:] = []",
            "names = other = []",
            "names, b = [], []",
            "names += 'ab'",
            "del names",
            "f(names)",
            "(names := [])",
            "from x import names",
            "from x import *",
            "import names",
            "def names(): pass",
            "class names: pass",
            "def f(names): pass",
            "for names in x: pass",
            "with x as names: pass",
            "try: pass\nexcept E as names: pass",
            "globals()['na' + 'mes'] = []",
            "exec('x')",
            "setattr(m, 'names', [])",
            "x = '#'; y = 'names'",
            "x = '''\n# names'''",
            "x = 'a \\\n# names'",
        ] {
            let source = format!("names = ['a']\n{more}\n");
            assert_eq!(grown(&source), None, "{source}");
        }
        assert_eq!(grown("x = 1\n"), None);
    }
}
