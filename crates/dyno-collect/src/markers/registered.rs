//! Which markers are registered: by the ini file, by plugins, by conftests.

use dyno_python::ast::visitor::{Visitor, walk_expr};
use dyno_python::ast::{Expr, ExprCall, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// The registered markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Names by the group that a line ends with.
    pub groups: BTreeMap<String, Vec<String>>,
    /// A conftest registers some that its text does not tell.
    pub unsettled: bool,
}

impl Registered {
    /// Takes up a line of the `markers` option: `name(arguments): meaning [group]`.
    pub fn add(&mut self, line: &str) {
        let name = line.split([':', '(']).next().unwrap_or_default().trim();
        if name.is_empty() {
            return;
        }
        self.names.insert(name.to_owned());
        let group = line
            .trim_end()
            .strip_suffix(']')
            .and_then(|line| Some(line.rsplit_once(" [")?.1));
        if let Some(group) = group {
            let names = self.groups.entry(group.to_owned()).or_default();
            names.push(name.to_owned());
        }
    }
}

/// What a conftest registers: its calls `config.addinivalue_line("markers", "...")`.
pub fn registered(conftest: &[Stmt], into: &mut Registered) {
    Calls { into }.visit_body(conftest);
}

struct Calls<'a> {
    into: &'a mut Registered,
}

impl<'a> Visitor<'a> for Calls<'_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            self.call(call);
        }
        walk_expr(self, expr);
    }
}

impl Calls<'_> {
    fn call(&mut self, call: &ExprCall) {
        let Expr::Attribute(function) = &*call.func else {
            return;
        };
        if function.attr.as_str() != "addinivalue_line" {
            return;
        }
        let text = |index: usize| match call.arguments.args.get(index)? {
            Expr::StringLiteral(literal) => Some(literal.value.to_str().to_owned()),
            _ => None,
        };
        match (text(0).as_deref(), text(1)) {
            (Some("markers"), Some(line)) => self.into.add(&line),
            (Some("markers") | None, _) => self.into.unsettled = true,
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_python::{Interpreter, Module};
    use std::path::Path;

    fn of(text: &str) -> Registered {
        let interpreter = Interpreter {
            version: (3, 11),
            platform: "linux".into(),
            os_name: "posix".into(),
        };
        let path = Path::new("/p/conftest.py");
        let module = Module::parse(path, None, text.as_bytes(), &interpreter).unwrap();
        let mut found = Registered::default();
        registered(module.body(), &mut found);
        found
    }

    #[test]
    fn literal_lines_are_read_and_others_are_admitted() {
        let found = of(
            "def pytest_configure(config):\n    config.addinivalue_line('markers', 'a: x')\n    \
                        config.addinivalue_line('markers', 'b(n): y [speed]')\n    \
                        config.addinivalue_line('filterwarnings', x)\n",
        );
        assert_eq!(found.names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found.groups["speed"], ["b"]);
        assert!(!found.unsettled);
        assert!(of("for m in MARKS:\n    config.addinivalue_line('markers', m)\n").unsettled);
        assert!(of("config.addinivalue_line(*line)\n").unsettled);
    }
}
