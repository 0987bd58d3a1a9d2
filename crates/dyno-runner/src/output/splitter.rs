//! A stream of bytes put into texts and marks. Pure.

use dyno_model::Stream;

/// A longer line is shown in pieces: what is held back of a stream is bounded.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// What a text has to be before it is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As it comes.
    Raw,
    /// Whole lines, for streams that are shown among others.
    Lines,
}

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Stream, String),
    /// The worker's mark of this number.
    Mark(u64),
}

/// Splits one stream.
#[derive(Debug)]
pub(super) struct Splitter {
    shape: Shape,
    stream: Stream,
    /// What a control sequence begins with.
    start: Vec<u8>,
    /// Whether the live log writes.
    log: bool,
    /// Of which nothing can be said yet: a line, a character or a control sequence that
    /// is not whole.
    held: Vec<u8>,
}

impl Splitter {
    pub(super) fn new(stream: Stream, shape: Shape, control: &str) -> Self {
        Self {
            shape,
            stream,
            start: format!("\0{control} ").into_bytes(),
            log: false,
            held: Vec::new(),
        }
    }

    /// Whether a part of a line is held back.
    pub(super) fn holds_text(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        let whole: Vec<u8>;
        let mut rest = if held.is_empty() {
            bytes
        } else {
            whole = [held.as_slice(), bytes].concat();
            whole.as_slice()
        };
        loop {
            match self.control(rest) {
                Control::None => {
                    let taken = self.text(rest, pieces);
                    self.held = rest[taken..].to_vec();
                    return;
                }
                Control::Cut(at) => {
                    let taken = self.text(&rest[..at], pieces);
                    self.held = rest[taken..].to_vec();
                    return;
                }
                Control::Whole { at, word, after } => {
                    self.all(&rest[..at], pieces);
                    match word {
                        Word::Log => self.log = true,
                        Word::End => self.log = false,
                        Word::Mark(number) => pieces.push(Piece::Mark(number)),
                    }
                    rest = &rest[after..];
                }
            }
        }
    }

    /// What was held back, for nothing follows that belongs to it.
    pub(super) fn flush(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        self.all(&held, pieces);
    }

    /// The first control sequence of `bytes`.
    fn control(&self, bytes: &[u8]) -> Control {
        /// The longest word is a number of 64 bits.
        const LONGEST_WORD: usize = 20;
        let mut from = 0;
        while let Some(found) = bytes[from..].iter().position(|&byte| byte == 0) {
            let at = from + found;
            let here = &bytes[at..];
            if here.len() < self.start.len() {
                if self.start.starts_with(here) {
                    return Control::Cut(at);
                }
            } else if let Some(word) = here.strip_prefix(self.start.as_slice()) {
                match word.iter().position(|&byte| byte == 0) {
                    Some(end) => {
                        if let Some(word) = Word::parse(&word[..end]) {
                            let after = at + self.start.len() + end + 1;
                            return Control::Whole { at, word, after };
                        }
                    }
                    None if word.len() <= LONGEST_WORD => return Control::Cut(at),
                    None => {}
                }
            }
            from = at + 1;
        }
        Control::None
    }

    /// Passes on what can be, and tells how many bytes that were.
    fn text(&self, bytes: &[u8], pieces: &mut Vec<Piece>) -> usize {
        let end = match self.shape {
            Shape::Raw => whole_characters(bytes),
            Shape::Lines => match bytes.iter().rposition(|&byte| byte == b'\n') {
                Some(last) if bytes.len() - last <= LONGEST_LINE => last + 1,
                None if bytes.len() <= LONGEST_LINE => 0,
                _ => whole_characters(bytes),
            },
        };
        self.all(&bytes[..end], pieces);
        end
    }

    fn all(&self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        if !bytes.is_empty() {
            let stream = if self.log { Stream::Log } else { self.stream };
            let text = String::from_utf8_lossy(bytes).into_owned();
            pieces.push(Piece::Text(stream, text));
        }
    }
}

