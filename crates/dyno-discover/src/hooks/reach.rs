//! Whether a hook reaches for what decides about collection.

use dyno_python::ast;

/// Attributes through which a hook can reach what decides about collection.
const REACHING: &[&str] = &[
    "pluginmanager",
    "option",
    "args",
    "_inicache",
    "inicfg",
    "known_args_namespace",
    "invocation_params",
    "items",
    "_setupstate",
    "hook",
    "ihook",
    "_fixturemanager",
    "_arg2fixturedefs",
];

/// Whether a body reaches for anything that decides about collection: the plugin manager
/// beyond asking it, an option that it sets, the list of tests.
pub(super) fn reaches(definition: &ast::StmtFunctionDef) -> Option<String> {
    struct Reaches(Option<String>);
    impl<'a> ast::visitor::Visitor<'a> for Reaches {
        fn visit_stmt(&mut self, statement: &'a ast::Stmt) {
            let targets: &[ast::Expr] = match statement {
                ast::Stmt::Assign(assign) => &assign.targets,
                ast::Stmt::AugAssign(assign) => std::slice::from_ref(&assign.target),
                _ => &[],
            };
            for target in targets {
                if let Some(name) = reached(target) {
                    self.0.get_or_insert_with(|| format!("sets `{name}`"));
                }
            }
            ast::visitor::walk_stmt(self, statement);
        }

        fn visit_expr(&mut self, expression: &'a ast::Expr) {
            match expression {
                ast::Expr::Call(call) => {
                    if let ast::Expr::Attribute(method) = &*call.func {
                        let asks = matches!(
                            method.attr.as_str(),
                            "hasplugin"
                                | "has_plugin"
                                | "getplugin"
                                | "get_plugin"
                                | "get"
                                | "getoption"
                                | "getini"
                                | "add_hookspecs"
                                | "list_name_plugin"
                                | "is_registered"
                        );
                        if !asks && let Some(name) = reached(&method.value) {
                            self.0.get_or_insert_with(|| {
                                format!("calls `{}` of `{name}`", method.attr)
                            });
                        }
                    }
                    let is_setattr = matches!(&*call.func, ast::Expr::Name(name) if name.id.as_str() == "setattr");
                    if is_setattr {
                        self.0.get_or_insert_with(|| "calls `setattr`".to_owned());
                    }
                    for argument in &call.arguments.args {
                        if let Some(name) =
                            reached(argument).filter(|name| *name != "option" && *name != "args")
                        {
                            self.0.get_or_insert_with(|| format!("hands `{name}` on"));
                        }
                    }
                }
                ast::Expr::YieldFrom(_) => {
                    self.0
                        .get_or_insert_with(|| "does what its text does not settle".to_owned());
                }
                _ => {}
            }
            ast::visitor::walk_expr(self, expression);
        }
    }
    let mut reaches = Reaches(None);
    ast::visitor::Visitor::visit_body(&mut reaches, &definition.body);
    reaches.0
}

/// The attribute of [`REACHING`] on the way of an expression such as `config.option.verbose`.
fn reached(expression: &ast::Expr) -> Option<&str> {
    match expression {
        ast::Expr::Attribute(attribute) if REACHING.contains(&attribute.attr.as_str()) => {
            Some(attribute.attr.as_str())
        }
        ast::Expr::Attribute(attribute) => reached(&attribute.value),
        ast::Expr::Subscript(subscript) => reached(&subscript.value),
        _ => None,
    }
}
