//! `_pytest.compat.ascii_escaped`: ids as ASCII.

use std::fmt::Write;

/// A string, by Python's `unicode_escape`.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(character),
            _ if code <= 0xff => write_code(&mut out, format_args!("\\x{code:02x}")),
            _ if code <= 0xffff => write_code(&mut out, format_args!("\\u{code:04x}")),
            _ => write_code(&mut out, format_args!("\\U{code:08x}")),
        }
    }
    out
}

/// Bytes, as ASCII with what is none of it escaped; a backslash stays single.
pub(super) fn escaped_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => write_code(&mut out, format_args!("\\x{byte:02x}")),
        }
    }
    out
}

fn write_code(out: &mut String, code: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = out.write_fmt(code);
}
