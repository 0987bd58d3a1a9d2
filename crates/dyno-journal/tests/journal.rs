//! Journals on a real disk: what is written is read back, whatever becomes of the writer.

use dyno_journal::{Ending, JournalError, Runs, parse, read, run_id};
use dyno_model::{Event, RunId, Stamped, TestId, Warning, WorkerId};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::Path;

fn output(text: &str) -> Event {
    Event::Output {
        text: text.to_owned(),
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        "\\PC{0,20}|[é\n\u{2028}\"\\\\]{0,6}".prop_map(|text| Event::Output { text }),
        ("[a-z/é]{1,9}", any::<u32>()).prop_map(|(test, worker)| Event::TestStarted {
            worker: WorkerId(worker),
            test: TestId::new(test).unwrap(),
        }),
        ".{0,12}".prop_map(|message| Event::Warned(Warning {
            message,
            test: None,
            place: Some("a.py:1".to_owned()),
        })),
    ]
}

/// Writes the events to a journal and gives its bytes with what was stamped.
fn record(events: Vec<Event>) -> (Vec<u8>, Vec<Stamped>) {
    let folder = tempfile::tempdir().unwrap();
    let (run, mut journal) = Runs::of(folder.path()).start().unwrap();
    let stamped = events
        .into_iter()
        .map(|event| journal.append(event).unwrap())
        .collect();
    journal.finish().unwrap();
    (fs::read(run.journal()).unwrap(), stamped)
}

/// Times are kept in whole microseconds.
fn same(read: &[Stamped], written: &[Stamped]) -> bool {
    read.len() == written.len()
        && read.iter().zip(written).all(|(a, b)| {
            a.seq == b.seq && a.event == b.event && a.at.as_micros() == b.at.as_micros()
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_prefix_of_the_bytes_is_a_prefix_of_the_events(
        events in proptest::collection::vec(event(), 0..6)
    ) {
        let (bytes, written) = record(events);
        let mut most = 0;
        for cut in 0..=bytes.len() {
            let recording = parse(&bytes[..cut], Path::new("j")).unwrap();
            prop_assert!(same(&recording.events, &written[..recording.events.len()]));
            prop_assert!(recording.events.len() >= most);
            most = recording.events.len();
            prop_assert!(recording.damaged.is_empty() && recording.unknown.is_empty());
        }
        prop_assert_eq!(most, written.len());
    }

    #[test]
    fn garbage_behind_the_header_is_counted_and_no_event(garbage in "[^{}\n]{1,40}") {
        let (mut bytes, written) = record(vec![output("a"), output("b")]);
        let end = bytes.len();
        bytes.extend(garbage.as_bytes());
        let recording = parse(&bytes, Path::new("j")).unwrap();
        prop_assert!(same(&recording.events, &written));
        prop_assert_eq!(recording.ending, Ending::Torn { bytes: (bytes.len() - end) as u64 });
    }
}

#[test]
fn a_torn_last_line_is_told_and_costs_nothing_else() {
    let (bytes, written) = record(vec![output("one"), output("two")]);
    let recording = parse(&bytes[..bytes.len() - 5], Path::new("j")).unwrap();
    assert!(same(&recording.events, &written[..1]));
    assert!(matches!(recording.ending, Ending::Torn { bytes } if bytes > 10));
    assert_eq!(parse(&bytes, Path::new("j")).unwrap().ending, Ending::Whole);
    assert_eq!(parse(b"", Path::new("j")).unwrap().events, []);
}

#[test]
fn what_a_newer_dyno_wrote_is_passed_over_and_counted() {
    let (mut bytes, written) = record(vec![output("one")]);
    for line in [
        r#"{"seq":1,"at_us":5,"event":"teleported","to":"mars"}"#,
        r#"{"seq":2,"at_us":5,"event":"stopping","why":"boredom"}"#,
        r#"{"seq":3,"at_us":5,"event":"teleported"}"#,
        r#"{"seq":4,"at_us":6,"event":"output","text":"two","font":"serif"}"#,
    ] {
        writeln!(bytes, "{line}").unwrap();
    }
    let recording = parse(&bytes, Path::new("j")).unwrap();
    assert_eq!(recording.events.len(), 2);
    assert!(same(&recording.events[..1], &written));
    assert_eq!(recording.events[1].event, output("two"));
    assert_eq!(recording.ending, Ending::Whole);
    let unknown: Vec<_> = recording.unknown.into_iter().collect();
    assert_eq!(
        unknown,
        [("stopping".to_owned(), 1), ("teleported".to_owned(), 2)]
    );
}

#[test]
fn damage_in_the_middle_is_named_by_its_line_and_at_the_end_is_a_torn_line() {
    let (bytes, written) = record(vec![output("one"), output("two"), output("three")]);
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
    lines[2] = b"\0\0\0\0\n";
    let recording = parse(&lines.concat(), Path::new("j")).unwrap();
    assert_eq!(recording.damaged, [3]);
    assert_eq!(
        recording.events,
        [written[0].clone(), written[2].clone()].map(whole_micros)
    );
    lines[3] = b"\0\0\0\0\n";
    let recording = parse(&lines.concat(), Path::new("j")).unwrap();
    assert_eq!(recording.damaged, [3]);
    assert_eq!(recording.ending, Ending::Torn { bytes: 5 });
}

fn whole_micros(mut stamped: Stamped) -> Stamped {
    let micros = u64::try_from(stamped.at.as_micros()).unwrap();
    stamped.at = std::time::Duration::from_micros(micros);
    stamped
}

#[test]
fn another_file_or_a_newer_format_is_refused_by_name() {
    let error = parse(b"hello\n", Path::new("notes.txt")).unwrap_err();
    assert_eq!(error.to_string(), "notes.txt is not a journal of dyno");
    let error = parse(b"{\"dyno_journal\":7}\n", Path::new("j")).unwrap_err();
    assert!(matches!(error, JournalError::TooNew { found: 7, .. }));
    let error = read(Path::new("/nowhere/journal.jsonl")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read /nowhere/journal.jsonl: ")
    );
}

#[test]
fn events_are_numbered_without_gaps_and_their_times_never_run_backwards() {
    let (_, written) = record((0..50).map(|n| output(&n.to_string())).collect());
    for (place, pair) in written.windows(2).enumerate() {
        assert_eq!(pair[0].seq, place as u64);
        assert!(pair[0].at <= pair[1].at);
    }
}

#[test]
fn an_event_is_in_the_file_when_append_returns() {
    let folder = tempfile::tempdir().unwrap();
    let (run, mut journal) = Runs::of(folder.path()).start().unwrap();
    for count in 1..5 {
        journal.append(output("x")).unwrap();
        assert_eq!(read(&run.journal()).unwrap().events.len(), count);
    }
}

#[test]
fn run_ids_sort_by_time() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let id = run_id(at("2026-11-22T08:45:00.9Z"), 0x0f3a);
    assert_eq!(id, RunId::new("20261122-084500-0f3a").unwrap());
    assert!(id < run_id(at("2026-11-22T08:45:01Z"), 0));
    assert!(id < run_id(at("2027-01-01T00:00:00Z"), 0));
}
