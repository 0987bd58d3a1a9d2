//! What takes too long, what is tried again, what waits: by tables of inputs.

use super::tests::{Bench, GW0, GW1, collected, finished, item, machine_of, report, started};
use super::watch::{LAST_TEARDOWN, TERMINATE, UNWIND};
use super::*;
use dyno_config::{Rules, TestOptions, resolve, split};
use dyno_model::{Category, Outcome, Phase};
use dyno_wire::worker::FromWorker;
use std::ffi::OsString;

/// A machine with these rules and options.
fn run(rules: &str, options: TestOptions, names: &[&str]) -> Bench {
    let rules = Rules::of(Some(rules), None).unwrap();
    let settings = resolve(options, split(Vec::<OsString>::new()), rules).unwrap();
    let mut bench = Bench::of(machine_of(settings));
    bench.put(collected(
        names.iter().map(|name| item(name, &[])).collect(),
        0,
    ));
    bench
}

fn workers(count: &str) -> TestOptions {
    TestOptions {
        workers: Some(count.parse().unwrap()),
        ..TestOptions::default()
    }
}

fn at(bench: &mut Bench, millis: u64, input: Input) {
    let now = Duration::from_millis(millis);
    let effects = bench.machine.step(now, input);
    bench.effects.extend(effects);
}

fn count(bench: &Bench, what: impl Fn(&Effect) -> bool) -> usize {
    bench.effects.iter().filter(|effect| what(effect)).count()
}

const LIMIT: &str = "[tool.dyno]\ntimeout = 1\nslow = 100";

#[test]
fn a_phase_that_takes_too_long_is_told_then_terminated_then_killed() {
    let mut bench = run(LIMIT, workers("1"), &["a"]);
    let says = |message| Input::Worker(GW0, message);
    at(&mut bench, 0, says(FromWorker::Next));
    at(&mut bench, 0, says(started("a")));
    let phase = Phase::Call;
    at(&mut bench, 500, says(FromWorker::Phase { phase }));
    let unwind = u64::try_from(UNWIND.as_millis()).unwrap();
    let terminate = u64::try_from(TERMINATE.as_millis()).unwrap();
    let told = |effect: &Effect| matches!(effect, Effect::TellTooLong(GW0));
    let asked = |effect: &Effect| matches!(effect, Effect::Terminate(GW0));
    let killed = |effect: &Effect| matches!(effect, Effect::Kill(GW0));
    for (millis, counts) in [
        (1499, [0, 0, 0]),
        (1500, [1, 0, 0]),
        (1500 + unwind - 1, [1, 0, 0]),
        (1500 + unwind, [1, 1, 0]),
        (1500 + unwind + terminate, [1, 1, 1]),
        (1500 + unwind + terminate + 5000, [1, 1, 1]),
    ] {
        at(&mut bench, millis, Input::Tick);
        let seen = [
            count(&bench, told),
            count(&bench, asked),
            count(&bench, killed),
        ];
        assert_eq!(seen, counts, "at {millis} ms");
    }
    bench.dies(GW0, 9);
    let (test, phase) = &bench.failures()[0];
    assert_eq!((test.as_str(), *phase), ("t.py::a", Phase::Call));
}

#[test]
fn a_phase_that_ends_in_time_or_heeds_is_left_alone() {
    let mut bench = run(LIMIT, workers("1"), &["a"]);
    let says = |message| Input::Worker(GW0, message);
    at(&mut bench, 0, says(FromWorker::Next));
    at(&mut bench, 0, says(started("a")));
    let phase = Phase::Setup;
    at(&mut bench, 0, says(FromWorker::Phase { phase }));
    assert_eq!(bench.machine.wake_at(), Some(Duration::from_secs(1)));
    at(&mut bench, 1000, Input::Tick);
    at(
        &mut bench,
        1001,
        says(report("a", Phase::Setup, Some(Outcome::Error))),
    );
    // Only that it is slow can come now.
    assert_eq!(
        bench.machine.wake_at(),
        Some(Duration::from_millis(101_001))
    );
    at(&mut bench, 1002, says(finished("a")));
    assert_eq!(bench.machine.wake_at(), None);
    assert_eq!(
        count(&bench, |effect| matches!(effect, Effect::Terminate(_))),
        0
    );
}

#[test]
fn the_deadline_interrupts_and_later_kills() {
    let options = TestOptions {
        deadline: Some(Duration::from_secs(60)),
        ..workers("2")
    };
    let mut bench = run("", options, &["a", "b"]);
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        at(&mut bench, 0, Input::Worker(worker, FromWorker::Next));
        at(&mut bench, 0, Input::Worker(worker, started(name)));
    }
    at(&mut bench, 60_000, Input::Tick);
    assert_eq!(
        count(&bench, |effect| matches!(effect, Effect::Interrupt(_))),
        2
    );
    let running = bench.events().find_map(|event| match event {
        Event::Stopping {
            why: Stop::Deadline { running, .. },
        } => Some(running.len()),
        _ => None,
    });
    assert_eq!(running, Some(2));
    let last = 60_000 + u64::try_from(LAST_TEARDOWN.as_millis()).unwrap();
    at(&mut bench, last, Input::Tick);
    assert_eq!(count(&bench, |effect| matches!(effect, Effect::Kill(_))), 2);
    let next = bench.machine.wake_at();
    assert!(next.is_none_or(|at| at.as_millis() > last.into()));
}

