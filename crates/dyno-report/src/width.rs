//! How many columns a text takes, and cutting it to so many.

use unicode_width::UnicodeWidthChar;

/// Columns of a text, or -1 where it holds a control character, by the rules of pytest's
/// `wcswidth`. The -1 is kept because pytest computes with it: a text with a tab in it is
/// never too long.
pub(crate) fn columns(text: &str) -> isize {
    let mut sum = 0;
    for c in text.chars() {
        match char_columns(c) {
            Some(width) => sum += width,
            None => return -1,
        }
    }
    sum
}

fn char_columns(c: char) -> Option<isize> {
    match c {
        ' '..='~' => Some(1),
        '\0' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2063}' => {
            Some(0)
        }
        c => c.width().map(usize::cast_signed),
    }
}

/// The first line of `text` between `before` and `after`, cut with `...` to fit into
/// `room` columns (pytest's `_format_trimmed`). `None` where not even the dots fit.
pub(crate) fn trimmed(before: &str, text: &str, after: &str, room: isize) -> Option<String> {
    const DOTS: &str = "...";
    let text = text.split('\n').next().unwrap_or_default();
    let around = columns(before) + columns(after);
    let dots = columns(DOTS);
    if around + dots > room {
        return None;
    }
    if around + columns(text) <= room {
        return Some(format!("{before}{text}{after}"));
    }
    let room = room - dots;
    let most = usize::try_from(room).unwrap_or(0);
    let mut kept: Vec<char> = text.chars().take(most).collect();
    while around + columns(&kept.iter().collect::<String>()) > room {
        kept.pop();
    }
    let kept: String = kept.into_iter().collect();
    Some(format!("{before}{kept}{DOTS}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_pytests_wcswidth() {
        for (text, width) in [
            ("abc", 3),
            ("名前", 4),
            ("e\u{301}", 1),
            ("\u{200b}x", 1),
            ("ｆ", 2),
            ("a\tb", -1),
            ("\x1b[1m", -1),
            ("", 0),
        ] {
            assert_eq!(columns(text), width, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_cut_at_whole_characters_and_only_where_it_must_be() {
        let cut = |text, room| trimmed(" (", text, ")", room);
        assert_eq!(cut("reason", 9).unwrap(), " (reason)");
        assert_eq!(cut("reason", 8).unwrap(), " (re...)");
        assert_eq!(cut("reason", 6).unwrap(), " (...)");
        assert_eq!(cut("reason", 5), None);
        assert_eq!(cut("one\ntwo", 20).unwrap(), " (one)");
        assert_eq!(cut("名前名前", 10).unwrap(), " (名前...)");
        assert_eq!(cut("名前名前", 9).unwrap(), " (名...)");
        assert_eq!(cut("a\tbcdefghijkl", 8).unwrap(), " (a\tbcdefghijkl)");
    }
}
