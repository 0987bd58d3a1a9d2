//! Text to tokens, one at a time.
//!
//! Lazy on purpose: pytest's scanner is a generator, and which of two errors is told
//! depends on it.

use crate::error::{ExpressionError, Problem};
use dyno_model::PytestVersion;
use regex::Regex;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

/// An identifier of the language. `[\p{L}\p{N}_]` is Python's `\w` for `str`: compared
/// for every code point with Python 3.11's, 2026-11.
static IDENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{N}_:+\-.\[\]\\/]+").expect("a constant pattern"));

/// The kinds of token, named as pytest's messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `(`
    LeftParenthesis,
    /// `)`
    RightParenthesis,
    /// `or`
    Or,
    /// `and`
    And,
    /// `not`
    Not,
    /// A name.
    Identifier,
    /// The end.
    End,
    /// `=`
    Equal,
    /// A quoted text.
    String,
    /// `,`
    Comma,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::LeftParenthesis => "left parenthesis",
            Self::RightParenthesis => "right parenthesis",
            Self::Or => "or",
            Self::And => "and",
            Self::Not => "not",
            Self::Identifier => "identifier",
            Self::End => "end of input",
            Self::Equal => "=",
            Self::String => "string literal",
            Self::Comma => ",",
        })
    }
}

/// A token and the bytes it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    /// As written, quotes included.
    pub(crate) text: &'a str,
    pub(crate) span: Range<usize>,
}

/// The text and how far it was read.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

/// What the language was in a version of pytest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Keyword arguments, and with them `=`, `,` and texts; since pytest 8.3.
    pub(crate) calls: bool,
    /// A text looks for backslashes in the whole expression, as in 8.3 to 9.0; since 9.1
    /// within itself.
    pub(crate) escapes_anywhere: bool,
}

impl Dialect {
    pub(crate) const NEWEST: Self = Self {
        calls: true,
        escapes_anywhere: false,
    };

    pub(crate) fn of(version: PytestVersion) -> Self {
        Self {
            calls: (version.major, version.minor) >= (8, 3),
            escapes_anywhere: (version.major, version.minor) < (9, 1),
        }
    }
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            dialect,
        }
    }

    /// Whether a name may be called.
    pub(crate) fn has_calls(&self) -> bool {
        self.dialect.calls
    }

    /// The next token; at the end, `End` again and again.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, ExpressionError> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t']);
        self.at = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(self.take(TokenKind::End, 0));
        };
        match first {
            '(' => Ok(self.take(TokenKind::LeftParenthesis, 1)),
            ')' => Ok(self.take(TokenKind::RightParenthesis, 1)),
            '=' if self.dialect.calls => Ok(self.take(TokenKind::Equal, 1)),
            ',' if self.dialect.calls => Ok(self.take(TokenKind::Comma, 1)),
            '\'' | '"' if self.dialect.calls => self.string(rest, first),
            _ => match IDENT.find(rest) {
                Some(found) => Ok(self.take(word(found.as_str()), found.len())),
                None => Err(self.error(
                    Problem::UnexpectedCharacter(first),
                    self.at..self.at + first.len_utf8(),
                )),
            },
        }
    }

    fn string(&mut self, rest: &str, quote: char) -> Result<Token<'a>, ExpressionError> {
        let Some(length) = rest[1..].find(quote).map(|at| at + 2) else {
            return Err(self.error(Problem::MissingQuote(quote), self.at..self.at + 1));
        };
        let escape = if self.dialect.escapes_anywhere {
            self.text.find('\\')
        } else {
            rest[..length].find('\\').map(|at| self.at + at)
        };
        if let Some(at) = escape {
            return Err(self.error(Problem::Escape, at..at + 1));
        }
        Ok(self.take(TokenKind::String, length))
    }

    fn take(&mut self, kind: TokenKind, length: usize) -> Token<'a> {
        let span = self.at..self.at + length;
        self.at = span.end;
        Token {
            kind,
            text: &self.text[span.clone()],
            span,
        }
    }

    pub(crate) fn error(&self, problem: Problem, span: Range<usize>) -> ExpressionError {
        ExpressionError::new(self.text, problem, span)
    }
}

fn word(text: &str) -> TokenKind {
    match text {
        "or" => TokenKind::Or,
        "and" => TokenKind::And,
        "not" => TokenKind::Not,
        _ => TokenKind::Identifier,
    }
}
