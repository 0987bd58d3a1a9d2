//! What is shown while tests run.
//!
//! One worker: as pytest shows a serial run, names before their results. Several:
//! letters alone as under pytest-xdist, and with `-v` one whole line a test at its end,
//! because tests begin and end in no order.

use crate::canvas::{Canvas, Ink, Place};
use crate::paths;
use crate::stats::{Over, Stats};
use crate::width::{columns, trimmed};
use crate::wrap::wrap;
use dyno_model::{Category, Display, Item, Outcome, PhaseReport, Progress, TestId};
use std::collections::{BTreeMap, BTreeSet};

/// Whether tests run one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lanes {
    One,
    Many,
}

/// The tests of the run and which of them were shown.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) lanes: Lanes,
    pub(crate) verbosity: i32,
    progress: Progress,
    pub(crate) cwd: String,
    pub(crate) root: String,
    pub(crate) items: BTreeMap<TestId, Item>,
    reported: BTreeSet<TestId>,
}

impl Live {
    pub(crate) fn new(items: &[Item], display: &Display, cwd: String) -> Self {
        Self {
            lanes: Lanes::One,
            verbosity: display.verbosity,
            progress: display.progress,
            cwd,
            root: display.rootdir.clone(),
            items: items
                .iter()
                .map(|item| (item.id.clone(), item.clone()))
                .collect(),
            reported: BTreeSet::new(),
        }
    }

    /// Whether every test has been reported.
    pub(crate) fn over(&self) -> Over {
        if self.reported.len() == self.items.len() {
            Over::Yes
        } else {
            Over::No
        }
    }

    pub(crate) fn started(&self, test: &TestId, stats: &Stats, canvas: &mut Canvas) {
        if self.lanes == Lanes::Many || self.verbosity < 0 {
            return;
        }
        let name = if self.verbosity > 0 {
            self.location(test)
        } else {
            format!("{} ", paths::node(&self.cwd, &self.root, test.file()).0)
        };
        if canvas.place == Place::After(name.clone()) {
            return;
        }
        if self.verbosity == 0 && canvas.place != Place::LineStart {
            self.fill(stats, canvas);
        }
        canvas.write("\n", &[]);
        canvas.write(&name, &[]);
        canvas.place = Place::After(name);
    }

    /// Shows a report that `stats` has already counted.
    pub(crate) fn reported(&mut self, report: &PhaseReport, stats: &Stats, canvas: &mut Canvas) {
        let (letter, word) = (&report.status.letter, &report.status.word);
        if letter.is_empty() && word.is_empty() {
            return;
        }
        if report.status.category != Some(Category::Retried) {
            self.reported.insert(report.test.clone());
        }
        let ink = [ink(report)];
        if self.verbosity > 0 {
            self.verbose_line(report, &ink, stats, canvas);
            return;
        }
        canvas.write(letter, &ink);
        let room = columns(&self.message(self.items.len())) + 1;
        let past_edge = canvas.column() + room >= canvas.width();
        if self.progress != Progress::Off && self.over() == Over::No && past_edge {
            let message = self.message(self.reported.len());
            canvas.write(&format!("{message}\n"), &[stats.main_color(Over::No)]);
        }
    }

    fn verbose_line(&self, report: &PhaseReport, ink: &[Ink], stats: &Stats, canvas: &mut Canvas) {
        let name = self.location(&report.test);
        match self.lanes {
            Lanes::One if canvas.place != Place::After(name.clone()) => {
                canvas.write("\n", &[]);
                canvas.write(&name, &[]);
            }
            Lanes::One => {}
            Lanes::Many => {
                canvas.ensure_newline();
                canvas.write(&name, &[]);
            }
        }
        canvas.write(&report.status.word, ink);
        canvas.place = Place::Done;
        self.reason(report, canvas);
        if self.progress != Progress::Off {
            self.fill(stats, canvas);
        }
        if self.lanes == Lanes::Many {
            canvas.ensure_newline();
        }
    }