enum Control {
    None,
    /// Something that may become one begins here.
    Cut(usize),
    Whole {
        at: usize,
        word: Word,
        after: usize,
    },
}

enum Word {
    Log,
    End,
    Mark(u64),
}

impl Word {
    fn parse(word: &[u8]) -> Option<Self> {
        match word {
            b"log" => Some(Self::Log),
            b"end" => Some(Self::End),
            number => {
                let number = std::str::from_utf8(number).ok()?.parse().ok()?;
                Some(Self::Mark(number))
            }
        }
    }
}

/// How many bytes there are up to a character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    /// No character of UTF-8 is longer.
    const LONGEST: usize = 4;
    let from = bytes.len().saturating_sub(LONGEST - 1);
    for at in (from..bytes.len()).rev() {
        let length = match bytes[at] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if at + length > bytes.len() {
            at
        } else {
            bytes.len()
        };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTROL: &str = "dyno-0123";

    fn split(shape: Shape, chunks: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::new(Stream::Stdout, shape, CONTROL);
        let mut pieces = Vec::new();
        for chunk in chunks {
            splitter.take(chunk, &mut pieces);
        }
        splitter.flush(&mut pieces);
        pieces
    }

    fn text(text: &str) -> Piece {
        Piece::Text(Stream::Stdout, text.to_owned())
    }

    #[test]
    fn a_mark_ends_a_line_that_has_no_end() {
        let pieces = split(Shape::Lines, &[b"one\ntw", b"o\0dyno-0123 7\0three\n"]);
        assert_eq!(
            pieces,
            [text("one\n"), text("two"), Piece::Mark(7), text("three\n")]
        );
    }

    #[test]
    fn raw_text_comes_at_once_but_no_half_of_a_character() {
        let pieces = split(Shape::Raw, &[b"Password: ", b"\xe2\x82", b"\xac!"]);
        assert_eq!(pieces, [text("Password: "), text("€!")]);
    }

    #[test]
    fn what_is_no_text_and_what_only_looks_like_a_mark_is_passed_on() {
        let bytes = b"\xff\0\0dyno-0123\0dyno-0123 no number in here at all\0\n";
        let expected = String::from_utf8_lossy(bytes);
        assert_eq!(split(Shape::Lines, &[bytes]), [text(&expected)]);
    }

    #[test]
    fn the_live_log_is_told_from_what_stands_round_it() {
        let bytes = b"a\n\0dyno-0123 log\0WARN b\n\0dyno-0123 end\0c\n";
        let log = Piece::Text(Stream::Log, "WARN b\n".to_owned());
        assert_eq!(
            split(Shape::Lines, &[bytes]),
            [text("a\n"), log, text("c\n")]
        );
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let chunk = vec![b'x'; LONGEST_LINE];
        let mut splitter = Splitter::new(Stream::Stdout, Shape::Lines, CONTROL);
        let mut pieces = Vec::new();
        splitter.take(&chunk, &mut pieces);
        assert_eq!(pieces, []);
        splitter.take(&chunk, &mut pieces);
        assert_eq!(pieces, [text(&"x".repeat(2 * LONGEST_LINE))]);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_text_and_marks_come_out(
            parts in proptest::collection::vec((".{0,30}\n?", any::<bool>()), 0..12),
            piece in 1usize..40,
            raw in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            let mut expected = String::new();
            for (number, (text, marked)) in (1u64..).zip(&parts) {
                bytes.extend_from_slice(text.as_bytes());
                expected.push_str(text);
                if *marked {
                    bytes.extend_from_slice(format!("\0{CONTROL} {number}\0").as_bytes());
                    expected = format!("{expected}<{number}>");
                }
            }
            let shape = if raw { Shape::Raw } else { Shape::Lines };
            let chunks: Vec<&[u8]> = bytes.chunks(piece).collect();
            let got: String = split(shape, &chunks)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(_, text) => text,
                    Piece::Mark(number) => format!("<{number}>"),
                })
                .collect();
            prop_assert_eq!(got, expected);
        }
    }
}
