//! What an expression such as `a.b[0].c` begins with, and other shapes of one.

use ruff_python_ast::{CmpOp, Expr};

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

/// `__name__ == "__main__"`.
pub(super) fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let is_main = |one: &Expr, other: &Expr| {
        matches!(one, Expr::Name(name) if &name.id == "__name__")
            && matches!(other, Expr::StringLiteral(text) if text.value.to_str() == "__main__")
    };
    match (&*compare.ops, &*compare.comparators) {
        ([CmpOp::Eq], [right]) => is_main(&compare.left, right) || is_main(right, &compare.left),
        _ => false,
    }
}
