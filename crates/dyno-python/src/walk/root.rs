//! What an expression such as `a.b[0].c` begins with.

use ruff_python_ast::Expr;

/// What an expression such as `a.b[0].c` begins with.
pub(super) struct Root<'a> {
    pub(super) name: Option<&'a str>,
    /// How many steps lead from the name.
    pub(super) depth: u32,
    /// The last attribute on the way.
    pub(super) attribute: Option<&'a str>,
    /// Only attributes lie on the way.
    pub(super) is_plain: bool,
}

pub(super) fn root_of(expression: &Expr) -> Root<'_> {
    let mut at = expression;
    let mut root = Root {
        name: None,
        depth: 0,
        attribute: None,
        is_plain: true,
    };
    loop {
        root.is_plain &= matches!(at, Expr::Name(_) | Expr::Attribute(_));
        at = match at {
            Expr::Name(name) => {
                root.name = Some(&name.id);
                return root;
            }
            Expr::Attribute(attribute) => {
                root.attribute.get_or_insert(&attribute.attr);
                &attribute.value
            }
            Expr::Subscript(subscript) => &subscript.value,
            Expr::Call(call) => &call.func,
            Expr::Starred(starred) => &starred.value,
            Expr::Named(named) => &named.value,
            _ => return root,
        };
        root.depth += 1;
    }
}
