//! Runs that lose a template, by tables of inputs.

use super::tests::{Bench, GW0, GW1, collected, finished, item, machine, started, worker_closed};
use super::*;
use dyno_wire::template::FromTemplate;
use dyno_wire::template::Part;
use dyno_wire::worker::FromWorker;

const JUST: Duration = Duration::from_millis(5);
const GW2: WorkerId = WorkerId(2);
const KILLED: ProcessExit = ProcessExit::Signal(9);

fn items(names: &[&str]) -> Vec<dyno_model::Item> {
    names.iter().map(|name| item(name, &[])).collect()
}

/// Two workers, each in a test.
fn running(names: &[&str]) -> Bench {
    let mut run = Bench::new(&["-n2"], items(names), 0);
    for (worker, name) in [(GW0, names[0]), (GW1, names[1])] {
        run.forked(worker);
        run.says(worker, [FromWorker::Next, started(name)]);
    }
    run
}

fn count(run: &Bench, is: fn(&Effect) -> bool) -> usize {
    run.effects.iter().filter(|effect| is(effect)).count()
}

fn ends(run: &mut Bench, worker: WorkerId, exit: ProcessExit) {
    run.put(worker_closed(worker));
    run.put(Input::WorkerExited {
        worker,
        exit,
        peak_kib: 0,
    });
}

