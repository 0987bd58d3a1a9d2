//! Shell patterns as Python's `fnmatch` matches them.
//!
//! `*` is any text, separators included; `?` one character; `[a-z]` one of a set, `[!a-z]`
//! one outside it; a `[` without its `]` stands for itself. Nothing escapes.

/// A pattern, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fnmatch {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text,
    One,
    Just(char),
    Set {
        inside: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Fnmatch {
    /// Reads a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::with_capacity(chars.len());
        let mut at = 0;
        while let Some(&letter) = chars.get(at) {
            at += 1;
            match letter {
                '*' if tokens.last() == Some(&Token::Text) => {}
                '*' => tokens.push(Token::Text),
                '?' => tokens.push(Token::One),
                '[' => match set(&chars, at) {
                    Some((token, next)) => {
                        tokens.push(token);
                        at = next;
                    }
                    None => tokens.push(Token::Just('[')),
                },
                other => tokens.push(Token::Just(other)),
            }
        }
        Self { tokens }
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let mut token = 0;
        let mut rest = text.chars();
        // Where the last `*` stands, and what it has not swallowed yet.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.tokens.get(token), rest.next()) {
                (None, None) => return true,
                (Some(Token::Text), _) => {
                    token += 1;
                    retry = Some((token, before.clone()));
                    rest = before;
                    continue;
                }
                (Some(wanted), Some(letter)) if wanted.fits(letter) => {
                    token += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after, swallowed)) = &mut retry else {
                return false;
            };
            if swallowed.next().is_none() {
                return false;
            }
            token = *after;
            rest = swallowed.clone();
        }
    }
}

impl Token {
    fn fits(&self, letter: char) -> bool {
        match self {
            Self::Text | Self::One => true,
            Self::Just(wanted) => *wanted == letter,
            Self::Set { inside, ranges } => {
                let found = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&letter));
                found == *inside
            }
        }
    }
}

/// Reads a set whose `[` stands before `start`; gives the place behind its `]`.
///
/// A dash stands for a range only between two characters that no earlier range has used,
/// as in Python: `[a-c-e]` is `a` to `c`, a dash, and `e`.
fn set(chars: &[char], start: usize) -> Option<(Token, usize)> {
    let mut end = start;
    if chars.get(end) == Some(&'!') {
        end += 1;
    }
    if chars.get(end) == Some(&']') {
        end += 1;
    }
    end += chars.get(end..)?.iter().position(|letter| *letter == ']')?;
    let inside = chars.get(start) != Some(&'!');
    let first = if inside { start } else { start + 1 };
    let body = chars.get(first..end)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&low) = body.get(at) {
        if let (Some('-'), Some(&high)) = (body.get(at + 1), body.get(at + 2)) {
            if low <= high {
                ranges.push((low, high));
            }
            at += 3;
        } else {
            ranges.push((low, low));
            at += 1;
        }
    }
    Some((Token::Set { inside, ranges }, end + 1))
}
