//! What is wrong with an expression, where, and what to write instead.

use crate::lexer::TokenKind;
use std::fmt::Write as _;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// An expression that does not parse. Its `Display` is pytest's sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.problem)]
pub struct ExpressionError(Box<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    text: String,
    problem: Problem,
    span: Range<usize>,
}

/// The ways in which an expression is wrong. `Display` is pytest's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A string that does not end.
    #[error("closing quote \"{0}\" is missing")]
    MissingQuote(char),
    /// A backslash in a string.
    #[error("escaping with \"\\\" not supported in marker expression")]
    Escape,
    /// A character that begins no token.
    #[error("unexpected character \"{0}\"")]
    UnexpectedCharacter(char),
    /// Another token than the grammar allows here.
    #[error("expected {}; got {got}", either(expected))]
    Unexpected {
        /// What could have stood here.
        expected: Vec<TokenKind>,
        /// What stands here.
        got: TokenKind,
    },
    /// A keyword argument's name that Python would not take.
    #[error("not a valid python identifier {0}")]
    NotAnIdentifier(String),
    /// A keyword argument's name that Python keeps for itself.
    #[error("unexpected reserved python keyword `{0}`")]
    ReservedKeyword(String),
    /// A keyword argument's value that is none of the literals.
    #[error("unexpected character/s \"{0}\"")]
    NotALiteral(String),
    /// One name given twice in a call.
    #[error("keyword argument repeated: {0}")]
    RepeatedKeyword(String),
    /// `__debug__` as a keyword argument's name.
    #[error("cannot assign to __debug__")]
    Debug,
    /// More parentheses and `not` within each other than are taken apart. pytest's
    /// answer to such a text is a `RecursionError`.
    #[error("nested more than {} levels deep", crate::MAX_DEPTH)]
    TooDeep,
}

fn either(kinds: &[TokenKind]) -> String {
    let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    names.join(" OR ")
}

impl ExpressionError {
    pub(crate) fn new(text: &str, problem: Problem, span: Range<usize>) -> Self {
        Self(Box::new(Place {
            text: text.to_owned(),
            problem,
            span,
        }))
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The bytes of the expression that are wrong; empty at its end.
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }

    /// The column that pytest's message names: characters, counted from 1.
    ///
    /// It is the start of [`Self::span`] but for what Python's compiler refuses
    /// ([`Problem::RepeatedKeyword`], [`Problem::Debug`]), where pytest always says 1.
    pub fn column(&self) -> usize {
        match self.0.problem {
            Problem::RepeatedKeyword(_) | Problem::Debug => 1,
            _ => self.0.text[..self.0.span.start].chars().count() + 1,
        }
    }

    /// The message for a terminal, without a newline at its end: what is wrong, the
    /// expression with a caret line under the place, and a hint. `option` is how the
    /// expression was given, such as `-m`.
    pub fn render(&self, option: &str) -> String {
        let problem = visible(&self.0.problem.to_string());
        let before = visible(&self.0.text[..self.0.span.start]);
        let place = visible(&self.0.text[self.0.span.clone()]);
        let after = visible(&self.0.text[self.0.span.end..]);
        let carets = "^".repeat(columns(&place).max(1));
        let indent = " ".repeat(columns(&before));
        let mut out = format!("wrong expression passed to `{option}`: {problem}");
        let _ = write!(out, "\n  {before}{place}{after}\n  {indent}{carets}");
        if let Some(hint) = self.hint(option) {
            let _ = write!(out, "\nhint: {hint}");
        }
        out
    }

    fn hint(&self, option: &str) -> Option<String> {
        Some(match &self.0.problem {
            Problem::MissingQuote(quote) => format!("end the text with {quote}"),
            Problem::Escape => "a text that holds one kind of quote can stand in the other".into(),
            Problem::UnexpectedCharacter('&') => "write `and`".into(),
            Problem::UnexpectedCharacter('|') => "write `or`".into(),
            Problem::UnexpectedCharacter('!' | '~') => "write `not`".into(),
            Problem::UnexpectedCharacter(_) => {
                "names are made of letters, digits and _ : + - . [ ] \\ /".into()
            }
            Problem::Unexpected { got, .. } => return self.hint_at(*got, option),
            Problem::NotAnIdentifier(_) | Problem::ReservedKeyword(_) | Problem::Debug => {
                "a keyword argument is named as in Python: `marker(name=1)`".into()
            }
            Problem::NotALiteral(_) => {
                "a value is a quoted text, an integer, True, False or None".into()
            }
            Problem::RepeatedKeyword(_) => {
                "for either value, write `marker(a=1) or marker(a=2)`".into()
            }
            Problem::TooDeep => "drop parentheses that change nothing".into(),
        })
    }

