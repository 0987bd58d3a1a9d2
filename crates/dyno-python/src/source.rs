//! From bytes to text, as Python reads a source file, and the guard against texts that are
//! nested more deeply than a walk can follow.

use crate::SyntaxProblem;
use std::borrow::Cow;

/// The text of a source file: byte order mark, coding cookie (PEP 263), null bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, SyntaxProblem> {
    let problem = |message: &str, at: usize| SyntaxProblem {
        message: message.to_owned(),
        line: line_of(bytes, at),
    };
    let (body, marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    if let Some(at) = body.iter().position(|&byte| byte == 0) {
        return Err(problem("source code cannot contain null bytes", at));
    }
    let coding = cookie(body);
    let coding = coding.as_deref().unwrap_or("utf-8");
    match coding {
        "utf-8" => std::str::from_utf8(body)
            .map(Cow::Borrowed)
            .map_err(|error| problem("the text is not utf-8", error.valid_up_to())),
        _ if marked => Err(problem(&format!("byte order mark and coding {coding}"), 0)),
        "ascii" => match body.iter().position(|byte| !byte.is_ascii()) {
            Some(at) => Err(problem("the text is not ascii, as its coding says", at)),
            None => Ok(Cow::Owned(
                body.iter().map(|&byte| char::from(byte)).collect(),
            )),
        },
        "iso-8859-1" => Ok(Cow::Owned(
            body.iter().map(|&byte| char::from(byte)).collect(),
        )),
        other => Err(problem(&format!("the coding {other} is not read here"), 0)),
    }
}

/// The coding that one of the first two lines declares, normalized.
fn cookie(body: &[u8]) -> Option<String> {
    for line in body.split(|&byte| byte == b'\n').take(2) {
        let text = line.trim_ascii_start();
        let text = text
            .strip_prefix(b"\x0c")
            .unwrap_or(text)
            .trim_ascii_start();
        match text.first() {
            None => continue,
            Some(b'#') => {}
            Some(_) => return None,
        }
        if let Some(name) = declared(text) {
            return Some(normalized(&name));
        }
    }
    None
}

/// `coding[:=][ \t]*([-_.a-zA-Z0-9]+)`, the pattern of PEP 263.
fn declared(comment: &[u8]) -> Option<String> {
    let found = comment
        .windows(7)
        .position(|window| matches!(window, b"coding:" | b"coding="))?;
    let rest = comment.get(found + 7..)?;
    let name: String = rest
        .iter()
        .skip_while(|byte| matches!(byte, b' ' | b'\t'))
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        .map(|&byte| char::from(byte))
        .collect();
    (!name.is_empty()).then_some(name)
}

fn normalized(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    match name.as_str() {
        "utf-8" | "utf8" | "u8" | "utf-8-sig" | "cp65001" => "utf-8",
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "iso-latin-1" | "l1" | "8859"
        | "cp819" => "iso-8859-1",
        "ascii" | "us-ascii" | "646" => "ascii",
        other if other.starts_with("utf-8-") => "utf-8",
        other => other,
    }
    .to_owned()
}

