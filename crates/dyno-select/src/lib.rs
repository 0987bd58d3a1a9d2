//! Which tests are wanted: `-m`, `-k`, node ids, `--deselect`, and what pytest's cache
//! remembers, over three values.
//!
//! A condition says [`Verdict::Keep`], [`Verdict::Drop`] or [`Verdict::Ask`] of a
//! [`dyno_model::FoundTest`]; `Ask` is for pytest to settle. A certain verdict is pytest's
//! own, however the test's doubts turn out. [`Selection`] joins the conditions, test by
//! test and file by file; [`cache`] holds the rules of `--lf`, `--ff`, `--nf` and `--sw`.
//!
//! # The language of `-m` and `-k`
//!
//! It is pytest's (`_pytest/mark/expression.py`, 8.0 to 9.2): what
//! parses there parses here, and what is refused there is refused here with the same
//! sentence at the same column. `tests/data/expressions.json` holds pytest's own
//! verdicts.
//!
//! ## The grammar
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

mod arguments;
pub mod cache;
mod doubts;
mod error;
mod evaluation;
mod keywords;
mod lexer;
mod literal;
mod marks;
mod parser;
mod path;
mod selection;
mod tree;
mod verdict;

pub use arguments::{Deselected, Deselection, NameChain, Wanted, wanted};
pub use doubts::Doubts;
pub use error::{ExpressionError, Problem};
pub use keywords::{CallInKeywords, KeywordExpression, KeywordsInFile};
pub use lexer::TokenKind;
pub use marks::MarkExpression;
pub use parser::{MAX_DEPTH, parse, parse_for};
pub use selection::{FileNeed, FileSelection, Selected, Selection, SelectionError};
pub use tree::{Call, Expr, Ident, Integer, Keyword, Literal, Value};
pub use verdict::{Presence, Verdict};
