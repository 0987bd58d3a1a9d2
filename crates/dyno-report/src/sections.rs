//! The sections of the terminal summary: errors, failures, passes with their output.

use crate::canvas::{Canvas, Ink};
use crate::progress::Live;
use crate::stats::{Stats, Trouble};
use dyno_model::{Phase, PhaseReport, Section};

/// pytest's options for what is shown at the end.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The `-r` characters; `w` stands for the warnings summary.
    pub(crate) report_chars: String,
    pub(crate) traceback: Traceback,
    /// `--show-capture`
    pub(crate) show_capture: String,
}

/// What `--tb` means for the sections; the text itself came rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traceback {
    /// No sections.
    No,
    /// A line a failure.
    Line,
    /// The rendered text under a heading.
    Full,
}

impl Options {
    pub(crate) fn shows(&self, char: char) -> bool {
        self.report_chars.contains(char)
    }
}

/// Writes the summary's sections from what a run has left.
pub(crate) struct Sections<'a> {
    pub(crate) stats: &'a Stats,
    pub(crate) live: &'a Live,
    pub(crate) options: &'a Options,
    pub(crate) canvas: &'a mut Canvas,
}

impl Sections<'_> {
    pub(crate) fn errors(&mut self) {
        if self.options.traceback == Traceback::No || self.stats.troubles().next().is_none() {
            return;
        }
        self.canvas.sep('=', "ERRORS", &[]);
        for trouble in self.stats.troubles() {
            let (title, text, sections) = match trouble {
                Trouble::Collect(failure) => {
                    let path = failure.node.split("::").next().unwrap_or_default();
                    let path = if path.is_empty() { NO_NAME } else { path };
                    let title = format!("ERROR collecting {path}");
                    (title, Some(&failure.longrepr), [].as_slice())
                }
                Trouble::Test(report) => {
                    let title = format!("ERROR at {} of {}", phase(report), self.headline(report));
                    (title, report.longrepr.as_ref(), report.sections.as_slice())
                }
            };
            self.canvas.sep('_', &title, &[Ink::Red, Ink::Bold]);
            if let Some(text) = text {
                self.canvas.line_rendered(text);
            }
            self.captured(sections);
        }
    }

    pub(crate) fn failures(&mut self) {
        if self.options.traceback == Traceback::No || self.stats.failures().next().is_none() {
            return;
        }
        self.canvas.sep('=', "FAILURES", &[]);
        for report in self.stats.failures() {
            if self.options.traceback == Traceback::Line {
                if let Some(text) = &report.longrepr {
                    self.canvas.line_rendered(text);
                }
                continue;
            }
            let title = self.headline(report);
            self.canvas.sep('_', &title, &[Ink::Red, Ink::Bold]);
            if let Some(text) = &report.longrepr {
                self.canvas.line_rendered(text);
            }
            self.captured(&report.sections);
            self.captured(self.stats.teardown_sections(&report.test));
        }
    }

    /// The failures after which tests were tried again.
    pub(crate) fn retries(&mut self) {
        if self.options.traceback == Traceback::No || self.stats.retried.is_empty() {
            return;
        }
        self.canvas.sep('=', "RETRIED", &[]);
        for report in &self.stats.retried {
            let place = match report.phase {
                Phase::Call => String::new(),
                Phase::Setup | Phase::Teardown => format!("{} of ", phase(report)),
            };
            let title = format!(
                "attempt {} at {place}{}",
                report.attempt,
                self.headline(report)
            );
            self.canvas.sep('_', &title, &[Ink::Yellow, Ink::Bold]);
            if let Some(text) = &report.longrepr {
                self.canvas.line_rendered(text);
            }
            self.captured(&report.sections);
        }
    }

    pub(crate) fn passes(&mut self) {
        let stats = self.stats;
        self.outputs("PASSES", 'P', &stats.passed);
        self.outputs("XPASSES", 'X', &stats.xpassed);
    }

    fn outputs(&mut self, title: &str, char: char, reports: &[PhaseReport]) {
        let shown = self.options.traceback != Traceback::No && self.options.shows(char);
        if !shown || reports.is_empty() {
            return;
        }
        self.canvas.sep('=', title, &[]);
        for report in reports {
            if !report.sections.is_empty() {
                let title = self.headline(report);
                self.canvas.sep('_', &title, &[Ink::Green, Ink::Bold]);
                if let Some(text) = &report.longrepr {
                    self.canvas.line_rendered(text);
                }
                self.captured(&report.sections);
            }
            self.captured(self.stats.teardown_sections(&report.test));
        }
    }

    fn captured(&mut self, sections: &[Section]) {
        for section in sections {
            let wanted = match self.options.show_capture.as_str() {
                "no" => false,
                "all" => true,
                kind => section.title.contains(kind),
            };
            if wanted {
                self.canvas.sep('-', &section.title, &[]);
                let text = section.text.strip_suffix('\n').unwrap_or(&section.text);
                // Log lines are pytest's rendering; all else is what the test wrote.
                if section.title.starts_with("Captured log") {
                    self.canvas.line_rendered(&format!("{text}\n"));
                } else {
                    self.canvas.line(text, &[]);
                }
            }
        }
    }

    /// The heading of a report; one that did not fail has its test's name.
    fn headline(&self, report: &PhaseReport) -> String {
        let domain = || {
            let item = self.live.items.get(&report.test);
            item.map_or(NO_NAME, |item| item.location.domain.as_str())
        };
        report.headline.as_deref().unwrap_or_else(domain).to_owned()
    }
}

/// pytest's words for what has no name.
const NO_NAME: &str = "test session";

pub(crate) fn phase(report: &PhaseReport) -> &'static str {
    match report.phase {
        Phase::Setup => "setup",
        Phase::Call => "call",
        Phase::Teardown => "teardown",
    }
}
