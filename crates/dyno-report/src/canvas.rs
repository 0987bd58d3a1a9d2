//! The text that is to be printed, and where on the screen it ends.

use crate::style::Style;
use crate::width::columns;

/// The inks that pytest's terminal writer uses, by their escape code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

/// What stands on the current line (pytest's `currentfspath`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing that would have to be ended.
    LineStart,
    /// A file's or a test's name, and what followed it.
    After(String),
    /// Something that is over.
    Done,
}

/// Collects text and knows the line it is on.
#[derive(Debug)]
pub(crate) struct Canvas {
    pub(crate) style: Style,
    pub(crate) place: Place,
    out: String,
    line: String,
}

impl Canvas {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            place: Place::LineStart,
            out: String::new(),
            line: String::new(),
        }
    }

    /// What was written since the last time.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// The columns of the current line, or -1 where it holds a control character.
    pub(crate) fn column(&self) -> isize {
        columns(&self.line)
    }

    pub(crate) fn width(&self) -> isize {
        self.style.width.cast_signed()
    }

    /// The text within the inks' escape sequences, where colours are on.
    pub(crate) fn paint(&self, text: &str, inks: &[Ink]) -> String {
        if !self.style.color || inks.is_empty() {
            return text.to_owned();
        }
        let on: String = inks.iter().map(|&ink| escape(ink as u8)).collect();
        format!("{on}{text}{}", escape(0))
    }

    pub(crate) fn write(&mut self, text: &str, inks: &[Ink]) {
        if text.is_empty() {
            return;
        }
        match text.rsplit_once('\n') {
            Some((_, last)) => last.clone_into(&mut self.line),
            None => self.line.push_str(text),
        }
        let painted = self.paint(text, inks);
        self.out.push_str(&painted);
    }

    /// A text that pytest rendered: without its escape sequences where colours are off.
    pub(crate) fn write_rendered(&mut self, text: &str) {
        if self.style.color {
            self.write(text, &[]);
        } else {
            self.write(&without_escapes(text), &[]);
        }
    }

    /// Like [`Self::write_rendered`], ended by one newline if it is not.
    pub(crate) fn line_rendered(&mut self, text: &str) {
        self.write_rendered(text);
        if !text.ends_with('\n') {
            self.write("\n", &[]);
        }
    }

    /// A line from where the last one ended.
    pub(crate) fn line(&mut self, text: &str, inks: &[Ink]) {
        self.write(text, inks);
        self.write("\n", &[]);
    }

    /// A line of its own.
    pub(crate) fn own_line(&mut self, text: &str, inks: &[Ink]) {
        self.ensure_newline();
        self.line(text, inks);
    }

    pub(crate) fn ensure_newline(&mut self) {
        if self.place != Place::LineStart {
            self.write("\n", &[]);
            self.place = Place::LineStart;
        }
    }

    /// Goes to the start of a line, wherever the text before ended.
    pub(crate) fn start_line(&mut self) {
        self.ensure_newline();
        if self.column() != 0 {
            self.write("\n", &[]);
        }
    }

    /// A test's own text, which pytest's reporter knows nothing of: the line and the place
    /// stay what they were.
    pub(crate) fn pass_on(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// `==== title ====` over the screen's whole width, on a line of its own.
    pub(crate) fn sep(&mut self, mark: char, title: &str, inks: &[Ink]) {
        self.sep_of_width(mark, title, self.style.width, inks);
    }

    /// Like [`Self::sep`] for a title whose escape sequences are part of `width`.
    pub(crate) fn sep_of_width(&mut self, mark: char, title: &str, width: usize, inks: &[Ink]) {
        self.ensure_newline();
        let length = title.chars().count();
        let count = (width.saturating_sub(length + 2) / 2).max(1);
        let fill: String = std::iter::repeat_n(mark, count).collect();
        let mut line = format!("{fill} {title} {fill}");
        if 2 * count + 2 + length < width {
            line.push(mark);
        }
        self.line(&line, inks);
    }
}

fn escape(code: u8) -> String {
    format!("\x1b[{code}m")
}

/// The text without control sequences (`ESC [` up to a final byte, ECMA-48 5.4).
pub(crate) fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        match after.find(|c: char| ('@'..='~').contains(&c)) {
            Some(end) => rest = &after[end + 1..],
            None => return out,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sep(title: &str, width: usize) -> String {
        let mut canvas = Canvas::new(Style::new(width, false));
        canvas.sep('=', title, &[Ink::Red]);
        canvas.take()
    }

    #[test]
    fn a_separator_is_as_long_as_the_screen_but_never_without_a_mark() {
        assert_eq!(sep("ab", 10), "=== ab ===\n");
        assert_eq!(sep("abc", 10), "== abc ===\n");
        assert_eq!(sep("a title too long", 10), "= a title too long =\n");
    }

    #[test]
    fn escape_sequences_go_and_all_else_stays() {
        assert_eq!(without_escapes("\x1b[1m\x1b[31mE  x\x1b[0m\n"), "E  x\n");
        assert_eq!(without_escapes("a[0m\x1b b"), "a[0m\x1b b");
        assert_eq!(without_escapes("a\x1b[31"), "a");
    }

    #[test]
    fn no_colour_no_escape_sequence() {
        let mut canvas = Canvas::new(Style::new(80, true));
        canvas.write("x", &[Ink::Red, Ink::Bold]);
        assert_eq!(canvas.take(), "\x1b[31m\x1b[1mx\x1b[0m");
        canvas.style.color = false;
        canvas.write("x", &[Ink::Red]);
        canvas.write_rendered("\x1b[31my\x1b[0m");
        assert_eq!(canvas.take(), "xy");
    }
}
