//! What sealed tests left behind their walls.

use crate::canvas::{Canvas, Ink};
use dyno_model::{Leaked, TestId};
use std::collections::BTreeMap;

/// The section about it: by test, processes first.
pub(crate) fn show(leaks: &[Leaked], canvas: &mut Canvas) {
    if leaks.is_empty() {
        return;
    }
    canvas.sep('=', "LEAKS", &[Ink::Yellow]);
    let mut by_test: BTreeMap<Option<&TestId>, Vec<&Leaked>> = BTreeMap::new();
    for leak in leaks {
        by_test.entry(leak.test.as_ref()).or_default().push(leak);
    }
    for (test, leaks) in by_test {
        let whose = test.map_or("between tests", TestId::as_str);
        canvas.line(&format!("{whose}:"), &[]);
        for Leaked { kind, what, .. } in leaks {
            let line = match kind.as_str() {
                "process" => format!("  still ran, and was killed: {what}"),
                "shm" => format!("  left in /dev/shm: {what}"),
                _ => format!("  left in /tmp: {what}"),
            };
            canvas.line(&line, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    #[test]
    fn leaks_stand_by_the_test_that_left_them() {
        let mut canvas = Canvas::new(Style::new(80, false));
        show(&[], &mut canvas);
        assert_eq!(canvas.take(), "");
        let leak = |kind: &str, what: &str, test: Option<&str>| Leaked {
            kind: kind.to_owned(),
            what: what.to_owned(),
            test: test.map(|id| TestId::new(id).unwrap()),
        };
        let leaks = [
            leak("process", "sleep 1000", Some("t.py::b")),
            leak("file", "x", Some("t.py::a")),
            leak("shm", "y", Some("t.py::b")),
            leak("process", "etcd (listens on 2379)", None),
        ];
        show(&leaks, &mut canvas);
        let text = canvas.take();
        let (_, text) = text.split_once('\n').unwrap();
        assert_eq!(
            text,
            "between tests:\n  still ran, and was killed: etcd (listens on 2379)\n\
             t.py::a:\n  left in /tmp: x\n\
             t.py::b:\n  still ran, and was killed: sleep 1000\n  left in /dev/shm: y\n"
        );
    }
}
