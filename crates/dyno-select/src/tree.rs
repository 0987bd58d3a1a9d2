//! The tree of an expression, and how it is written.
//!
//! What a leaf may hold is checked where it is made, so every tree can be printed, and
//! what is printed parses to the same tree.

use std::fmt;

/// An expression. `Display` writes it with as few parentheses as it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// The empty expression, which nothing matches. Only ever the whole. (pytest does
    /// not ask an empty `-m` or a blank `-k` at all; that is for the caller to know.)
    Nothing,
    /// A name alone.
    Name(Ident),
    /// A name with keyword arguments.
    Call(Call),
    /// The contrary.
    Not(Box<Expr>),
    /// All of two or more.
    All(Vec<Expr>),
    /// Any of two or more.
    Any(Vec<Expr>),
}

/// `marker(name=1)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name before the parenthesis.
    pub name: Ident,
    /// The arguments as written: at least one, each name once.
    pub arguments: Vec<(Keyword, Value)>,
}

/// A name of the language; `True`, `a[1]` and `c:d` are names too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(pub(crate) String);

/// A keyword argument's name: a Python identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keyword(pub(crate) String);

/// A keyword argument's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A quoted text.
    Text(Literal),
    /// A whole number.
    Integer(Integer),
    /// `True` or `False`
    Bool(bool),
    /// `None`
    None,
}

/// A text without a backslash, and without one of the two quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Literal(pub(crate) String);

/// A whole number of any size, as Python prints it: `-5`, `0`, no leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Integer(pub(crate) String);

impl Ident {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Keyword {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Literal {
    /// The text, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Integer {
    /// The number in decimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads what Python's `int` reads of a text of decimal digits of any script, with
    /// or without a leading `-`; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        let digits: Option<String> = digits.chars().map(decimal_digit).collect();
        let digits = digits.filter(|digits| !digits.is_empty())?;
        Some(match digits.trim_start_matches('0') {
            "" => Self("0".to_owned()),
            digits => Self(format!("{sign}{digits}")),
        })
    }
}

/// The ASCII digit that `c` stands for, if it is one of Unicode's decimal digits
/// (category Nd). Unicode keeps them in runs of ten, zero first (Unicode Standard, 4.6).
fn decimal_digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let is_decimal = |c: char| DECIMAL.is_match(c.encode_utf8(&mut [0; 4]));
    if !is_decimal(c) {
        return None;
    }
    let below = (0..u32::from(c))
        .rev()
        .map_while(char::from_u32)
        .take_while(|&c| is_decimal(c))
        .count();
    char::from_digit(u32::try_from(below % 10).ok()?, 10)
}

static DECIMAL: std::sync::LazyLock<regex::Regex> =
    std::sync::LazyLock::new(|| regex::Regex::new(r"^\p{Nd}$").expect("a constant pattern"));

impl Expr {
    /// Every name in the expression, in reading order, as often as it stands there.
    pub fn names(&self) -> Vec<&Ident> {
        let mut names = Vec::new();
        self.collect_names(&mut names);
        names
    }

    fn collect_names<'a>(&'a self, names: &mut Vec<&'a Ident>) {
        match self {
            Self::Nothing => {}
            Self::Name(name) => names.push(name),
            Self::Call(call) => names.push(&call.name),
            Self::Not(inner) => inner.collect_names(names),
            Self::All(terms) | Self::Any(terms) => {
                for term in terms {
                    term.collect_names(names);
                }
            }
        }
    }

    /// How tightly the expression's outermost operator binds.
    fn rank(&self) -> Rank {
        match self {
            Self::Any(_) => Rank::Or,
            Self::All(_) => Rank::And,
            Self::Nothing | Self::Name(_) | Self::Call(_) | Self::Not(_) => Rank::Not,
        }
    }

    fn write_within(&self, to: &mut fmt::Formatter<'_>, at_least: Rank) -> fmt::Result {
        if self.rank() < at_least {
            write!(to, "({self})")
        } else {
            write!(to, "{self}")
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Rank {
    Or,
    And,
    Not,
}

impl fmt::Display for Expr {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Name(name) => to.write_str(name.as_str()),
            Self::Call(call) => write!(to, "{call}"),
            Self::Not(inner) => {
                to.write_str("not ")?;
                inner.write_within(to, Rank::Not)
            }
            Self::All(terms) => write_joined(to, terms, " and ", Rank::Not),
            Self::Any(terms) => write_joined(to, terms, " or ", Rank::And),
        }
    }
}

fn write_joined(
    to: &mut fmt::Formatter<'_>,
    terms: &[Expr],
    word: &str,
    at_least: Rank,
) -> fmt::Result {
    for (place, term) in terms.iter().enumerate() {
        if place > 0 {
            to.write_str(word)?;
        }
        term.write_within(to, at_least)?;
    }
    Ok(())
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}(", self.name.as_str())?;
        for (place, (name, value)) in self.arguments.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(to, "{comma}{}={value}", name.as_str())?;
        }
        to.write_str(")")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(Literal(text)) if text.contains('"') => write!(to, "'{text}'"),
            Self::Text(Literal(text)) => write!(to, "\"{text}\""),
            Self::Integer(number) => to.write_str(number.as_str()),
            Self::Bool(true) => to.write_str("True"),
            Self::Bool(false) => to.write_str("False"),
            Self::None => to.write_str("None"),
        }
    }
}
