//! Models that are fetched while the run goes on: a line for each that came or cannot be had, and
//! on a terminal a last line that tells how far the others are.

use crate::canvas::{Canvas, Ink, without_escapes};
use crate::closing::seconds;
use crate::width::columns;
use dyno_model::{Bytes, Event, ModelRequest};
use std::collections::BTreeMap;

/// What is on its way.
#[derive(Debug, Default)]
pub(crate) struct Models {
    /// Bytes that came, and bytes that are to come, where that is known.
    coming: BTreeMap<ModelRequest, (u64, Option<u64>)>,
    /// The last line, as it stands on the screen.
    shown: Option<String>,
    /// What stands on the line that is printed to, without escape sequences.
    before: String,
}

/// Back to the line's start, and what is behind it erased (ECMA-48: CR, EL).
const ERASE: &str = "\r\x1b[K";

impl Models {
    /// Takes an event of a model.
    pub(crate) fn take(&mut self, event: &Event, verbosity: i32, canvas: &mut Canvas) {
        match event {
            Event::ModelFetching { model, bytes, of } => {
                self.coming.insert(model.clone(), (*bytes, *of));
            }
            Event::ModelWaiting { model, why, wait } => {
                let wait = wait.map(|wait| format!(", waiting {}", seconds(wait)));
                let line = format!("{model}: {why}{}", wait.unwrap_or_default());
                say(&line, &[Ink::Yellow], canvas);
            }
            Event::ModelReady {
                model,
                bytes,
                elapsed,
                note,
                ..
            } => {
                self.coming.remove(model);
                if let Some(note) = note {
                    say(&format!("{model}: {note}"), &[Ink::Yellow], canvas);
                }
                if *bytes > 0 && verbosity >= 0 {
                    let line = format!(
                        "fetched {model}: {} in {}",
                        Bytes(*bytes),
                        seconds(*elapsed)
                    );
                    say(&line, &[], canvas);
                }
            }
            Event::ModelUnavailable { model, why, tests } => {
                self.coming.remove(model);
                let needing = match tests {
                    1 => "1 test needs it".to_owned(),
                    tests => format!("{tests} tests need it"),
                };
                let line = format!("{model} cannot be had ({needing}): {why}");
                say(&line, &[Ink::Red], canvas);
            }
            _ => {}
        }
    }

    /// Nothing more is on its way.
    pub(crate) fn over(&mut self) {
        self.coming.clear();
    }

    /// The text with what takes the last line away before it, and what puts it back below it.
    pub(crate) fn above(&mut self, text: String, width: isize) -> String {
        let line = self.line(width);
        if text.is_empty() && self.shown == line {
            return text;
        }
        let mut framed = self.hide();
        framed.push_str(&text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.before = without_escapes(last),
            None => self.before.push_str(&without_escapes(&text)),
        }
        let column = columns(&self.before);
        self.shown = line.filter(|_| (0..width).contains(&column));
        if let Some(line) = &self.shown {
            framed.push_str(if column == 0 { "" } else { "\n" });
            framed.push_str(line);
        }
        framed
    }

    /// Takes the last line away, and goes back to where it was put below.
    fn hide(&mut self) -> String {
        match (self.shown.take(), columns(&self.before)) {
            (None, _) => String::new(),
            (Some(_), 0) => ERASE.to_owned(),
            // CUU, CHA.
            (Some(_), column) => format!("{ERASE}\x1b[A\x1b[{}G", column + 1),
        }
    }

    /// `fetching org/name: 12 MiB of 340 MiB, and 2 others`
    fn line(&self, width: isize) -> Option<String> {
        let (model, (bytes, of)) = self.coming.iter().next()?;
        let of = of.map(|of| format!(" of {}", Bytes(of)));
        let others = match self.coming.len() - 1 {
            0 => String::new(),
            1 => ", and another".to_owned(),
            others => format!(", and {others} others"),
        };
        let of = of.unwrap_or_default();
        let mut line = format!("fetching {model}: {}{of}{others}", Bytes(*bytes));
        // One column less than there are: at the edge a terminal may begin another line.
        while columns(&line) >= width && line.pop().is_some() {}
        Some(line)
    }
}

fn say(line: &str, inks: &[Ink], canvas: &mut Canvas) {
    canvas.start_line();
    canvas.line(line, inks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;
    use crate::terminal::Terminal;
    use dyno_model::Stamped;
    use std::time::Duration;

    fn model(name: &str) -> ModelRequest {
        ModelRequest {
            name: name.parse().unwrap(),
            revision: dyno_model::Revision::default(),
            files: dyno_model::ModelFiles::All,
        }
    }

    fn fetching(name: &str, bytes: u64, of: Option<u64>) -> Event {
        let model = model(name);
        Event::ModelFetching { model, bytes, of }
    }

    fn ready(name: &str, bytes: u64) -> Event {
        Event::ModelReady {
            model: model(name),
            commit: "0".repeat(40),
            bytes,
            elapsed: Duration::from_millis(1500),
            note: None,
        }
    }

    fn shown(live: bool, events: &[Event]) -> String {
        let style = Style {
            live,
            ..Style::new(40, false)
        };
        let mut terminal = Terminal::new(style);
        let stamp = |event: &Event| Stamped {
            seq: 0,
            at: Duration::ZERO,
            event: event.clone(),
        };
        let show = |event: &Event| terminal.event(&stamp(event));
        events.iter().map(show).collect()
    }

    #[test]
    fn a_pipe_has_a_line_for_each_that_came_and_none_for_what_was_there() {
        let events = [
            fetching("a/b", 0, None),
            fetching("a/b", 1 << 20, Some(3 << 20)),
            ready("a/b", 3 << 20),
            ready("a/c", 0),
            Event::ModelUnavailable {
                model: model("a/d"),
                why: "it is gated".to_owned(),
                tests: 2,
            },
        ];
        assert_eq!(
            shown(false, &events),
            "fetched a/b: 3 MiB in 1.50s\na/d cannot be had (2 tests need it): it is gated\n"
        );
    }

    #[test]
    fn a_line_of_letters_goes_on_above_the_last_line() {
        let said = |text: &str| Event::Output {
            text: text.to_owned(),
        };
        let events = [
            fetching("a/b", 0, None),
            said("\x1b[32m..\x1b[0m"),
            said("F"),
            ready("a/b", 0),
        ];
        let line = "fetching a/b: 0 bytes";
        let back = |column: u32| format!("{ERASE}\x1b[A\x1b[{column}G");
        assert_eq!(
            shown(true, &events),
            format!("{line}{ERASE}..\n{line}{}F\n{line}{}", back(3), back(4))
        );
    }

    #[test]
    fn a_terminal_has_a_last_line_that_gives_way() {
        let events = [
            fetching("a/b", 0, None),
            fetching("a/b", 0, None),
            fetching("a/c-of-a-long-name", 1, Some(1 << 20)),
            Event::Output {
                text: "said\n".to_owned(),
            },
            ready("a/b", 0),
            ready("a/c-of-a-long-name", 1 << 20),
        ];
        let first = "fetching a/b: 0 bytes";
        let both = "fetching a/b: 0 bytes, and another";
        let other = "fetching a/c-of-a-long-name: 1 bytes of";
        let last = "fetched a/c-of-a-long-name: 1 MiB in 1.50s\n";
        assert_eq!(
            shown(true, &events),
            format!("{first}{ERASE}{both}{ERASE}said\n{both}{ERASE}{other}{ERASE}{last}")
        );
    }
}
