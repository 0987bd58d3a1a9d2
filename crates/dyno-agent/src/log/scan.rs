//! Looks for a line that matches, in output that comes in pieces.
//!
//! Pure: bytes in, lines out. Memory is bounded whatever the output is: of a line longer
//! than [`LONGEST_LINE`] the beginning is kept and matched, the rest is skipped.

use regex::bytes::Regex;

/// The most that is kept of one line, in bytes. Startup lines of servers are a few
/// hundred bytes; a whole JSON configuration dump fits.
pub(crate) const LONGEST_LINE: usize = 64 * 1024;

/// A search in one stream.
#[derive(Debug)]
pub(crate) struct LineScanner {
    pattern: Regex,
    line: Vec<u8>,
    /// How long the line is so far, also where not all of it is kept.
    length: u64,
    /// How much of `line` was there when it was last tried unfinished.
    tried: usize,
}

impl LineScanner {
    pub(crate) fn new(pattern: Regex) -> Self {
        Self {
            pattern,
            line: Vec::new(),
            length: 0,
            tried: 0,
        }
    }

    /// Takes the next bytes, up to the first finished line that matches: how many were taken,
    /// and that line.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (usize, Option<String>) {
        let mut taken = 0;
        // A carriage return ends a line too: progress bars rewrite theirs with it.
        for piece in bytes.split_inclusive(|&byte| byte == b'\n' || byte == b'\r') {
            taken += piece.len();
            let (text, ended) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            self.length += text.len() as u64;
            let room = LONGEST_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                let found = self.matched();
                self.line.clear();
                (self.length, self.tried) = (0, 0);
                if found.is_some() {
                    return (taken, found);
                }
            }
        }
        (taken, None)
    }

    /// How long the line is that has begun and not ended, in bytes.
    pub(crate) fn unfinished(&self) -> u64 {
        self.length
    }

    /// Tries the line that has begun and not ended: for when nothing more has come for a
    /// while. A prompt without a line end is found so.
    pub(crate) fn try_unfinished(&mut self) -> Option<String> {
        if self.line.len() == self.tried {
            return None;
        }
        self.tried = self.line.len();
        self.matched()
    }

    fn matched(&self) -> Option<String> {
        self.pattern
            .is_match(&self.line)
            .then(|| String::from_utf8_lossy(&self.line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scanner(pattern: &str) -> LineScanner {
        LineScanner::new(Regex::new(pattern).unwrap())
    }

    #[test]
    fn a_line_is_matched_when_it_is_whole() {
        let mut scanner = scanner("^listening on .*[0-9]$");
        assert_eq!(scanner.feed(b"hello\nlistening on 80"), (21, None));
        let line = Some("listening on 8080".to_owned());
        assert_eq!(scanner.feed(b"80\nand more\n"), (3, line));
    }

    #[test]
    fn an_unfinished_line_is_tried_only_when_asked_and_once() {
        let mut scanner = scanner("ready> ");
        assert_eq!(scanner.feed(b"ready> ").1, None);
        assert_eq!(scanner.try_unfinished().as_deref(), Some("ready> "));
        assert_eq!(scanner.try_unfinished(), None);
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let mut scanner = scanner("up");
        assert_eq!(scanner.feed(b"\xff\x00\xfe\n").1, None);
        assert_eq!(
            scanner.feed(b"\xff up\r\n").1.as_deref(),
            Some("\u{fffd} up")
        );
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut endless = scanner("needle");
        for _ in 0..1000 {
            assert_eq!(endless.feed(&[b'x'; 4096]).1, None);
        }
        assert_eq!(endless.line.len(), LONGEST_LINE);
        assert!(endless.line.capacity() <= 2 * LONGEST_LINE);
        assert_eq!(
            endless.feed(b"needle\nneedle\n").1.as_deref(),
            Some("needle")
        );
    }

    proptest! {
        #[test]
        fn how_the_output_is_cut_changes_nothing(
            text in "[a-c\n\r]{0,80}",
            cuts in proptest::collection::vec(1usize..9, 1..40),
        ) {
            let whole = scanner("ab+c").feed(text.as_bytes()).1;
            let mut pieces = scanner("ab+c");
            let (mut rest, mut found) = (text.as_bytes(), None);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || found.is_some() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                found = pieces.feed(piece).1;
                rest = after;
            }
            prop_assert_eq!(found, whole);
        }
    }
}
