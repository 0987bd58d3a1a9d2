//! What only dyno shows: several workers, workers that die, runs that break or are cut off.

use dyno_model::{
    Category, Display, Event, ExitCode, Item, Location, Outcome, Phase, PhaseReport, ProcessExit,
    Progress, RunId, Section, Stamped, Status, Stop, TestId, Warning, WorkerFailure, WorkerId,
};
use dyno_report::{Messages, Style, Terminal, outcomes, tally};
use proptest::prelude::*;
use std::time::Duration;

fn id(name: &str) -> TestId {
    TestId::new(name).unwrap()
}

fn item(name: &str) -> Item {
    Item {
        id: id(name),
        location: Location {
            file: id(name).file().to_owned(),
            line: Some(0),
            domain: name.rsplit("::").next().unwrap().to_owned(),
        },
        markers: Vec::new(),
        shares: Vec::new(),
        models: Vec::new(),
    }
}

fn run_started() -> Event {
    Event::RunStarted {
        run: RunId::new("r").unwrap(),
        dyno: "0.1.0".to_owned(),
        args: Vec::new(),
        cwd: "/suite".to_owned(),
        unix_time: 0,
    }
}

fn collected(tests: &[&str], verbosity: i32) -> Event {
    Event::Collected {
        items: tests.iter().map(|name| item(name)).collect(),
        deselected: 0,
        display: Display {
            verbosity,
            report_chars: "wfE".to_owned(),
            summary: true,
            header: true,
            traceback: "auto".to_owned(),
            show_capture: "all".to_owned(),
            rootdir: "/suite".to_owned(),
            progress: Progress::Percent,
        },
    }
}

/// A run of `tests` by so many workers, up to its first test.
fn begin(tests: &[&str], verbosity: i32, workers: u32) -> Vec<Event> {
    let text = format!("collected {} items\n", tests.len());
    vec![
        run_started(),
        Event::Output { text },
        collected(tests, verbosity),
        Event::Planned {
            units: 1,
            workers,
            seed: None,
        },
    ]
}

fn started(name: &str, worker: u32) -> Event {
    Event::TestStarted {
        worker: WorkerId(worker),
        test: id(name),
    }
}

fn reported(name: &str, worker: u32, outcome: Outcome) -> Event {
    let (letter, word) = match outcome {
        Outcome::Passed => (".", "PASSED"),
        Outcome::Skipped => ("s", "SKIPPED"),
        Outcome::Xfailed => ("x", "XFAIL"),
        Outcome::Xpassed => ("X", "XPASS"),
        Outcome::Error => ("E", "ERROR"),
        Outcome::Failed => ("F", "FAILED"),
    };
    let failed = outcome == Outcome::Failed;
    let text = |text: &str| failed.then(|| text.to_owned());
    Event::Reported {
        worker: WorkerId(worker),
        report: Box::new(PhaseReport {
            test: id(name),
            phase: Phase::Call,
            status: Status {
                category: Some(Category::Outcome(outcome)),
                letter: letter.to_owned(),
                word: word.to_owned(),
            },
            duration: Duration::ZERO,
            longrepr: text("E   assert 0\n\ntest_a.py:1: AssertionError\n"),
            headline: text(name.rsplit("::").next().unwrap()),
            crash: text("assert 0 of a message that is too long for a narrow screen"),
            skip: None,
            xfail: None,
            sections: Vec::new(),
            attempt: 1,
            counts: true,
        }),
    }
}

/// A test from its start to its end.
fn ran(name: &str, worker: u32, outcome: Outcome) -> [Event; 3] {
    let finished = Event::TestFinished {
        worker: WorkerId(worker),
        test: id(name),
        took: None,
    };
    [
        started(name, worker),
        reported(name, worker, outcome),
        finished,
    ]
}

fn finished(exit: ExitCode) -> Event {
    Event::RunFinished {
        exit,
        elapsed: Duration::from_millis(1234),
    }
}

fn stamp(events: impl IntoIterator<Item = Event>) -> Vec<Stamped> {
    (0..)
        .zip(events)
        .map(|(seq, event)| Stamped {
            seq,
            at: Duration::from_millis(seq * 10),
            event,
        })
        .collect()
}