    fn hint_at(&self, got: TokenKind, option: &str) -> Option<String> {
        let before = self.0.text[..self.0.span.start].trim_end_matches([' ', '\t']);
        Some(match got {
            TokenKind::Identifier | TokenKind::Not if self.expects(TokenKind::End) => {
                "join two names with `and` or `or`".into()
            }
            TokenKind::Identifier if self.expects(TokenKind::RightParenthesis) => {
                "join two names with `and` or `or`, two arguments with a comma".into()
            }
            TokenKind::Or | TokenKind::And if self.expects(TokenKind::Identifier) => {
                format!("`{got}` stands between two names")
            }
            TokenKind::End if self.expects(TokenKind::RightParenthesis) => {
                "a parenthesis is open".into()
            }
            TokenKind::End if before.ends_with("not") => "`not` stands before a name".into(),
            TokenKind::End if self.expects(TokenKind::Not) => {
                "something is missing at the end; does the shell need quotes around it?".into()
            }
            TokenKind::RightParenthesis if self.expects(TokenKind::End) => {
                "no parenthesis is open here".into()
            }
            TokenKind::RightParenthesis if self.expects(TokenKind::Not) => {
                "an expression is missing before it".into()
            }
            TokenKind::Equal => "keyword arguments stand in parentheses: `marker(name=1)`".into(),
            TokenKind::String if self.expects(TokenKind::Not) => {
                format!("names stand without quotes: `{option} name`")
            }
            _ => return None,
        })
    }

    fn expects(&self, kind: TokenKind) -> bool {
        matches!(&self.0.problem, Problem::Unexpected { expected, .. } if expected.contains(&kind))
    }
}

/// The text on one line: a tab as one space, other control characters escaped.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn render(text: &str) -> String {
        parse(text).unwrap_err().render("-m")
    }

    #[test]
    fn the_place_is_under_the_caret() {
        insta::assert_snapshot!(render("gpu_1 vllm"), @r#"
        wrong expression passed to `-m`: expected end of input; got identifier
          gpu_1 vllm
                ^^^^
        hint: join two names with `and` or `or`
        "#);
        insta::assert_snapshot!(render("(e2e or"), @r#"
        wrong expression passed to `-m`: expected not OR left parenthesis OR identifier; got end of input
          (e2e or
                 ^
        hint: something is missing at the end; does the shell need quotes around it?
        "#);
        insta::assert_snapshot!(render("m(class=1)"), @r#"
        wrong expression passed to `-m`: unexpected reserved python keyword `class`
          m(class=1)
            ^^^^^
        hint: a keyword argument is named as in Python: `marker(name=1)`
        "#);
        insta::assert_snapshot!(render("m(a=1, b=2, a=3)"), @r#"
        wrong expression passed to `-m`: keyword argument repeated: a
          m(a=1, b=2, a=3)
                      ^
        hint: for either value, write `marker(a=1) or marker(a=2)`
        "#);
    }

    #[test]
    fn wide_characters_tabs_and_newlines_move_the_caret_by_their_columns() {
        insta::assert_snapshot!(render("名前\tand ü & 値"), @r#"
        wrong expression passed to `-m`: unexpected character "&"
          名前 and ü & 値
                     ^
        hint: write `and`
        "#);
        insta::assert_snapshot!(render("a and\nb"), @r#"
        wrong expression passed to `-m`: unexpected character "\n"
          a and\nb
               ^^
        hint: names are made of letters, digits and _ : + - . [ ] \ /
        "#);
        insta::assert_snapshot!(render("名 or 名前 値値"), @r#"
        wrong expression passed to `-m`: expected end of input; got identifier
          名 or 名前 値値
                     ^^^^
        hint: join two names with `and` or `or`
        "#);
    }

    #[test]
    fn hints_say_what_to_write() {
        let hints: Vec<String> = [
            "'a'",
            "a = 1",
            "a)",
            "(a b",
            "a and not",
            "a or",
            "or a",
            "a | b",
            "m(a=b)",
            "m(a='x)",
            "()",
        ]
        .iter()
        .map(|text| format!("{text:10} {}", render(text).lines().nth(3).unwrap_or("-")))
        .collect();
        insta::assert_snapshot!(hints.join("\n"), @r#"
        'a'        hint: names stand without quotes: `-m name`
        a = 1      hint: keyword arguments stand in parentheses: `marker(name=1)`
        a)         hint: no parenthesis is open here
        (a b       hint: join two names with `and` or `or`, two arguments with a comma
        a and not  hint: `not` stands before a name
        a or       hint: something is missing at the end; does the shell need quotes around it?
        or a       hint: `or` stands between two names
        a | b      hint: write `or`
        m(a=b)     hint: a value is a quoted text, an integer, True, False or None
        m(a='x)    hint: end the text with '
        ()         hint: an expression is missing before it
        "#);
    }

    #[test]
    fn spans_are_bytes_and_columns_are_characters() {
        let error = parse("é é").unwrap_err();
        assert_eq!(error.span(), 3..5);
        assert_eq!(error.column(), 3);
        let error = parse("mark(a=1, b=2, a=3)").unwrap_err();
        assert_eq!((error.span(), error.column()), (15..16, 1));
    }
}
