//! The `-m` and `-k` language: its grammar, its tree and its errors.
//!
//! The language is pytest's (`_pytest/mark/expression.py`, checked on pytest 9.2): what
//! parses there parses here, and what is refused there is refused here with the same
//! sentence at the same column. `tests/data/expressions.json` holds pytest's own
//! verdicts.
//!
//! # The grammar
//!
//! ```text
//! expression: expr? EOF
//! expr:       and_expr ("or" and_expr)*
//! and_expr:   not_expr ("and" not_expr)*
//! not_expr:   "not" not_expr | "(" expr ")" | IDENT kwargs?
//! kwargs:     "(" kwarg ("," kwarg)* ")"
//! kwarg:      NAME "=" value
//! value:      STRING | INTEGER | "True" | "False" | "None"
//!
//! IDENT:      one or more of \w : + - . [ ] \ /   but not "or", "and", "not"
//! NAME:       an IDENT that is a Python identifier and no Python keyword
//! STRING:     '...' or "...", without a backslash and without its own quote
//! INTEGER:    an IDENT of decimal digits, with or without a leading "-"
//! ```
//!
//! `\w` is Unicode's: letters, numbers (`L*`, `N*`) and `_`. Space and tab separate;
//! any other white space is an unexpected character. The empty expression matches
//! nothing. `and` binds tighter than `or`, `not` tighter than both.
//!
//! Errors come in reading order: a parse error before a stray character wins, because
//! the text is taken apart only as far as it has been read.

mod error;
mod lexer;
mod parser;
mod tree;

pub use error::{ExpressionError, Problem};
pub use lexer::TokenKind;
pub use parser::{MAX_DEPTH, parse};
pub use tree::{Call, Expr, Ident, Integer, Keyword, Literal, Value};