fn suspects(run: &Bench) -> Vec<String> {
    let lost = run.events().find_map(|event| match event {
        Event::TemplateLost { suspects, .. } => Some(suspects),
        _ => None,
    });
    lost.unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_test_that_is_over_when_the_death_is_known_is_a_suspect_too() {
    let mut run = running(&["a", "b", "c"]);
    run.says(GW0, [FromWorker::Next, finished("a"), started("c")]);
    let input = Input::TemplateGone(KILLED);
    let gone = run.machine.step(JUST, input);
    run.effects.extend(gone);
    assert_eq!(suspects(&run), ["t.py::c", "t.py::b", "t.py::a"]);
    let mut run = running(&["a", "b", "c"]);
    run.says(GW0, [FromWorker::Next, finished("a"), started("c")]);
    let gone = run.machine.step(JUST * 1000, Input::TemplateGone(KILLED));
    run.effects.extend(gone);
    assert_eq!(suspects(&run), ["t.py::c", "t.py::b"]);
}

#[test]
fn workers_go_on_without_their_template_and_the_session_ends_in_another() {
    let mut run = running(&["a", "b"]);
    run.put(Input::TemplateGone(KILLED));
    assert_eq!(suspects(&run), ["t.py::a", "t.py::b"]);
    assert_eq!(
        count(&run, |effect| matches!(effect, Effect::ReplaceTemplate)),
        1
    );
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        run.says(worker, [FromWorker::Next, finished(name)]);
        ends(&mut run, worker, ProcessExit::Code(0));
    }
    assert_eq!(count(&run, |effect| matches!(effect, Effect::FeedAgain)), 0);
    run.put(collected(items(&["a", "b"]), 0));
    assert_eq!(count(&run, |effect| matches!(effect, Effect::FeedAgain)), 1);
    assert!(run.failures().is_empty());
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn what_is_to_be_forked_waits_for_the_new_template() {
    let mut run = running(&["a", "b", "c"]);
    run.put(Input::TemplateGone(KILLED));
    ends(&mut run, GW0, ProcessExit::Signal(11));
    assert_eq!(run.failures().len(), 1, "its own crash is its own");
    assert_eq!(run.forks(), [GW0, GW1]);
    run.put(collected(items(&["a", "b", "c"]), 0));
    assert_eq!(run.forks(), [GW0, GW1, GW2]);
    run.forked(GW2);
    run.runs(GW2, "c");
    run.says(GW1, [finished("b"), FromWorker::Next]);
    ends(&mut run, GW1, ProcessExit::Code(0));
    run.dies(GW2, 0);
    assert_eq!(run.finish(1), Some(ExitCode::TestsFailed));
}

#[test]
fn an_order_to_fork_that_died_with_the_template_is_given_again() {
    let mut run = Bench::new(&["-n1"], items(&["a"]), 0);
    run.put(Input::TemplateGone(KILLED));
    run.put(worker_closed(GW0));
    run.put(collected(items(&["a"]), 0));
    assert_eq!(run.forks(), [GW0, GW1]);
    run.runs(GW1, "a");
    run.dies(GW1, 0);
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_sibling_that_is_lost_takes_the_first_along_and_one_replaces_both() {
    const SECOND: TemplateId = TemplateId(1);
    let mut run = Bench::of(machine(&["-n2"]));
    run.machine.expect_siblings(1);
    let part = |names: &[&str]| {
        FromTemplate::Part(Part {
            items: items(names),
            ..Part::default()
        })
    };
    run.put(Input::Template(SECOND, part(&["b"])));
    run.put(Input::Template(TemplateId::FIRST, part(&[])));
    run.put(collected(items(&["a"]), 0));
    run.forked(GW0);
    run.forked(GW1);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.says(GW1, [FromWorker::Next, started("b")]);
    run.put(Input::SiblingClosed(SECOND));
    assert_eq!(
        count(&run, |effect| matches!(effect, Effect::KillTemplate)),
        1
    );
    run.put(Input::TemplateGone(KILLED));
    run.put(collected(items(&["a", "b"]), 0));
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        run.says(worker, [FromWorker::Next, finished(name)]);
        ends(&mut run, worker, ProcessExit::Code(0));
    }
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_suite_that_kills_every_template_ends_and_what_was_not_run_is_not_passed_over() {
    let mut run = running(&["a", "b", "c", "d"]);
    let mut losses = 0;
    loop {
        run.put(Input::TemplateGone(KILLED));
        losses += 1;
        assert!(losses < 10, "it is replaced for ever");
        if run.failed_run().is_some() {
            break;
        }
        run.put(collected(items(&["a", "b", "c", "d"]), 0));
    }
    // Those that run may end.
    assert_eq!(run.end(), None);
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        run.says(worker, [FromWorker::Next, finished(name)]);
        ends(&mut run, worker, ProcessExit::Code(0));
    }
    assert_eq!(run.end(), Some(ExitCode::InternalError));
}

#[test]
fn a_template_that_does_not_collect_again_ends_the_run() {
    for input in [
        Input::Template(TemplateId::FIRST, FromTemplate::Done { code: 2 }),
        Input::TemplateGone(ProcessExit::Code(1)),
    ] {
        let mut run = running(&["a", "b", "c"]);
        run.put(Input::TemplateGone(KILLED));
        ends(&mut run, GW0, ProcessExit::Code(0));
        run.put(input);
        assert_eq!(run.end(), None, "what runs may end");
        run.says(GW1, [finished("b"), FromWorker::Next]);
        ends(&mut run, GW1, ProcessExit::Code(0));
        assert!(
            run.failed_run()
                .unwrap()
                .contains("in place of the lost one")
        );
        assert_eq!(run.end(), Some(ExitCode::InternalError));
    }
}

#[test]
fn a_test_that_is_not_collected_again_is_named() {
    let mut run = running(&["a", "b", "c"]);
    run.put(Input::TemplateGone(KILLED));
    run.put(collected(items(&["a"]), 0));
    // `b` runs already, wherever it came from.
    assert!(run.failed_run().unwrap().contains("t.py::c"));
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        run.says(worker, [FromWorker::Next, finished(name)]);
        ends(&mut run, worker, ProcessExit::Code(0));
    }
    assert_eq!(run.finish(0), Some(ExitCode::InternalError));
}

#[test]
fn an_orphan_whose_end_nobody_told_does_not_hold_the_run() {
    let mut run = running(&["a", "b"]);
    run.put(Input::TemplateGone(KILLED));
    run.put(collected(items(&["a", "b"]), 0));
    // The template had buried it, and died before it could say so.
    run.put(worker_closed(GW0));
    run.put(Input::GraceOver(GW0));
    run.put(Input::GraceOver(GW0));
    assert_eq!(run.failures().len(), 1);
}
