//! What tests print while they run, where nothing captures it.
//!
//! With one worker as pytest shows it: as it is, wherever the cursor stands. With several,
//! each line says where it comes from: `gw0 test_a.py::test_b | text`, with `!` in place of
//! `|` for standard error.

use crate::canvas::{Canvas, Ink};
use crate::progress::Lanes;
use dyno_model::{Keeping, Printed, PrintedMore, Stream, TestId, WorkerId};
use std::collections::BTreeSet;

/// Shows what is printed, and knows what of it was seen.
#[derive(Debug, Default)]
pub(crate) struct Prints {
    /// Streams of which more was shown than the journal has.
    seen: BTreeSet<(WorkerId, Stream)>,
}

impl Prints {
    pub(crate) fn show(&mut self, printed: &Printed, lanes: Lanes, canvas: &mut Canvas) {
        if printed.keeping == Keeping::File {
            self.seen.insert((printed.worker, printed.stream));
        }
        show(
            (printed.worker, printed.test.as_ref(), printed.stream),
            &printed.text,
            lanes,
            canvas,
        );
    }

    /// Head and tail of what was long. Nothing where all of it was on the screen.
    pub(crate) fn show_more(&mut self, more: &PrintedMore, lanes: Lanes, canvas: &mut Canvas) {
        if self.seen.remove(&(more.worker, more.stream)) {
            return;
        }
        let whole = match &more.file {
            Some(file) => format!("the whole is in {file}"),
            None => "the whole could not be kept".to_owned(),
        };
        let left_out = format!("[dyno: {} bytes left out; {whole}]\n", more.left_out);
        let from = (more.worker, more.test.as_ref(), more.stream);
        if more.left_out > 0 {
            show(from, &left_out, lanes, canvas);
        }
        show(from, &more.tail, lanes, canvas);
    }
}

type From<'a> = (WorkerId, Option<&'a TestId>, Stream);

fn show(from: From<'_>, text: &str, lanes: Lanes, canvas: &mut Canvas) {
    match (lanes, from.2) {
        // pytest writes it through its own reporter, which knows the column from then on.
        (Lanes::One, Stream::Log) => canvas.write_rendered(text),
        (Lanes::One, _) => canvas.pass_on(text),
        (Lanes::Many, _) => {
            let prefix = prefix(from);
            for line in lines(text) {
                canvas.start_line();
                canvas.write(&prefix, &[ink(from.2)]);
                canvas.line(line, &[]);
            }
        }
    }
}

/// The text as it stands on standard error, where that is shown elsewhere.
pub(crate) fn apart(printed: &Printed, lanes: Lanes) -> String {
    if lanes == Lanes::One {
        return printed.text.clone();
    }
    let prefix = prefix((printed.worker, printed.test.as_ref(), printed.stream));
    let mut text = String::new();
    for line in lines(&printed.text) {
        text.push_str(&prefix);
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Lines as a terminal leaves them: a line that was written over (`\r`) is what it came to.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| {
        let line = line.trim_end_matches('\r');
        line.rsplit('\r').next().unwrap_or(line)
    })
}

fn prefix((worker, test, stream): From<'_>) -> String {
    let mark = if stream == Stream::Stderr { '!' } else { '|' };
    match test {
        Some(test) => format!("{worker} {test} {mark} "),
        None => format!("{worker} {mark} "),
    }
}

fn ink(stream: Stream) -> Ink {
    match stream {
        Stream::Stderr => Ink::Yellow,
        Stream::Stdout | Stream::Log => Ink::Cyan,
    }
}
