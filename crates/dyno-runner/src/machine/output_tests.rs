//! What is printed, and who has the terminal, by tables of inputs.

use super::tests::{Bench, GW0, GW1, finished, item, started};
use super::*;
use dyno_model::Stream;
use dyno_wire::worker::FromWorker;

fn printed(worker: WorkerId, text: &str) -> Input {
    Input::Printed {
        worker,
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

/// Texts with the test that each is said to be of.
fn texts<'a>(bench: &'a Bench) -> Vec<(String, Option<&'a str>)> {
    let text = |event: &'a Event| match event {
        Event::Printed(printed) => {
            let test = printed.test.as_ref().map(TestId::as_str);
            Some((printed.text.clone(), test))
        }
        _ => None,
    };
    bench.events().filter_map(text).collect()
}

#[test]
fn a_text_is_of_the_test_that_its_worker_runs() {
    let mut bench = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.says(GW1, [FromWorker::Next, started("b")]);
    bench.put(printed(GW1, "1"));
    bench.put(printed(GW0, "2"));
    bench.says(GW0, [finished("a")]);
    bench.put(printed(GW0, "3"));
    bench.put(printed(GW1, "4"));
    let expected = [
        ("1".to_owned(), Some("t.py::b")),
        ("2".to_owned(), Some("t.py::a")),
        ("3".to_owned(), None),
        ("4".to_owned(), Some("t.py::b")),
    ];
    assert_eq!(texts(&bench), expected);
}

#[test]
fn a_child_that_outlives_its_worker_is_still_heard() {
    let mut bench = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    bench.runs(GW0, "a");
    bench.dies(GW0, 9);
    bench.put(printed(GW0, "late"));
    assert_eq!(texts(&bench), [("late".to_owned(), None)]);
}

#[test]
fn a_debugger_has_the_terminal_until_it_is_done_or_dead() {
    let mut bench = Bench::new(&["-n1"], vec![item("a", &[])], 0);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.effects.clear();
    bench.says(GW0, [FromWorker::TerminalWanted]);
    assert!(matches!(
        bench.effects[..],
        [Effect::LendTerminal(Some(GW0))]
    ));
    bench.effects.clear();
    bench.says(GW0, [FromWorker::TerminalReturned]);
    assert!(matches!(bench.effects[..], [Effect::TakeTerminal]));
    bench.says(GW0, [FromWorker::TerminalWanted]);
    bench.effects.clear();
    bench.dies(GW0, 9);
    let taken = |effect: &Effect| matches!(effect, Effect::TakeTerminal);
    assert!(bench.effects.iter().any(taken));
}