    /// Why a test was skipped or expected to fail, behind the word.
    fn reason(&self, report: &PhaseReport, canvas: &mut Canvas) {
        /// Room that is left for the progress (pytest's `wrap_write`).
        const MARGIN: usize = 8;
        let reason = match (&report.xfail, &report.skip) {
            (Some(reason), _) => reason.strip_prefix("reason: ").unwrap_or(reason),
            (None, Some(skip)) if skip.reason == "Skipped" => "",
            (None, Some(skip)) => &skip.reason,
            (None, None) => "",
        };
        if reason.is_empty() {
            return;
        }
        let text = if self.verbosity < 2 {
            let room = canvas.width() - canvas.column() - columns(" [100%]") - 1;
            trimmed(" (", reason, ")", room)
        } else {
            Some(format!(" ({reason})"))
        };
        let Some(text) = text else { return };
        let before = " ".repeat(usize::try_from(canvas.column()).unwrap_or(0));
        let lines = wrap(
            &format!("{before}{text}"),
            canvas.style.width.saturating_sub(MARGIN),
        );
        let wrapped: String = lines.join("\n").chars().skip(before.len()).collect();
        canvas.write(&wrapped, &[]);
    }

    /// The last progress, when all tests are through.
    pub(crate) fn ended(&self, stats: &Stats, canvas: &mut Canvas) {
        if self.verbosity <= 0 && !self.reported.is_empty() {
            self.fill(stats, canvas);
        }
    }

    /// Writes the progress at the right edge.
    fn fill(&self, stats: &Stats, canvas: &mut Canvas) {
        if self.progress == Progress::Off {
            return;
        }
        let message = self.message(self.reported.len());
        let room = usize::try_from(canvas.width() - canvas.column() - 1).unwrap_or(0);
        let ink = stats.main_color(self.over());
        canvas.write(&format!("{message:>room$}"), &[ink]);
    }

    fn message(&self, reported: usize) -> String {
        let all = self.items.len();
        match self.progress {
            Progress::Off => String::new(),
            Progress::Count => {
                let digits = all.to_string().len();
                format!(" [{reported:digits$}/{all}]")
            }
            Progress::Percent if all == 0 => " [100%]".to_owned(),
            Progress::Percent => format!(" [{:3}%]", reported * 100 / all),
        }
    }

    /// A test's name as `-v` shows it (pytest's `_locationline`).
    fn location(&self, test: &TestId) -> String {
        let (path, rest) = paths::node(&self.cwd, &self.root, test.as_str());
        let mut line = match rest {
            Some(rest) => format!("{path}::{rest}"),
            None => path,
        };
        if let Some(item) = self.items.get(test) {
            let domain = &item.location.domain;
            if !domain.is_empty() && line.ends_with(domain.as_str()) {
                // Dots of the name, not of its parameters.
                let (name, parameters) = domain.split_at(domain.find('[').unwrap_or(domain.len()));
                line.truncate(line.len() - domain.len());
                line.push_str(&name.replace('.', "::"));
                line.push_str(parameters);
            }
            let file = &item.location.file;
            if self.verbosity >= 2 && test.file() != file {
                line.push_str(" <- ");
                line.push_str(&paths::relative(&self.cwd, file));
            }
        }
        line.push(' ');
        line
    }
}

/// The colour of a report's letter or word.
fn ink(report: &PhaseReport) -> Ink {
    match &report.status.category {
        Some(Category::Outcome(Outcome::Passed)) => Ink::Green,
        Some(Category::Outcome(Outcome::Failed | Outcome::Error)) => Ink::Red,
        Some(Category::Other(word)) => crate::stats::category_ink(word),
        Some(
            Category::Flaky
            | Category::Retried
            | Category::Outcome(Outcome::Skipped | Outcome::Xfailed | Outcome::Xpassed),
        )
        | None => Ink::Yellow,
    }
}
