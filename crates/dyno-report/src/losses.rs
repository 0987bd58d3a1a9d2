//! Processes of dyno's own that ended before their work did.

use crate::canvas::{Canvas, Ink};
use dyno_model::{ProcessExit, TestId, WorkerFailure, WorkerId};
use std::fmt::Write;

/// So many tests are named that may have ended a template.
const MOST_SUSPECTS: usize = 10;

/// That a template was lost. The tests go on, so it is no failure of the run.
pub(crate) fn template(exit: ProcessExit, suspects: &[TestId]) -> String {
    let mut text = format!(
        "a template, a Python process that collects and forks, was ended by {exit}; another takes \
         its place"
    );
    if !suspects.is_empty() {
        text.push_str("\nthese tests ran at that moment or just before it:");
    }
    for test in suspects.iter().take(MOST_SUSPECTS) {
        let _ = write!(text, "\n  {test}");
    }
    if let Some(more @ 1..) = suspects.len().checked_sub(MOST_SUSPECTS) {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

/// The section about templates that were lost.
pub(crate) fn templates(lost: &[String], canvas: &mut Canvas) {
    if lost.is_empty() {
        return;
    }
    canvas.sep('=', "LOST TEMPLATES", &[Ink::Yellow]);
    for text in lost {
        canvas.line(text, &[]);
    }
}

/// The section about workers that died between two tests.
pub(crate) fn workers(lost: &[(WorkerId, ProcessExit, WorkerFailure)], canvas: &mut Canvas) {
    if lost.is_empty() {
        return;
    }
    canvas.sep('=', "WORKER FAILURES", &[]);
    for (worker, exit, failure) in lost {
        let title = format!("{worker}: {exit} between two tests");
        canvas.sep('_', &title, &[Ink::Red, Ink::Bold]);
        match &failure.detail {
            Some(detail) => canvas.line_rendered(detail),
            None => canvas.line("it said nothing", &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_suspects_are_named_and_the_rest_is_counted() {
        let tests: Vec<TestId> = (0..12)
            .map(|n| TestId::new(format!("t.py::test_{n}")).unwrap())
            .collect();
        let killed = ProcessExit::Signal(9);
        let text = template(killed, &tests);
        assert!(text.contains("SIGKILL"), "{text}");
        assert!(text.ends_with("t.py::test_9\n  and 2 more"), "{text}");
        assert!(template(killed, &tests[..10]).ends_with("t.py::test_9"));
        assert!(!template(killed, &[]).contains("just before"));
    }
}