fn categories(bench: &Bench) -> Vec<(u32, Option<Category>)> {
    let of = |event: &Event| match event {
        Event::Reported { report, .. } => Some((report.attempt, report.status.category.clone())),
        _ => None,
    };
    bench.events().filter_map(of).collect()
}

const RETRY: &str = "[tool.dyno]\nretries = 1";

#[test]
fn a_failure_is_told_when_the_last_attempt_is_over() {
    let mut bench = run(RETRY, workers("1"), &["a"]);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.says(GW0, [report("a", Phase::Call, Some(Outcome::Failed))]);
    assert_eq!(categories(&bench), []);
    bench.says(GW0, [FromWorker::Next, finished("a")]);
    assert_eq!(categories(&bench), [(1, Some(Category::Retried))]);
    bench.dies(GW0, 0);
    // It is tried again in a worker of its own.
    assert_eq!(bench.forks(), [GW0, GW1]);
    bench.says(GW1, [FromWorker::Next, started("a")]);
    bench.says(GW1, [report("a", Phase::Call, Some(Outcome::Passed))]);
    bench.says(GW1, [FromWorker::Next, finished("a")]);
    assert_eq!(categories(&bench)[1], (2, Some(Category::Flaky)));
    bench.dies(GW1, 0);
    assert_eq!(bench.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_crash_is_an_attempt_too() {
    let mut bench = run(RETRY, workers("1"), &["a", "b"]);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.dies(GW0, 11);
    assert_eq!(categories(&bench), [(1, Some(Category::Retried))]);
    for worker in [GW1, WorkerId(2)] {
        bench.says(worker, [FromWorker::Next]);
        let given = bench.given(worker);
        let name = given[0].trim_start_matches("t.py::").to_owned();
        bench.says(worker, [started(&name)]);
        if name == "a" {
            bench.dies(worker, 11);
        } else {
            bench.says(worker, [FromWorker::Next, finished(&name)]);
            bench.dies(worker, 0);
        }
    }
    let failed = (2, Some(Category::Outcome(Outcome::Error)));
    assert_eq!(categories(&bench)[1], failed);
    assert_eq!(bench.finish(1), Some(ExitCode::TestsFailed));
}

#[test]
fn a_stop_tells_what_waits_to_be_tried_again() {
    let mut bench = run(RETRY, workers("1"), &["a", "b"]);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.says(
        GW0,
        [
            report("a", Phase::Call, Some(Outcome::Failed)),
            finished("a"),
        ],
    );
    bench.put(Input::Signal(2));
    bench.says(GW0, [FromWorker::Next]);
    bench.dies(GW0, 0);
    bench.finish(2);
    let failed = (1, Some(Category::Outcome(Outcome::Failed)));
    assert_eq!(categories(&bench).last(), Some(&failed));
}

#[test]
fn a_worker_waits_for_what_another_holds_until_that_is_torn_down() {
    let rules = "[[tool.dyno.rules]]\ntokens = ['etcd']";
    let mut bench = run(rules, workers("2"), &["a", "b"]);
    assert_eq!(bench.forks(), [GW0, GW1]);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.says(GW1, [FromWorker::Next]);
    assert!(bench.told(GW1, |message| matches!(message, ToWorker::Wait)));
    // It asks in the teardown, in which it still holds the token: the next may be its own.
    bench.says(GW0, [FromWorker::Next]);
    assert_eq!(bench.given(GW0), ["t.py::a", "t.py::b"]);
    assert!(bench.told(GW1, |message| matches!(message, ToWorker::Finish)));
    bench.says(
        GW0,
        [finished("a"), started("b"), FromWorker::Next, finished("b")],
    );
    assert!(bench.told(GW0, |message| matches!(message, ToWorker::Finish)));
}

#[test]
fn a_worker_that_waits_is_given_what_a_dead_one_held() {
    let rules = "[[tool.dyno.rules]]\nexclusive = true";
    let mut bench = run(rules, workers("2"), &["a", "b"]);
    bench.says(GW0, [FromWorker::Next, started("a")]);
    bench.says(GW1, [FromWorker::Next]);
    assert_eq!(bench.given(GW1), [""; 0]);
    bench.dies(GW0, 11);
    assert_eq!(bench.given(GW1), ["t.py::b"]);
}

#[test]
fn with_n_auto_units_that_were_large_do_not_meet() {
    let started_of = |gib: u64| {
        let mut surroundings = Surroundings {
            processors: NonZeroU32::new(4).unwrap(),
            memory: Some(Bytes(8 << 30)),
            past: HashMap::new(),
            carried: None,
            seed: 7,
        };
        for name in ["a", "b"] {
            let past = Past {
                elapsed: Duration::from_secs(1),
                cpu: Duration::from_secs(1),
                memory: Bytes(gib << 30),
            };
            surroundings.past.insert(item(name, &[]).id, past);
        }
        let rules = Rules::of(Some("[[tool.dyno.rules]]\nlane = \"sealed\""), None).unwrap();
        let args = split(Vec::<OsString>::new());
        let settings = resolve(TestOptions::default(), args, rules).unwrap();
        let mut bench = Bench::of(Machine::new(settings, surroundings, "run".to_owned()));
        bench.put(collected(vec![item("a", &[]), item("b", &[])], 0));
        for worker in [GW0, GW1] {
            bench.put(Input::Worker(worker, FromWorker::Next));
        }
        let is_given =
            |effect: &Effect| matches!(effect, Effect::ToWorker(_, ToWorker::Run { .. }));
        count(&bench, is_given)
    };
    assert_eq!((started_of(3), started_of(5)), (2, 1));
}
