//! Tokens to a tree, by recursive descent along the grammar in the crate's page.

use crate::error::{ExpressionError, Problem};
use crate::lexer::{Dialect, Lexer, Token, TokenKind};
use crate::tree::{Call, Expr, Ident, Integer, Keyword, Literal, Value};
use dyno_model::PytestVersion;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// How deep parentheses and `not` may nest. pytest 9.2 on Python 3.11 gives up with a
/// `RecursionError` beyond 329 parentheses, less the frames of its caller (2026-11).
pub const MAX_DEPTH: usize = 300;

/// `str.isidentifier`
static PYTHON_IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[_\p{XID_Start}]\p{XID_Continue}*$").expect("a constant pattern")
});

/// `keyword.kwlist`, the same from Python 3.10 to 3.13.
const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Parses an expression as it was given to `-m` or `-k`, as the newest pytest does.
pub fn parse(text: &str) -> Result<Expr, ExpressionError> {
    parse_dialect(text, Dialect::NEWEST)
}

/// Parses an expression as a version of pytest does: keyword arguments came with 8.3.
pub fn parse_for(text: &str, version: PytestVersion) -> Result<Expr, ExpressionError> {
    parse_dialect(text, Dialect::of(version))
}

fn parse_dialect(text: &str, dialect: Dialect) -> Result<Expr, ExpressionError> {
    let mut lexer = Lexer::new(text, dialect);
    let current = lexer.next()?;
    let mut parser = Parser {
        lexer,
        current,
        depth: 0,
        refused: None,
    };
    let tree = if parser.accept(TokenKind::End)?.is_some() {
        Expr::Nothing
    } else {
        let tree = parser.any()?;
        parser.require(TokenKind::End)?;
        tree
    };
    parser.refused.map_or(Ok(tree), Err)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    current: Token<'a>,
    depth: usize,
    /// The first thing that pytest refuses only after it has read everything.
    refused: Option<ExpressionError>,
}

impl<'a> Parser<'a> {
    fn accept(&mut self, kind: TokenKind) -> Result<Option<Token<'a>>, ExpressionError> {
        if self.current.kind != kind {
            return Ok(None);
        }
        if kind == TokenKind::End {
            return Ok(Some(self.current.clone()));
        }
        let next = self.lexer.next()?;
        Ok(Some(std::mem::replace(&mut self.current, next)))
    }

    fn require(&mut self, kind: TokenKind) -> Result<Token<'a>, ExpressionError> {
        match self.accept(kind)? {
            Some(token) => Ok(token),
            None => Err(self.unexpected(&[kind])),
        }
    }

    fn unexpected(&self, expected: &[TokenKind]) -> ExpressionError {
        let problem = Problem::Unexpected {
            expected: expected.to_vec(),
            got: self.current.kind,
        };
        self.error(problem, self.current.span.clone())
    }

    fn error(&self, problem: Problem, span: Range<usize>) -> ExpressionError {
        self.lexer.error(problem, span)
    }

    fn any(&mut self) -> Result<Expr, ExpressionError> {
        let mut terms = vec![self.all()?];
        while self.accept(TokenKind::Or)?.is_some() {
            terms.push(self.all()?);
        }
        Ok(join(terms, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, ExpressionError> {
        let mut terms = vec![self.not()?];
        while self.accept(TokenKind::And)?.is_some() {
            terms.push(self.not()?);
        }
        Ok(join(terms, Expr::All))
    }

    fn not(&mut self) -> Result<Expr, ExpressionError> {
        if let Some(not) = self.accept(TokenKind::Not)? {
            let inner = self.deeper(&not, Self::not)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if let Some(open) = self.accept(TokenKind::LeftParenthesis)? {
            let inner = self.deeper(&open, Self::any)?;
            self.require(TokenKind::RightParenthesis)?;
            return Ok(inner);
        }
        let Some(name) = self.accept(TokenKind::Identifier)? else {
            return Err(self.unexpected(&[
                TokenKind::Not,
                TokenKind::LeftParenthesis,
                TokenKind::Identifier,
            ]));
        };
        let name = Ident(name.text.to_owned());
        if !self.lexer.has_calls() || self.accept(TokenKind::LeftParenthesis)?.is_none() {
            return Ok(Expr::Name(name));
        }
        let arguments = self.arguments()?;
        self.require(TokenKind::RightParenthesis)?;
        Ok(Expr::Call(Call { name, arguments }))
    }

    fn deeper(
        &mut self,
        token: &Token<'a>,
        parse: impl FnOnce(&mut Self) -> Result<Expr, ExpressionError>,
    ) -> Result<Expr, ExpressionError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(Problem::TooDeep, token.span.clone()));
        }
        self.depth += 1;
        let inner = parse(self);
        self.depth -= 1;
        inner
    }

    fn arguments(&mut self) -> Result<Vec<(Keyword, Value)>, ExpressionError> {
        let mut spans = Vec::new();
        let mut arguments = Vec::new();
        loop {
            let (span, name, value) = self.argument()?;
            spans.push(span);
            arguments.push((name, value));
            if self.accept(TokenKind::Comma)?.is_none() {
                break;
            }
        }
        if self.refused.is_none() {
            self.refused = self.refused_by_python(&arguments, &spans);
        }
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<(Range<usize>, Keyword, Value), ExpressionError> {
        let name = self.require(TokenKind::Identifier)?;
        if !PYTHON_IDENTIFIER.is_match(name.text) {
            let problem = Problem::NotAnIdentifier(name.text.to_owned());
            return Err(self.error(problem, name.span));
        }
        if PYTHON_KEYWORDS.contains(&name.text) {
            let problem = Problem::ReservedKeyword(name.text.to_owned());
            return Err(self.error(problem, name.span));
        }
        self.require(TokenKind::Equal)?;
        let value = self.value()?;
        Ok((name.span, Keyword(name.text.to_owned()), value))
    }

    fn value(&mut self) -> Result<Value, ExpressionError> {
        if let Some(text) = self.accept(TokenKind::String)? {
            let inner = &text.text[1..text.text.len() - 1];
            return Ok(Value::Text(Literal(inner.to_owned())));
        }
        let word = self.require(TokenKind::Identifier)?;
        match word.text {
            "True" => Ok(Value::Bool(true)),
            "False" => Ok(Value::Bool(false)),
            "None" => Ok(Value::None),
            text => Integer::read(text)
                .map(Value::Integer)
                .ok_or_else(|| self.error(Problem::NotALiteral(text.to_owned()), word.span)),
        }
    }

    /// What Python's compiler refuses in a call (`validate_keywords`), in its order.
    fn refused_by_python(
        &self,
        arguments: &[(Keyword, Value)],
        spans: &[Range<usize>],
    ) -> Option<ExpressionError> {
        for (place, (name, _)) in arguments.iter().enumerate() {
            if name.as_str() == "__debug__" {
                return Some(self.error(Problem::Debug, spans[place].clone()));
            }
            let again = arguments[place + 1..].iter().position(|(n, _)| n == name);
            if let Some(again) = again {
                let problem = Problem::RepeatedKeyword(name.as_str().to_owned());
                return Some(self.error(problem, spans[place + 1 + again].clone()));
            }
        }
        None
    }
}

fn join(mut terms: Vec<Expr>, many: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            many(terms)
        }
        None => Expr::Nothing,
    }
}
