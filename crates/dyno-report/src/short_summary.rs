//! The short test summary: one line for each report that `-r` asks for.

use crate::canvas::{Canvas, Ink};
use crate::paths;
use crate::progress::Live;
use crate::sections::{Options, phase};
use crate::stats::{Skipped, Stats, Trouble};
use crate::style::Messages;
use crate::width::{columns, trimmed};
use dyno_model::{Phase, PhaseReport};

pub(crate) fn show(stats: &Stats, live: &Live, options: &Options, canvas: &mut Canvas) {
    let mut lines = Lines {
        live,
        canvas,
        written: Vec::new(),
    };
    for char in options.report_chars.chars() {
        match char {
            'f' => lines.simple(&stats.failed, Ink::Red),
            'p' => lines.simple(&stats.passed, Ink::Green),
            'E' => lines.errors(&stats.errors),
            'x' => lines.expected(&stats.xfailed, Where::Phase),
            'X' => lines.expected(&stats.xpassed, Where::Anywhere),
            's' => lines.skipped(&stats.skipped),
            _ => {}
        }
    }
    lines.flaky(&stats.flaky);
    let lines = lines.written;
    if !lines.is_empty() {
        canvas.sep('=', "short test summary info", &[Ink::Cyan, Ink::Bold]);
        for line in lines {
            canvas.line(&line, &[]);
        }
    }
}

/// Whether a line says in which phase it happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Phase,
    Anywhere,
}

struct Lines<'a> {
    live: &'a Live,
    canvas: &'a Canvas,
    written: Vec<String>,
}

impl Lines<'_> {
    fn simple(&mut self, reports: &[PhaseReport], ink: Ink) {
        for report in reports {
            let word = &report.status.word;
            self.message(word, report.test.as_str(), report.crash.as_deref(), ink);
        }
    }

    /// `FLAKY test_a.py::test_b - passed in attempt 2`, whatever `-r` says.
    fn flaky(&mut self, reports: &[PhaseReport]) {
        for report in reports {
            let message = format!("passed in attempt {}", report.attempt);
            let word = &report.status.word;
            self.message(word, report.test.as_str(), Some(&message), Ink::Yellow);
        }
    }

    fn errors(&mut self, errors: &[Trouble]) {
        for trouble in errors {
            match trouble {
                Trouble::Collect(failure) => {
                    self.message("ERROR", &failure.node, failure.crash.as_deref(), Ink::Red);
                }
                Trouble::Test(report) => self.simple(std::slice::from_ref(&**report), Ink::Red),
            }
        }
    }

    /// `FAILED test_a.py::test_b - AssertionError: …`, the message cut to what is left.
    fn message(&mut self, word: &str, id: &str, crash: Option<&str>, ink: Ink) {
        let (path, rest) = paths::node(&self.live.cwd, &self.live.root, id);
        let mut line = self.named(word, ink, &path, rest);
        let whole = self.canvas.style.messages == Messages::Whole || self.live.verbosity >= 2;
        let message = match crash {
            Some(crash) if whole => Some(format!(" - {crash}")),
            Some(crash) => {
                // Of what is seen: pytest counts escape sequences too, and so prints
                // lines that are too long where colours are on.
                let rest = rest.map_or(0, |rest| columns(rest) + 2);
                let used = columns(word) + 1 + columns(&path) + rest;
                trimmed(" - ", crash, "", self.canvas.width() - used)
            }
            None => None,
        };
        line.push_str(&message.unwrap_or_default());
        self.written.push(line);
    }

    fn expected(&mut self, reports: &[PhaseReport], place: Where) {
        for report in reports {
            let (path, rest) = paths::node(&self.live.cwd, &self.live.root, report.test.as_str());
            let word = self.canvas.paint(&report.status.word, &[Ink::Yellow]);
            let at = match (place, report.phase) {
                (Where::Phase, Phase::Setup | Phase::Teardown) => {
                    format!(" at {} of", phase(report))
                }
                (Where::Phase, Phase::Call) | (Where::Anywhere, _) => String::new(),
            };
            let mut line = format!("{word}{at} {}", self.node(&path, rest));
            if let Some(reason) = report.xfail.as_ref().filter(|reason| !reason.is_empty()) {
                line.push_str(" - ");
                line.push_str(reason);
            }
            self.written.push(line);
        }
    }

    fn skipped(&mut self, skipped: &[Skipped]) {
        let mut folded: Vec<(&Skipped, u64)> = Vec::new();
        for one in skipped {
            match folded.iter_mut().find(|(known, _)| known.skip == one.skip) {
                Some((_, count)) => *count += 1,
                None => folded.push((one, 1)),
            }
        }
        let Some(first) = skipped.first() else { return };
        let word = self.canvas.paint(&first.word, &[Ink::Yellow]);
        for (one, count) in folded {
            let file = paths::relative(&self.live.cwd, &one.skip.file);
            let line = one
                .skip
                .line
                .map_or(String::new(), |line| format!(":{line}"));
            let reason = match one.skip.reason.as_str() {
                "" => "Skipped",
                reason => reason,
            };
            self.written
                .push(format!("{word} [{count}] {file}{line}: {reason}"));
        }
    }

    fn named(&self, word: &str, ink: Ink, path: &str, rest: Option<&str>) -> String {
        format!(
            "{} {}",
            self.canvas.paint(word, &[ink]),
            self.node(path, rest)
        )
    }

    fn node(&self, path: &str, rest: Option<&str>) -> String {
        match rest {
            Some(rest) => format!("{path}::{}", self.canvas.paint(rest, &[Ink::Bold])),
            None => path.to_owned(),
        }
    }
}
