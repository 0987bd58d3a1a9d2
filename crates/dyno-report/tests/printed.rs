//! What tests print, on the screen of one worker and of several.

use dyno_model::{
    Display, Event, Item, Keeping, Location, Printed, PrintedMore, Progress, Stamped, Stream,
    TestId, WorkerId,
};
use dyno_report::{Style, Terminal};
use std::time::Duration;

const TEST: &str = "test_a.py::test_b";

fn screen(workers: u32, events: Vec<Event>) -> String {
    let item = Item {
        id: TestId::new(TEST).unwrap(),
        location: Location {
            file: "test_a.py".to_owned(),
            line: Some(0),
            domain: "test_b".to_owned(),
        },
        markers: Vec::new(),
        shares: Vec::new(),
        models: Vec::new(),
    };
    let display = Display {
        verbosity: 0,
        report_chars: "wfE".to_owned(),
        summary: true,
        header: false,
        traceback: "auto".to_owned(),
        show_capture: "all".to_owned(),
        rootdir: "/suite".to_owned(),
        progress: Progress::Off,
    };
    let collected = Event::Collected {
        items: vec![item],
        deselected: 0,
        display,
    };
    let planned = Event::Planned {
        units: 1,
        workers,
        seed: None,
    };
    let started = Event::TestStarted {
        worker: WorkerId(0),
        test: TestId::new(TEST).unwrap(),
    };
    let mut terminal = Terminal::new(Style::new(80, false));
    (0..)
        .zip([collected, planned, started].into_iter().chain(events))
        .map(|(seq, event)| Stamped {
            seq,
            at: Duration::ZERO,
            event,
        })
        .map(|stamped| terminal.event(&stamped))
        .collect()
}

fn printed(stream: Stream, text: &str, keeping: Keeping) -> Event {
    Event::Printed(Printed {
        worker: WorkerId(0),
        test: Some(TestId::new(TEST).unwrap()),
        stream,
        text: text.to_owned(),
        keeping,
    })
}

fn more(left_out: u64, file: Option<&str>) -> Event {
    Event::PrintedMore(PrintedMore {
        worker: WorkerId(0),
        test: Some(TestId::new(TEST).unwrap()),
        stream: Stream::Stdout,
        left_out,
        file: file.map(str::to_owned),
        tail: "the end\n".to_owned(),
    })
}

#[test]
fn one_worker_prints_where_the_cursor_is_and_several_by_lines() {
    let events = || {
        vec![
            printed(Stream::Stdout, "a\nb", Keeping::Journal),
            printed(Stream::Stderr, "c\n", Keeping::Journal),
        ]
    };
    assert_eq!(screen(1, events()), "\ntest_a.py a\nbc\n");
    let lines = "gw0 test_a.py::test_b | a\ngw0 test_a.py::test_b | b\n\
                 gw0 test_a.py::test_b ! c\n";
    assert_eq!(screen(2, events()), format!("\n{lines}"));
}

#[test]
fn of_a_line_that_was_written_over_the_last_state_is_shown() {
    let events = vec![printed(
        Stream::Stdout,
        "10%\r20%\r100%\r\n",
        Keeping::Journal,
    )];
    assert_eq!(screen(2, events), "\ngw0 test_a.py::test_b | 100%\n");
}

#[test]
fn what_the_journal_left_out_is_told_where_it_was_not_seen() {
    let head = || printed(Stream::Stdout, "the head\n", Keeping::Journal);
    let replayed = screen(1, vec![head(), more(5, Some("/run/printed/gw0-1.txt"))]);
    assert_eq!(
        replayed,
        "\ntest_a.py the head\n\
         [dyno: 5 bytes left out; the whole is in /run/printed/gw0-1.txt]\nthe end\n"
    );
    let lost = screen(1, vec![head(), more(5, None)]);
    assert!(lost.contains("5 bytes left out; the whole could not be kept"));
    // Live, all of it was on the screen.
    let middle = printed(Stream::Stdout, "12345the end\n", Keeping::File);
    let live = screen(1, vec![head(), middle, more(5, Some("f"))]);
    assert_eq!(live, "\ntest_a.py the head\n12345the end\n");
}