fn line_of(bytes: &[u8], at: usize) -> u32 {
    let before = bytes.get(..at).unwrap_or(bytes);
    let lines = before.split(|&byte| byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// How many operators may follow each other without a comma or a line end between them,
/// counted through the brackets around: a bound of the tree's depth. Measured: a thread with
/// 2 MiB of stack walks and frees five times as deep a tree in an unoptimized build.
const OPERATORS: u32 = 400;
/// CPython's `MAXLEVEL`: brackets inside of each other.
const BRACKETS: usize = 200;
/// CPython's `MAXINDENT`: levels of indentation.
const INDENTS: usize = 100;

/// Refuses a text that is nested more deeply than a walk can follow; says where.
pub(crate) fn check_depth(source: &str) -> Result<(), (String, u32)> {
    Depth {
        bytes: source.as_bytes(),
        at: 0,
        counts: vec![0],
        total: 0,
        indents: vec![0],
    }
    .check()
    .map_err(|(text, at)| (text.to_owned(), u32::try_from(at).unwrap_or(u32::MAX)))
}

struct Depth<'s> {
    bytes: &'s [u8],
    at: usize,
    /// Operators at each open bracket since its last comma.
    counts: Vec<u32>,
    total: u32,
    indents: Vec<usize>,
}

type TooDeep = (&'static str, usize);

impl Depth<'_> {
    fn check(mut self) -> Result<(), TooDeep> {
        self.indent()?;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'#' => self.skip_line(),
                b'\\' => self.at += 2,
                b'\n' | b'\r' => {
                    self.at += 1;
                    if self.counts.len() == 1 {
                        self.reset();
                        self.indent()?;
                    }
                }
                b',' | b';' => {
                    self.reset();
                    self.at += 1;
                }
                b'(' | b'[' | b'{' => {
                    self.counts.push(0);
                    if self.counts.len() > BRACKETS {
                        return Err(("too many nested parentheses", self.at));
                    }
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    self.reset();
                    if self.counts.len() > 1 {
                        self.counts.pop();
                    }
                    self.count(1)?;
                    self.at += 1;
                }
                b'"' | b'\'' => self.string(false)?,
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 128.. => self.word()?,
                b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'~' | b'<'
                | b'>' | b'=' | b'!' | b'.' | b':' => {
                    self.count(1)?;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn count(&mut self, by: u32) -> Result<(), TooDeep> {
        if let Some(top) = self.counts.last_mut() {
            *top += by;
        }
        self.total += by;
        if self.total > OPERATORS {
            return Err(("an expression is too long to be followed", self.at));
        }
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(top) = self.counts.last_mut() {
            self.total = self.total.saturating_sub(*top);
            *top = 0;
        }
    }

    fn skip_line(&mut self) {
        while !matches!(self.bytes.get(self.at), None | Some(b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// At the beginning of a line outside of brackets.
    fn indent(&mut self) -> Result<(), TooDeep> {
        let mut column = 0;
        loop {
            match self.bytes.get(self.at) {
                Some(b' ') => column += 1,
                Some(b'\t') => column = (column / 8 + 1) * 8,
                Some(b'\x0c') => column = 0,
                Some(b'\n' | b'\r' | b'#') | None => return Ok(()),
                Some(_) => break,
            }
            self.at += 1;
        }
        while self.indents.last().is_some_and(|&last| last > column) {
            self.indents.pop();
        }
        if self.indents.last() != Some(&column) {
            self.indents.push(column);
        }
        if self.indents.len() > INDENTS {
            return Err(("too many levels of indentation", self.at));
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), TooDeep> {
        let start = self.at;
        while self
            .bytes
            .get(self.at)
            .is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128)
        {
            self.at += 1;
        }
        let word = self.bytes.get(start..self.at).unwrap_or_default();
        if matches!(self.bytes.get(self.at), Some(b'"' | b'\'')) && word.len() <= 2 {
            let formatted = word.iter().any(|byte| b"fFtT".contains(byte));
            return self.string(formatted);
        }
        match word {
            b"not" | b"and" | b"or" | b"if" | b"else" | b"lambda" | b"await" | b"in" | b"is"
            | b"yield" | b"for" => self.count(1),
            _ => Ok(()),
        }
    }

    fn string(&mut self, formatted: bool) -> Result<(), TooDeep> {
        let Some(&quote) = self.bytes.get(self.at) else {
            return Ok(());
        };
        let triple = self.bytes.get(self.at..self.at + 3) == Some(&[quote; 3]);
        self.at += if triple { 3 } else { 1 };
        let mut open = 0_u32;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 1,
                b'\n' | b'\r' if !triple && open == 0 => return Ok(()),
                b'{' if formatted => {
                    open += 1;
                    self.count(1)?;
                }
                b'}' if formatted => open = open.saturating_sub(1),
                b'(' | b'[' | b'+' | b'-' | b'*' | b'/' | b'.' | b'~' if open > 0 => {
                    self.count(1)?;
                }
                byte if byte == quote && !triple => {
                    self.at += 1;
                    return Ok(());
                }
                byte if byte == quote
                    && self.bytes.get(self.at..self.at + 3) == Some(&[quote; 3]) =>
                {
                    self.at += 3;
                    return Ok(());
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }
}
