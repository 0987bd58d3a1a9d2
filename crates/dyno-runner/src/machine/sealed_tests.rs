//! Sealed units: what they may have, what they had, when it is free again.

use super::tests::{
    Bench, GW0, GW1, collected, finished, item, machine_of, started, worker_closed,
};
use super::*;
use crate::workers::{Killed, Remains};
use dyno_config::{Rules, TestOptions, resolve, split};
use dyno_model::{Limits, Usage};
use dyno_wire::worker::FromWorker;
use std::ffi::OsString;

/// Two sealed tests, of which one may run at a time.
fn run() -> Bench {
    let rules = "[tool.dyno]\nmemory-limit = \"512 MiB\"\n\
                 [[tool.dyno.rules]]\nlane = \"sealed\"\ntokens = [\"one\"]";
    let rules = Rules::of(Some(rules), None).unwrap();
    let options = TestOptions {
        workers: Some("2".parse().unwrap()),
        ..TestOptions::default()
    };
    let settings = resolve(options, split(Vec::<OsString>::new()), rules).unwrap();
    let mut bench = Bench::of(machine_of(settings));
    bench.put(collected(vec![item("a", &[]), item("b", &[])], 0));
    for worker in [GW0, GW1] {
        bench.put(Input::Worker(worker, FromWorker::Next));
    }
    bench
}

fn is_given(worker: WorkerId) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::ToWorker(to, ToWorker::Run { .. }) if *to == worker)
}

fn ends(bench: &mut Bench, exit: ProcessExit) {
    bench.put(worker_closed(GW0));
    bench.put(Input::WorkerExited {
        worker: GW0,
        exit,
        peak_kib: 0,
    });
}

#[test]
fn a_limit_is_set_before_the_unit_is_heard_of() {
    let bench = run();
    let of_limit =
        |effect: &Effect| matches!(effect, Effect::Limit(GW0, limits) if !limits.is_empty());
    let limit = bench.effects.iter().position(of_limit).unwrap();
    let given = bench.effects.iter().position(is_given(GW0)).unwrap();
    assert!(limit < given);
}

#[test]
fn what_a_sealed_unit_holds_is_free_when_all_of_it_is_dead() {
    let mut bench = run();
    for message in [started("a"), FromWorker::Next, finished("a")] {
        bench.put(Input::Worker(GW0, message));
    }
    assert!(
        !bench.effects.iter().any(is_given(GW1)),
        "a server may live"
    );
    ends(&mut bench, ProcessExit::Code(0));
    assert!(bench.effects.iter().any(is_given(GW1)));
}

#[test]
fn a_unit_that_had_too_much_memory_says_so() {
    let mut bench = run();
    bench.put(Input::Worker(GW0, started("a")));
    let usage = Usage {
        peak: Some(Bytes(512 << 20)),
        oom_kills: 2,
        shortages: 1,
        ..Usage::default()
    };
    bench.put(Input::Used(GW0, usage));
    let remains = Remains {
        killed: Some(Killed {
            out_of_memory: Some("oom_kill of x rose from 0 to 2".to_owned()),
            peak_kib: 0,
        }),
        ..Remains::default()
    };
    bench.put(Input::Left(GW0, remains));
    ends(&mut bench, ProcessExit::Signal(9));
    let events = || {
        bench.effects.iter().filter_map(|effect| match effect {
            Effect::Record(event) => Some(event),
            _ => None,
        })
    };
    let limits = Limits {
        memory: Some(Bytes(512 << 20)),
        processes: None,
    };
    let is_told = |event: &Event| {
        matches!(event, Event::Used { tests, limits: told, .. }
            if tests.len() == 1 && *told == limits)
    };
    assert!(events().any(is_told));
    let crash = events().find_map(|event| match event {
        Event::Reported { report, .. } => report.crash.clone(),
        _ => None,
    });
    let expected = "worker gw0 died with SIGKILL while it ran this test: killed by the kernel: \
                    memory limit of 512 MiB exceeded (peak 512 MiB), 2 processes killed";
    assert_eq!(crash.as_deref(), Some(expected));
}