fn screen_with(style: Style, events: impl IntoIterator<Item = Event>) -> String {
    let mut terminal = Terminal::new(style);
    let mut screen = String::new();
    for stamped in stamp(events) {
        screen.push_str(&terminal.event(&stamped));
    }
    screen + &terminal.cut_off()
}

fn screen(events: impl IntoIterator<Item = Event>) -> String {
    screen_with(Style::new(60, false), events)
}

const A: &str = "test_a.py::test_one";
const B: &str = "test_a.py::test_two";
const C: &str = "test_b.py::test_three";

#[test]
fn several_workers_give_one_whole_line_a_test_with_v() {
    let mut terminal = Terminal::new(Style::new(60, false));
    let mut printed = String::new();
    let mut events = begin(&[A, B, C], 1, 2);
    events.extend([started(A, 0), started(B, 1)]);
    events.push(reported(B, 1, Outcome::Passed));
    events.extend(ran(C, 1, Outcome::Passed));
    events.push(reported(A, 0, Outcome::Failed));
    events.push(finished(ExitCode::TestsFailed));
    for stamped in stamp(events) {
        let text = terminal.event(&stamped);
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        printed.push_str(&text);
    }
    insta::assert_snapshot!(printed, @r#"
    collected 3 items
    2 workers [3 items]

    test_a.py::test_two PASSED                           [ 33%]
    test_b.py::test_three PASSED                         [ 66%]
    test_a.py::test_one FAILED                           [100%]

    ========================= FAILURES =========================
    _________________________ test_one _________________________
    E   assert 0

    test_a.py:1: AssertionError
    ================= short test summary info ==================
    FAILED test_a.py::test_one - assert 0 of a message that i...
    =============== 1 failed, 2 passed in 1.23s ================
    "#);
}

#[test]
fn a_worker_that_dies_between_tests_is_told_and_one_that_dies_in_a_test_is_not_told_twice() {
    let died = |worker, test, detail: Option<&str>| Event::WorkerEnded {
        worker: WorkerId(worker),
        exit: ProcessExit::Signal(11),
        failure: Some(WorkerFailure {
            test,
            detail: detail.map(str::to_owned),
        }),
        memory: None,
    };
    let mut events = begin(&[A, B, C], 0, 2);
    events.extend(ran(A, 0, Outcome::Passed));
    events.push(died(
        0,
        None,
        Some("Fatal Python error: Segmentation fault"),
    ));
    events.push(started(B, 1));
    events.push(reported(B, 1, Outcome::Failed));
    events.push(died(1, Some(id(B)), None));
    events.extend(ran(C, 2, Outcome::Passed));
    events.push(died(2, None, None));
    events.push(finished(ExitCode::TestsFailed));
    insta::assert_snapshot!(screen(events), @r#"
    collected 3 items
    2 workers [3 items]

    .
    [gw0] worker ended by SIGSEGV between two tests
    F.
    [gw2] worker ended by SIGSEGV between two tests
                                                         [100%]
    ========================= FAILURES =========================
    _________________________ test_two _________________________
    E   assert 0

    test_a.py:1: AssertionError
    ===================== WORKER FAILURES ======================
    ______________ gw0: SIGSEGV between two tests ______________
    Fatal Python error: Segmentation fault
    ______________ gw2: SIGSEGV between two tests ______________
    it said nothing
    ================= short test summary info ==================
    FAILED test_a.py::test_two - assert 0 of a message that i...
    =============== 1 failed, 2 passed in 1.23s ================
    "#);
}

#[test]
fn a_run_that_was_cut_off_says_what_it_knows() {
    let mut events = begin(&[A, B, C], 0, 2);
    events.extend(ran(A, 0, Outcome::Failed));
    events.push(started(B, 1));
    insta::assert_snapshot!(screen(events.clone()), @r#"
    collected 3 items
    2 workers [3 items]

    F
    ========================= FAILURES =========================
    _________________________ test_one _________________________
    E   assert 0

    test_a.py:1: AssertionError
    ================= short test summary info ==================
    FAILED test_a.py::test_one - assert 0 of a message that i...
    !!!!!!!!!!!!!!!!!!! this run was cut off !!!!!!!!!!!!!!!!!!!
    test_a.py::test_two was running in gw1
    1 of 3 tests never ran
    ==================== 1 failed in 0.07s =====================
    "#);
    assert_eq!(
        screen([run_started()]),
        "dyno: this run was cut off before its tests ran\n"
    );
    events.push(finished(ExitCode::TestsFailed));
    assert!(!screen(events).contains("cut off"));
}

#[test]
fn every_way_to_stop_has_its_line() {
    let stops = [
        Stop::MaxFail { failures: 2 },
        Stop::Asked {
            reason: "a test asked".to_owned(),
        },
        Stop::Asked {
            reason: "KeyboardInterrupt".to_owned(),
        },
        Stop::Signal { number: 2 },
        Stop::Signal { number: 15 },
        Stop::Broken,
    ];
    let lines: Vec<String> = stops
        .into_iter()
        .map(|why| {
            let mut events = begin(&[A], 0, 1);
            events.push(Event::Stopping { why });
            events.push(finished(ExitCode::Interrupted));
            let screen = screen(events);
            let lines: Vec<&str> = screen.lines().collect();
            lines[lines.len() - 2].to_owned()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    !!!!!!!!!!!!!!!! stopping after 2 failures !!!!!!!!!!!!!!!!!
    !!!!!!!!!!!!!!!! Interrupted: a test asked !!!!!!!!!!!!!!!!!
    !!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!
    !!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!
    !!!!!!!!!!!!!!!!!!! Interrupted: SIGTERM !!!!!!!!!!!!!!!!!!!
    !!!!!!!!!!!!!!!!!!!! the run broke off !!!!!!!!!!!!!!!!!!!!!
    "#);
}

#[test]
fn a_run_that_breaks_says_why_at_once_and_at_the_end() {
    let mut events = begin(&[A, B], 0, 1);
    events.extend(ran(A, 0, Outcome::Passed));
    events.push(Event::RunFailed {
        message: "the template was killed by SIGKILL\nhint: is memory short?".to_owned(),
    });
    events.push(Event::Stopping { why: Stop::Broken });
    events.push(finished(ExitCode::InternalError));
    insta::assert_snapshot!(screen(events), @r#"
    collected 2 items

    test_a.py .
    dyno: the template was killed by SIGKILL
    hint: is memory short?

    !!!!!!!!!!!! the template was killed by SIGKILL !!!!!!!!!!!!
    ==================== 1 passed in 1.23s =====================
    "#);
}

#[test]
fn where_pytest_showed_everything_dyno_adds_nothing_but_its_own_failure() {
    let output = || Event::Output {
        text: "no tests ran in 0.01s\n".to_owned(),
    };
    let warned = || {
        Event::Warned(Warning {
            message: "w".to_owned(),
            test: None,
            place: None,
        })
    };
    let events = [
        run_started(),
        warned(),
        output(),
        finished(ExitCode::NoTestsCollected),
    ];
    assert_eq!(screen(events), "no tests ran in 0.01s\n");
    let broken = Event::RunFailed {
        message: "python: not found".to_owned(),
    };
    let events = [
        run_started(),
        broken.clone(),
        finished(ExitCode::InternalError),
    ];
    assert_eq!(screen(events), "dyno: python: not found\n");
    let half = Event::Output {
        text: "collecting ... ".to_owned(),
    };
    assert_eq!(
        screen([
            run_started(),
            half,
            broken,
            finished(ExitCode::InternalError)
        ]),
        "collecting ... \ndyno: python: not found\n"
    );
}

#[test]
fn no_test_at_all_and_a_plugins_exit_code() {
    let mut events = begin(&[], 0, 1);
    events.push(finished(ExitCode::NoTestsCollected));
    assert!(
        screen(events).ends_with("================== no tests ran in 1.23s ===================\n")
    );

    let mut events = begin(&[A], 0, 1);
    events.extend(ran(A, 0, Outcome::Failed));
    events.push(finished(ExitCode::Other(77)));
    let screen = screen(events);
    assert!(!screen.contains("FAILURES"), "{screen}");
    assert!(screen.contains(" 1 failed in 1.23s "), "{screen}");
}

#[test]
fn messages_are_cut_to_what_is_seen_also_in_colour_and_whole_where_asked() {
    let mut events = begin(&[A], 0, 1);
    events.extend(ran(A, 0, Outcome::Failed));
    events.push(finished(ExitCode::TestsFailed));
    let line = |style: Style| {
        let screen = screen_with(style, events.clone());
        let line = screen.lines().find(|line| line.contains("FAILED"));
        strip_ansi(line.unwrap())
    };
    let plain = line(Style::new(60, false));
    assert_eq!(
        plain,
        "FAILED test_a.py::test_one - assert 0 of a message that i..."
    );
    assert_eq!(plain.len(), 60);
    assert_eq!(line(Style::new(60, true)), plain);
    let whole = Style {
        messages: Messages::Whole,
        ..Style::new(60, true)
    };
    assert!(line(whole).ends_with("too long for a narrow screen"));
}

fn strip_ansi(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').unwrap().1)
}

#[test]
fn outcomes_are_the_gravest_and_the_tally_counts_as_pytest_does() {
    let mut events = begin(&[A, B, C], 0, 1);
    events.extend(ran(A, 0, Outcome::Passed));
    events.push(reported(A, 0, Outcome::Error));
    events.push(reported(B, 0, Outcome::Failed));
    events.push(reported(B, 0, Outcome::Error));
    let Event::Reported { worker, mut report } = reported(C, 0, Outcome::Passed) else {
        unreachable!()
    };
    report.status.category = Some(Category::Other("rerun".to_owned()));
    events.push(Event::Reported { worker, report });
    let events = stamp(events);

    let known: Vec<_> = outcomes(&events).into_iter().collect();
    assert_eq!(known, [(id(A), Outcome::Error), (id(B), Outcome::Failed)]);
    let tally = tally(&events);
    assert_eq!(tally.of(Outcome::Passed), 1);
    assert_eq!(tally.of(Outcome::Error), 2);
    assert_eq!(tally.get(&Category::Other("rerun".to_owned())), 1);
}

fn any_event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just(A), Just(B), Just(C), Just("名/test_é.py::x[\t]")];
    let outcome = prop_oneof![
        Just(Outcome::Passed),
        Just(Outcome::Skipped),
        Just(Outcome::Xfailed),
        Just(Outcome::Xpassed),
        Just(Outcome::Error),
        Just(Outcome::Failed),
    ];
    prop_oneof![
        (name.clone(), 0..3u32).prop_map(|(name, worker)| started(name, worker)),
        (name, 0..3u32, outcome, ".{0,30}").prop_map(|(name, worker, outcome, text)| {
            let mut event = reported(name, worker, outcome);
            if let Event::Reported { report, .. } = &mut event {
                report.xfail = Some(text.clone());
                report.sections = vec![Section {
                    title: "Captured stdout teardown".to_owned(),
                    text: "x".to_owned(),
                }];
            }
            event
        }),
        Just(collected(&[A, B], 0)),
        (-2..3i32).prop_map(|verbosity| collected(&[A, B, C], verbosity)),
        (0..4u32).prop_map(|workers| Event::Planned {
            units: 1,
            workers,
            seed: None
        }),
        ".{0,20}".prop_map(|text| Event::Summary { text }),
        "[a-z\n]{0,20}".prop_map(|message| Event::RunFailed { message }),
        Just(Event::Stopping { why: Stop::Broken }),
        Just(finished(ExitCode::TestsFailed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_is_a_panic_and_the_end_is_a_whole_line(
        events in proptest::collection::vec(any_event(), 0..20),
        width in 0usize..100,
    ) {
        let screen = screen_with(Style::new(width, true), events.clone());
        prop_assert!(screen.is_empty() || screen.ends_with('\n'), "{screen:?}");
        let again = screen_with(Style::new(width, true), events);
        prop_assert_eq!(screen, again);
    }
}
