//! Text as Python's `str` and `shlex` take it apart.

/// `str.isspace` of one character.
pub(super) fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

/// `str.strip`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip`.
pub(super) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.splitlines`, of a text read with universal newlines.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let ends = |letter: char| {
            matches!(
                letter,
                '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'
                    ..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let Some(at) = rest.find(ends) else {
            return Some(std::mem::take(&mut rest));
        };
        let (line, tail) = rest.split_at(at);
        let width = if tail.starts_with("\r\n") {
            2
        } else {
            tail.chars().next().map_or(0, char::len_utf8)
        };
        rest = tail.get(width..).unwrap_or_default();
        Some(line)
    })
}

/// `shlex.split`: words of a POSIX shell, without comments.
pub(super) fn split_shell(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => {
                let next = letters.next().ok_or("No escaped character")?;
                word.get_or_insert_default().push(next);
            }
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                quoted(letter, &mut letters, word)?;
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(
    quote: char,
    letters: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), &'static str> {
    loop {
        let letter = letters.next().ok_or("No closing quotation")?;
        if letter == quote {
            return Ok(());
        }
        if letter == '\\' && quote == '"' {
            // Within double quotes only these two are escaped.
            let next = letters.next().ok_or("No escaped character")?;
            if next != '"' && next != '\\' {
                word.push('\\');
            }
            word.push(next);
        } else {
            word.push(letter);
        }
    }
}

/// `os.path.expandvars`: `$NAME` and `${NAME}`; what is not set stays as it is.
pub(super) fn expand_variables(text: &str, get: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let body = after.get(1..).unwrap_or_default();
        let (name, width) = if let Some(braced) = body.strip_prefix('{') {
            let end = braced.find('}');
            let name = end.and_then(|end| braced.get(..end));
            (name.unwrap_or_default(), end.map_or(1, |end| end + 3))
        } else {
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = body.find(|letter| !is_word(letter)).unwrap_or(body.len());
            (body.get(..end).unwrap_or_default(), end + 1)
        };
        let (whole, tail) = after.split_at(width.min(after.len()));
        match get(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(whole),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}
