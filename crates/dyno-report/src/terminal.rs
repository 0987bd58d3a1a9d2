//! From events to what is printed of them.

use crate::canvas::{Canvas, Ink, Place};
use crate::closing;
use crate::models::Models;
use crate::notices;
use crate::outcomes::count;
use crate::printed::{self, Prints};
use crate::processes::Processes;
use crate::progress::{Lanes, Live};
use crate::sections::{Options, Sections, Traceback};
use crate::short_summary;
use crate::stats::{Passes, Stats};
use crate::style::Style;
use crate::warnings;
use dyno_model::{Event, ExitCode, Item, Stamped, Stop, Stream, TestId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Shows a run: feed it the run's events in order and print what it gives.
///
/// Where pytest itself shows all there is to show (`--collect-only`, usage errors,
/// collection errors), which is where no [`Event::Collected`] comes, it adds nothing.
#[derive(Debug)]
pub struct Terminal {
    canvas: Canvas,
    stats: Stats,
    cwd: String,
    session: Option<Session>,
    stop: Option<Stop>,
    failure: Option<String>,
    /// The time of the last event.
    at: Duration,
    prints: Prints,
    processes: Processes,
    models: Models,
    end: End,
}

/// Whether the run's end has been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ahead,
    Shown,
}

/// A run whose tests are known.
#[derive(Debug)]
struct Session {
    live: Live,
    options: Options,
    /// What is run of pytest's own part of the terminal summary.
    summary: Summary,
    header: Header,
    plugin_sections: String,
    started: BTreeSet<TestId>,
    running: BTreeMap<TestId, WorkerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Summary {
    Whole,
    /// `--no-summary`
    PluginsOnly,
}

/// What dyno says of its own before the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Shown,
    /// `--no-header`
    Hidden,
}

impl Terminal {
    /// A run of which nothing is shown yet.
    pub fn new(style: Style) -> Self {
        Self {
            canvas: Canvas::new(style),
            stats: Stats::default(),
            cwd: String::new(),
            session: None,
            stop: None,
            failure: None,
            at: Duration::ZERO,
            prints: Prints::default(),
            processes: Processes::default(),
            models: Models::default(),
            end: End::Ahead,
        }
    }

    /// What is to be printed now that this happened. Often nothing, and not always
    /// whole lines: a progress letter is shown at once.
    pub fn event(&mut self, stamped: &Stamped) -> String {
        self.at = stamped.at;
        let passes = match &self.session {
            Some(session) if session.options.shows('p') || session.options.shows('P') => {
                Passes::Kept
            }
            _ => Passes::Counted,
        };
        count(&mut self.stats, &stamped.event, passes);
        self.show(&stamped.event);
        let text = self.canvas.take();
        if self.canvas.style.live {
            self.models.above(text, self.canvas.width())
        } else {
            text
        }
    }

    /// What this event adds to standard error where that is shown apart from the rest:
    /// [`Self::event`] is then not asked. `None` where it adds nothing there.
    pub fn apart(&self, stamped: &Stamped) -> Option<String> {
        match &stamped.event {
            Event::Printed(printed) if printed.stream == Stream::Stderr => {
                Some(printed::apart(printed, self.lanes()))
            }
            _ => None,
        }
    }

