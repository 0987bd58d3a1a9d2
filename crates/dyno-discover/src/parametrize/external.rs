//! What is known of things outside the project when they are parameters: their `__name__`,
//! and whether an instance is anything but a plain object to pytest.

use dyno_python::{Call, Value};

/// Functions and classes of the standard library whose `__name__` is their own, one full
/// name a line, sorted. Recorded by `data/record_names.py`, which tells the version.
const NAMED: &str = include_str!("../../data/named.txt");
/// Classes of the standard library whose instances have no `__name__` and are no strings,
/// numbers, enums or patterns. Recorded likewise.
const PLAIN: &str = include_str!("../../data/plain.txt");

/// The `__name__` of something by its full name, where it is certain.
pub(super) fn name_of(full: &str) -> Option<&str> {
    let Some((_, last)) = full.rsplit_once('.') else {
        // A module, whose name it is; what stands for another shows its own.
        return holds(NAMED, full).then_some(full);
    };
    holds(NAMED, full).then_some(last)
}

/// Whether a call makes an object that pytest names after the argument.
pub(super) fn makes_plain(call: &Call) -> bool {
    match &call.function {
        Value::External(name) if is_mock(name) => {
            call.args.is_empty() && call.kwargs.is_empty() && call.more.is_none()
        }
        Value::External(name) => holds(PLAIN, name) && !gives_attributes(name),
        _ => false,
    }
}

/// `Mock().__name__` is an `AttributeError`, unless `spec` or a keyword says otherwise.
fn is_mock(name: &str) -> bool {
    matches!(name, "unittest.mock.Mock" | "unittest.mock.MagicMock")
}

/// Its arguments become attributes, `__name__` perhaps among them.
fn gives_attributes(name: &str) -> bool {
    matches!(name, "types.SimpleNamespace" | "argparse.Namespace")
}

/// The pattern of a `re.compile(...)`.
pub(super) fn pattern(call: &Call) -> Option<&Value> {
    match &call.function {
        Value::External(name) if &**name == "re.compile" && call.more.is_none() => {
            let keyword = || call.kwargs.iter().find(|(name, _)| &**name == "pattern");
            call.args
                .first()
                .or_else(|| keyword().map(|(_, value)| value))
        }
        _ => None,
    }
}

/// Binary search over the lines of a sorted text.
fn holds(lines: &str, wanted: &str) -> bool {
    let (mut low, mut high) = (0, lines.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        // The tables are ASCII, so that any index is a boundary.
        let start = lines[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = lines[middle..]
            .find('\n')
            .map_or(lines.len(), |at| middle + at);
        match lines[start..end].cmp(wanted) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for table in [NAMED, PLAIN] {
            assert!(table.is_ascii());
            assert!(table.lines().is_sorted());
            for line in table.lines() {
                assert!(holds(table, line), "{line}");
                assert!(!holds(table, &format!("{line}\u{1}")));
                assert!(
                    !holds(table, &line[..line.len() - 1])
                        || table.contains(&format!("\n{}\n", &line[..line.len() - 1]))
                );
            }
        }
        assert_eq!(name_of("datetime.date"), Some("date"));
        assert_eq!(name_of("os.error"), None);
    }
}
