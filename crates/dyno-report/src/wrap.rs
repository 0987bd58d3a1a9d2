//! Python's `textwrap.wrap` as pytest uses it for reasons that `-vv` shows whole.
//!
//! Breaks at white space, after a hyphen between letters, before a dash, and within a
//! word that is longer than a line. White space at a break goes.

const TAB: usize = 8;

/// Splits `text` into lines of `width` characters at most.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let text = expand_tabs(text);
    let mut chunks: Vec<Vec<char>> = split(&text);
    chunks.reverse();
    let mut lines: Vec<String> = Vec::new();
    while !chunks.is_empty() {
        let mut line: Vec<Vec<char>> = Vec::new();
        let mut length = 0;
        if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.pop_if(|chunk| length + chunk.len() <= width) {
            length += chunk.len();
            line.push(chunk);
        }
        if let Some(chunk) = chunks.last_mut().filter(|chunk| chunk.len() > width) {
            let rest = chunk.split_off(break_at(chunk, width - length));
            line.push(std::mem::replace(chunk, rest));
        }
        if line.last().is_some_and(|chunk| is_blank(chunk)) {
            line.pop();
        }
        if !line.is_empty() {
            lines.push(line.into_iter().flatten().collect());
        }
    }
    lines
}

/// Where to break a word that is longer than a line: after its last hyphen that fits.
fn break_at(chunk: &[char], room: usize) -> usize {
    match chunk[..room].iter().rposition(|&c| c == '-') {
        Some(hyphen) if hyphen > 0 && chunk[..hyphen].iter().any(|&c| c != '-') => hyphen + 1,
        _ => room,
    }
}

fn expand_tabs(text: &str) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// The white space that `textwrap` knows.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\x0b' | '\x0c' | '\r' | ' ')
}

fn is_blank(chunk: &[char]) -> bool {
    chunk.iter().all(|c| c.is_whitespace())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word_or_mark(c: char) -> bool {
    is_word(c) || "!\"'&.,?".contains(c)
}

/// Pieces that must stay together, and white space between them.
fn split(text: &[char]) -> Vec<Vec<char>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    for at in 1..=text.len() {
        if at == text.len() || breaks(text, start, at) {
            chunks.push(text[start..at].to_vec());
            start = at;
        }
    }
    chunks
}

/// Whether a line may be broken before `text[at]`, in a piece that begins at `start`.
fn breaks(text: &[char], start: usize, at: usize) -> bool {
    let (before, here) = (text[at - 1], text[at]);
    if is_space(before) != is_space(here) {
        return true;
    }
    if is_space(here) {
        return false;
    }
    let is = |place: Option<usize>, test: fn(char) -> bool| {
        place
            .and_then(|place| text.get(place))
            .is_some_and(|&c| test(c))
    };
    if before != '-' {
        // Before a dash between two words.
        let dashes = text[at..].iter().take_while(|&&c| c == '-').count();
        return dashes >= 2 && is_word_or_mark(before) && is(Some(at + dashes), is_word);
    }
    let dashes = text[..at].iter().rev().take_while(|&&c| c == '-').count();
    if dashes >= 2 && here != '-' {
        // After a dash between two words: the dash is a piece of its own.
        return start == at - dashes
            && is_word(here)
            && is(at.checked_sub(dashes + 1), is_word_or_mark);
    }
    // After a hyphen between letters.
    let one = is(at.checked_sub(2), is_letter) && is(at.checked_sub(3), is_letter);
    let two = is(at.checked_sub(2), is_word_or_mark)
        && is(at.checked_sub(3), |c| c == '-')
        && is(at.checked_sub(4), is_letter);
    let follows = is_letter(here)
        && (is(Some(at + 1), is_letter)
            || (is(Some(at + 1), |c| c == '-') && is(Some(at + 2), is_letter)));
    (one || two) && follows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_as_pythons() {
        // Each with what `textwrap.wrap(text, width, replace_whitespace=False)` of
        // Python 3.11 gave.
        let table: &[(&str, usize, &[&str])] = &[
            ("one two three", 8, &["one two", "three"]),
            ("  one two", 5, &["  one", "two"]),
            ("a well-known hyphen", 8, &["a well-", "known", "hyphen"]),
            (
                "words--between dashes",
                8,
                &["words--", "between", "dashes"],
            ),
            ("1-2-3-4 x-ray", 4, &["1-2-", "3-4 ", "x-", "ray"]),
            ("foo-bar--baz qux", 6, &["foo-", "bar--", "baz", "qux"]),
            ("x--y-zz w", 3, &["x--", "y-", "zz", "w"]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("a\tb", 20, &["a       b"]),
            ("a\nb c", 3, &["a\nb", "c"]),
            ("trailing  ", 20, &["trailing"]),
            ("", 5, &[]),
        ];
        for (text, width, lines) in table {
            assert_eq!(&wrap(text, *width), lines, "{text:?}");
        }
    }
}