    fn lanes(&self) -> Lanes {
        let session = self.session.as_ref();
        session.map_or(Lanes::One, |session| session.live.lanes)
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { cwd, .. } => self.cwd.clone_from(cwd),
            Event::Output { text } => self.output(text),
            Event::Collected { .. } if self.end == End::Ahead => self.collected(event),
            Event::Planned { workers, seed, .. } => self.planned(*workers, *seed),
            Event::Resumed { run, tests } => notices::resumed(run, *tests, &mut self.canvas),
            Event::Slow { .. } => notices::slow(event, &mut self.canvas),
            Event::TestStarted { worker, test } => {
                if let Some(session) = &mut self.session {
                    session.started.insert(test.clone());
                    session.running.insert(test.clone(), *worker);
                    session.live.started(test, &self.stats, &mut self.canvas);
                }
            }
            Event::Reported { report, .. } => {
                if let Some(session) = &mut self.session {
                    let live = &mut session.live;
                    live.reported(report, &self.stats, &mut self.canvas);
                }
            }
            Event::TestFinished { test, .. } => {
                if let Some(session) = &mut self.session {
                    session.running.remove(test);
                }
            }
            Event::WorkerStarted { .. }
            | Event::WorkerEnded { .. }
            | Event::TemplateLost { .. }
            | Event::WallsMissing { .. }
            | Event::LimitsMissing { .. }
            | Event::Used { .. }
            | Event::Leaked { .. } => {
                self.processes.take(event, &mut self.canvas);
            }
            Event::ModelFetching { .. }
            | Event::ModelWaiting { .. }
            | Event::ModelReady { .. }
            | Event::ModelUnavailable { .. } => {
                let verbosity = (self.session.as_ref()).map_or(0, |session| session.live.verbosity);
                self.models.take(event, verbosity, &mut self.canvas);
            }
            Event::Stopping { why } => {
                self.models.over();
                self.stop = Some(why.clone());
            }
            Event::Summary { text } => {
                if let Some(session) = &mut self.session {
                    session.plugin_sections.push_str(text);
                }
            }
            Event::Printed(printed) => {
                let lanes = self.lanes();
                self.prints.show(printed, lanes, &mut self.canvas);
            }
            Event::PrintedMore(more) => {
                let lanes = self.lanes();
                self.prints.show_more(more, lanes, &mut self.canvas);
            }
            Event::RunFailed { message } => {
                self.canvas.start_line();
                self.canvas.line(&format!("dyno: {message}"), &[Ink::Red]);
                self.failure = Some(message.clone());
            }
            Event::RunFinished { exit, elapsed } => self.finished(*exit, *elapsed),
            Event::Collected { .. }
            | Event::TemplateStarted { .. }
            | Event::CollectFailed(_)
            | Event::CollectSkipped { .. }
            | Event::Debugged { .. }
            | Event::UnitAssigned { .. }
            | Event::Warned(_) => {}
        }
    }

    /// pytest's own text: as it is, but not into a line of progress.
    fn output(&mut self, text: &str) {
        if self.session.is_some() {
            self.canvas.ensure_newline();
        }
        self.canvas.write_rendered(text);
    }

    fn collected(&mut self, event: &Event) {
        let Event::Collected { items, display, .. } = event else {
            return;
        };
        let rootdir = &display.rootdir;
        let cwd = match self.cwd.as_str() {
            "" => rootdir.clone(),
            cwd => cwd.to_owned(),
        };
        self.session = Some(Session {
            live: Live::new(items, display, cwd),
            options: Options {
                report_chars: display.report_chars.clone(),
                traceback: match display.traceback.as_str() {
                    "no" => Traceback::No,
                    "line" => Traceback::Line,
                    _ => Traceback::Full,
                },
                show_capture: display.show_capture.clone(),
            },
            summary: if display.summary {
                Summary::Whole
            } else {
                Summary::PluginsOnly
            },
            header: if display.header {
                Header::Shown
            } else {
                Header::Hidden
            },
            plugin_sections: String::new(),
            started: BTreeSet::new(),
            running: BTreeMap::new(),
        });
    }

    /// With several workers: `4 workers [12 items]`, as pytest-xdist says it.
    fn planned(&mut self, workers: u32, seed: Option<u64>) {
        let Some(session) = &mut self.session else {
            return;
        };
        if let Some(seed) = seed {
            notices::shuffled(seed, &mut self.canvas);
        }
        if workers < 2 {
            return;
        }
        session.live.lanes = Lanes::Many;
        if session.live.verbosity < 0 {
            return;
        }
        if session.header == Header::Shown {
            let count = session.live.items.len();
            let plural = if count == 1 { "" } else { "s" };
            let line = format!("{workers} workers [{count} item{plural}]");
            self.canvas.own_line(&line, &[]);
        }
        self.canvas.line("", &[]);
    }

    /// A worker that died in a test has its report; one that died between tests has not.
    fn finished(&mut self, exit: ExitCode, elapsed: Duration) {
        self.end = End::Shown;
        self.models.over();
        let Some(session) = self.session.take() else {
            return;
        };
        // pytest's session loop writes the last progress only if it came to its end.
        if self.stop.is_none() {
            session.live.ended(&self.stats, &mut self.canvas);
        }
        self.canvas.line("", &[]);
        if closing::shows_summary(exit) {
            self.summary(&session);
        }
        if let Some(why) = &self.stop {
            closing::stopped(why, self.failure.as_deref(), &mut self.canvas);
        }
        self.counts(&session.live, elapsed);
    }

    fn counts(&mut self, live: &Live, elapsed: Duration) {
        let (over, canvas) = (live.over(), &mut self.canvas);
        closing::counts(&self.stats, over, live.verbosity, elapsed, canvas);
    }

    fn summary(&mut self, session: &Session) {
        let whole = session.summary == Summary::Whole;
        if whole {
            let mut sections = Sections {
                stats: &self.stats,
                live: &session.live,
                options: &session.options,
                canvas: &mut self.canvas,
            };
            sections.errors();
            sections.failures();
            if session.options.shows('w') {
                warnings::show(&self.stats.warnings, &mut self.canvas);
            }
            let mut sections = Sections {
                stats: &self.stats,
                live: &session.live,
                options: &session.options,
                canvas: &mut self.canvas,
            };
            sections.retries();
            sections.passes();
        }
        self.plugins_sections(&session.plugin_sections);
        self.processes
            .show(session.live.verbosity, &mut self.canvas);
        if whole {
            short_summary::show(
                &self.stats,
                &session.live,
                &session.options,
                &mut self.canvas,
            );
        }
    }

    /// What plugins wrote, as they wrote it: where pytest began it with a newline to get
    /// off the line of progress, that newline is in it.
    fn plugins_sections(&mut self, text: &str) {
        if text.starts_with('\n') {
            self.canvas.place = Place::LineStart;
        }
        if !text.is_empty() {
            self.canvas.line_rendered(text);
        }
    }

    /// The end of a run that has none, for a journal that stops before its
    /// [`Event::RunFinished`]: what is known, what was running, what never ran. Nothing
    /// where the end was shown.
    pub fn cut_off(&mut self) -> String {
        if self.end == End::Shown {
            return String::new();
        }
        self.end = End::Shown;
        let Some(session) = self.session.take() else {
            self.canvas.start_line();
            self.canvas.line(
                "dyno: this run was cut off before its tests ran",
                &[Ink::Red],
            );
            return self.canvas.take();
        };
        self.canvas.line("", &[]);
        self.summary(&session);
        self.canvas.sep('!', "this run was cut off", &[Ink::Red]);
        for (test, worker) in &session.running {
            self.canvas
                .line(&format!("{test} was running in {worker}"), &[]);
        }
        let all = session.live.items.len();
        let never = session
            .live
            .items
            .values()
            .filter(|Item { id, .. }| !session.started.contains(id));
        let never = never.count();
        if never > 0 {
            self.canvas
                .line(&format!("{never} of {all} tests never ran"), &[]);
        }
        self.counts(&session.live, self.at);
        self.canvas.take()
    }
}
