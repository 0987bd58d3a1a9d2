//! Runs by tables of inputs: no process, no socket, no clock.

use super::workers::BARREN_WORKERS;
use super::*;
use crate::workers::{Killed, Noted, Remains};
use dyno_config::{Rules, TestOptions, resolve, split};
use dyno_model::{
    Category, Display, Item, Location, Outcome, Phase, PhaseReport, Progress, Status, TestId,
};
use dyno_wire::template::FromTemplate;
use dyno_wire::template::{Collected, SessionOptions};
use dyno_wire::worker::FromWorker;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ffi::OsString;

pub(super) const GW0: WorkerId = WorkerId(0);
pub(super) const GW1: WorkerId = WorkerId(1);

fn test(name: &str) -> TestId {
    TestId::new(format!("t.py::{name}")).unwrap()
}

pub(super) fn item(name: &str, shares: &[&str]) -> Item {
    Item {
        id: test(name),
        location: Location {
            file: "t.py".to_owned(),
            line: Some(1),
            domain: name.to_owned(),
        },
        markers: Vec::new(),
        shares: shares.iter().map(|key| (*key).to_owned()).collect(),
        models: Vec::new(),
    }
}

pub(super) fn collected(items: Vec<Item>, maxfail: u64) -> Input {
    Input::Template(
        TemplateId::FIRST,
        FromTemplate::Collected(Box::new(Collected {
            items,
            visible: Vec::new(),
            deselected: 0,
            options: SessionOptions {
                display: Display {
                    verbosity: 0,
                    report_chars: "wfE".to_owned(),
                    summary: true,
                    header: true,
                    traceback: "auto".to_owned(),
                    show_capture: "all".to_owned(),
                    rootdir: "/r".to_owned(),
                    progress: Progress::Percent,
                },
                maxfail,
                debugger: false,
                xdist_workers: None,
                timeout_plugin: false,
                ordered: false,
                listens: true,
                hub: std::collections::BTreeMap::new(),
                captures: false,
            },
        })),
    )
}

pub(super) fn machine(args: &[&str]) -> Machine {
    let workers = args.iter().find_map(|arg| arg.strip_prefix("-n"));
    let options = TestOptions {
        workers: workers.map(|text| text.parse().unwrap()),
        ..TestOptions::default()
    };
    let args = split(args.iter().map(OsString::from));
    let settings = resolve(options, args, Rules::default()).unwrap();
    machine_of(settings)
}

pub(super) fn machine_of(settings: Settings) -> Machine {
    let surroundings = Surroundings {
        processors: NonZeroU32::new(2).unwrap(),
        memory: None,
        past: HashMap::new(),
        carried: None,
        seed: 7,
    };
    Machine::new(settings, surroundings, "run".to_owned())
}

pub(super) fn report(name: &str, phase: Phase, outcome: Option<Outcome>) -> FromWorker {
    FromWorker::Report {
        report: Box::new(PhaseReport {
            test: test(name),
            phase,
            status: Status {
                category: outcome.map(Category::Outcome),
                letter: String::new(),
                word: String::new(),
            },
            duration: Duration::ZERO,
            longrepr: None,
            headline: None,
            crash: None,
            skip: None,
            xfail: None,
            sections: Vec::new(),
            attempt: 1,
            counts: true,
        }),
        packed: String::new(),
    }
}

pub(super) fn started(name: &str) -> FromWorker {
    FromWorker::Started { test: test(name) }
}

pub(super) fn finished(name: &str) -> FromWorker {
    FromWorker::Finished {
        test: test(name),
        took: None,
    }
}

/// It has ended with this wait status.
fn worker_exited(worker: WorkerId, status: i32) -> Input {
    Input::WorkerExited {
        worker,
        exit: ProcessExit::from_wait_status(status),
        peak_kib: 0,
    }
}

pub(super) fn worker_closed(worker: WorkerId) -> Input {
    Input::WorkerClosed {
        worker,
        garbage: None,
    }
}

/// A machine with everything it was asked to do.
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) effects: Vec<Effect>,
}

impl Bench {
    pub(super) fn new(args: &[&str], items: Vec<Item>, maxfail: u64) -> Self {
        let mut bench = Self::of(machine(args));
        bench.put(collected(items, maxfail));
        bench
    }

    pub(super) fn of(machine: Machine) -> Self {
        let effects = Vec::new();
        Self { machine, effects }
    }

    pub(super) fn put(&mut self, input: Input) {
        self.effects
            .extend(self.machine.step(Duration::ZERO, input));
    }

    pub(super) fn says(
        &mut self,
        worker: WorkerId,
        messages: impl IntoIterator<Item = FromWorker>,
    ) {
        for message in messages {
            self.put(Input::Worker(worker, message));
        }
    }

    /// A worker asks, runs the test that it is given, and asks again before it is over.
    pub(super) fn runs(&mut self, worker: WorkerId, name: &str) {
        self.says(worker, [FromWorker::Next, started(name)]);
        self.says(worker, [FromWorker::Next, finished(name)]);
    }

    pub(super) fn dies(&mut self, worker: WorkerId, status: i32) {
        self.put(worker_closed(worker));
        self.put(worker_exited(worker, status));
    }

    /// The template says that it forked it.
    pub(super) fn forked(&mut self, worker: WorkerId) {
        let pid = 100 + worker.0;
        let forked = FromTemplate::Forked {
            worker,
            pid,
            hazards: Vec::new(),
        };
        self.put(Input::Template(TemplateId::FIRST, forked));
    }

    /// A signal ends the template, and another collects the same.
    pub(super) fn loses_its_template(&mut self, names: &[String]) {
        if self.end().is_none() {
            self.put(Input::TemplateGone(ProcessExit::Signal(9)));
            let items = names.iter().map(|name| item(name, &[])).collect();
            self.put(collected(items, 0));
        }
    }

    pub(super) fn forks(&self) -> Vec<WorkerId> {
        let fork = |effect: &Effect| match effect {
            Effect::Fork(worker, ..) => Some(*worker),
            _ => None,
        };
        self.effects.iter().filter_map(fork).collect()
    }

    pub(super) fn given(&self, to: WorkerId) -> Vec<String> {
        let mut given = Vec::new();
        for effect in &self.effects {
            if let Effect::ToWorker(worker, ToWorker::Run { tests }) = effect
                && *worker == to
            {
                given.extend(tests.iter().map(|one| one.test.to_string()));
            }
        }
        given
    }

    pub(super) fn told(&self, to: WorkerId, what: fn(&ToWorker) -> bool) -> bool {
        self.effects
            .iter()
            .any(|effect| matches!(effect, Effect::ToWorker(w, m) if *w == to && what(m)))
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Record(event) => Some(event),
            _ => None,
        })
    }

    pub(super) fn failures(&self) -> Vec<(String, Phase)> {
        self.events()
            .filter_map(|event| match event {
                Event::Reported { report, .. } if report.crash.is_some() => {
                    Some((report.test.to_string(), report.phase))
                }
                _ => None,
            })
            .collect()
    }

    pub(super) fn failed_run(&self) -> Option<&str> {
        self.events().find_map(|event| match event {
            Event::RunFailed { message } => Some(message.as_str()),
            _ => None,
        })
    }

    pub(super) fn end(&self) -> Option<ExitCode> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::End(code, _) => Some(*code),
            _ => None,
        })
    }

    pub(super) fn finish(&mut self, code: u8) -> Option<ExitCode> {
        assert!(
            self.effects.iter().any(|effect| matches!(
                effect,
                Effect::ToTemplate(TemplateId::FIRST, ToTemplate::Finish { .. })
            )),
            "the session was not told to finish"
        );
        self.put(Input::Template(
            TemplateId::FIRST,
            FromTemplate::Done { code },
        ));
        self.end()
    }
}

#[test]
fn a_run_goes_from_collection_to_the_exit_code() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    assert_eq!(run.forks(), [GW0, GW1]);
    run.says(GW0, [FromWorker::Ready, FromWorker::Next]);
    run.says(GW1, [FromWorker::Ready, FromWorker::Next]);
    assert_eq!(run.given(GW0), ["t.py::a"]);
    assert_eq!(run.given(GW1), ["t.py::b"]);
    for (worker, name) in [(GW0, "a"), (GW1, "b")] {
        run.says(worker, [started(name), FromWorker::Next, finished(name)]);
        assert!(run.told(worker, |message| matches!(message, ToWorker::Finish)));
        run.dies(worker, 0);
    }
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_test_that_nobody_ran_is_told_and_not_passed_over() {
    let mut run = Bench::new(&["-n1"], vec![item("a", &[]), item("b", &[])], 0);
    // The worker is given both, says nothing of one, and asks for more.
    run.says(GW0, [FromWorker::Next, started("a"), finished("a")]);
    run.says(GW0, [started("b")]);
    if let Some(worker) = run.machine.workers.get_mut(GW0) {
        worker.running = None;
    }
    run.says(GW0, [FromWorker::Next]);
    run.dies(GW0, 0);
    assert!(run.failed_run().unwrap().contains("t.py::b"));
    assert_eq!(run.finish(0), Some(ExitCode::InternalError));
}

#[test]
fn one_worker_is_given_everything_in_pytests_order() {
    let items = vec![item("b", &["k"]), item("a", &[]), item("c", &["k"])];
    let mut run = Bench::new(&["-n1"], items, 0);
    run.says(GW0, [FromWorker::Next]);
    assert_eq!(run.given(GW0), ["t.py::b", "t.py::a", "t.py::c"]);
}

#[test]
fn a_crash_is_the_running_tests_and_the_rest_of_its_unit_goes_on_elsewhere() {
    let items = vec![item("a", &["k"]), item("b", &["k"]), item("c", &["k"])];
    let mut run = Bench::new(&["-n2"], items, 0);
    run.says(
        GW0,
        [FromWorker::Next, started("a"), finished("a"), started("b")],
    );
    run.says(GW0, [report("b", Phase::Setup, None)]);
    run.dies(GW0, 11);
    assert_eq!(run.failures(), [("t.py::b".to_owned(), Phase::Call)]);
    assert_eq!(run.forks(), [GW0, GW1]);
    run.runs(GW1, "c");
    assert_eq!(run.given(GW1), ["t.py::c"]);
    run.dies(GW1, 0);
    assert_eq!(run.finish(0), Some(ExitCode::TestsFailed));
}

#[test]
fn the_templates_plugins_hear_of_a_workers_end_after_its_reports() {
    let items = vec![item("a", &[]), item("b", &[])];
    let mut run = Bench::new(&["-n2"], items, 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.says(GW1, [FromWorker::Next, started("b")]);
    run.says(GW0, [FromWorker::Next, finished("a")]);
    let packed = "what its plugins leave".to_owned();
    let output = FromWorker::Output {
        packed: packed.clone(),
        memory: None,
    };
    run.says(GW0, [output]);
    run.dies(GW1, 11);
    run.dies(GW0, 0);
    let fed = run.effects.iter().flat_map(|effect| match effect {
        Effect::ToTemplate(TemplateId::FIRST, ToTemplate::Feed { reports }) => reports.as_slice(),
        _ => &[],
    });
    let ends: Vec<_> = fed
        .filter_map(|feed| match feed {
            Feed::Finish { test } | Feed::Crash { test, .. } => Some((test.as_str(), None, None)),
            Feed::Down {
                worker,
                output,
                error,
            } => {
                let name = if *worker == GW0 { "gw0" } else { "gw1" };
                Some((name, output.as_deref(), error.as_deref()))
            }
            _ => None,
        })
        .collect();
    let expected = [
        ("t.py::a", None, None),
        ("t.py::b", None, None),
        ("gw1", None, Some("Not properly terminated")),
        ("gw0", Some(packed.as_str()), None),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn a_crash_in_teardown_is_an_error_and_keeps_the_calls_outcome() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.says(GW0, [report("a", Phase::Call, Some(Outcome::Passed))]);
    run.dies(GW0, 6);
    assert_eq!(run.failures(), [("t.py::a".to_owned(), Phase::Teardown)]);
}

#[test]
fn a_crash_is_an_error_unless_the_call_ran() {
    use Outcome::{Error, Failed, Skipped};
    let reports: [(&[FromWorker], _, _); 4] = [
        (&[], Phase::Setup, Error),
        (&[report("a", Phase::Setup, None)], Phase::Call, Failed),
        (
            &[report("a", Phase::Setup, Some(Skipped))],
            Phase::Teardown,
            Error,
        ),
        (
            &[report("a", Phase::Setup, Some(Error))],
            Phase::Teardown,
            Error,
        ),
    ];
    for (said, phase, outcome) in reports {
        let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
        run.says(GW0, [FromWorker::Next, started("a")]);
        for message in said {
            let FromWorker::Report { report, packed } = message else {
                continue;
            };
            let (report, packed) = (report.clone(), packed.clone());
            run.says(GW0, [FromWorker::Report { report, packed }]);
        }
        run.dies(GW0, 11);
        let told = run.events().find_map(|event| match event {
            Event::Reported { report, .. } if report.crash.is_some() => Some(report),
            _ => None,
        });
        let category = told.and_then(|report| report.status.category.clone());
        assert_eq!(told.map(|report| report.phase), Some(phase));
        assert_eq!(category, Some(Category::Outcome(outcome)));
    }
}

#[test]
fn a_phase_that_was_noted_is_that_of_the_test_that_was_noted() {
    let cases = [
        (Phase::Setup, 1, Phase::Setup),
        (Phase::Call, 1, Phase::Call),
        (Phase::Teardown, 1, Phase::Call),
        // It was in the next test's, and that test is not known to have begun.
        (Phase::Setup, 2, Phase::Call),
    ];
    for (phase, starts, expected) in cases {
        let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
        run.says(GW0, [FromWorker::Next, started("a")]);
        let remains = Remains {
            noted: Some(Noted { phase, starts }),
            ..Remains::default()
        };
        run.put(Input::Left(GW0, remains));
        run.dies(GW0, 9);
        let told = run.events().find_map(|event| match event {
            Event::Reported { report, .. } => Some(report.phase),
            _ => None,
        });
        assert_eq!(told, Some(expected), "{phase:?} of test {starts}");
    }
}

#[test]
fn who_sent_sigkill_is_told_where_it_is_known() {
    let rose = "oom_kill of memory.events rose from 0 to 1".to_owned();
    for (out_of_memory, expected) in [(Some(rose), "rose from 0 to 1"), (None, "from outside")] {
        let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
        run.says(GW0, [FromWorker::Next, started("a")]);
        let killed = Killed {
            out_of_memory,
            peak_kib: 3 << 10,
        };
        let remains = Remains {
            killed: Some(killed),
            ..Remains::default()
        };
        run.put(Input::Left(GW0, remains));
        run.dies(GW0, 9);
        let told = run.events().find_map(|event| match event {
            Event::Reported { report, .. } => report.longrepr.clone(),
            _ => None,
        });
        let told = told.unwrap();
        assert!(told.contains(expected) && told.contains("3 MiB"), "{told}");
    }
}

#[test]
fn a_test_that_a_worker_did_not_hear_of_is_not_lost() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a"), FromWorker::Next]);
    run.says(GW0, [finished("a"), FromWorker::Next]);
    let killed = |effect: &Effect| matches!(effect, Effect::Kill(worker) if *worker == GW0);
    assert!(run.effects.iter().any(killed));
    run.dies(GW0, 9);
    run.says(GW1, [FromWorker::Next]);
    assert_eq!(run.given(GW1), ["t.py::b"]);
}

#[test]
fn a_worker_that_exits_in_mid_test_has_crashed_whatever_its_code() {
    for status in [0, 1 << 8, 5 << 8, 9] {
        let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
        run.says(GW0, [FromWorker::Next, started("a")]);
        run.dies(GW0, status);
        assert_eq!(run.failures().len(), 1, "wait status {status}");
    }
}

#[test]
fn an_exit_is_accounted_for_only_after_the_last_word() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.put(worker_exited(GW0, 0));
    assert!(run.failures().is_empty());
    run.says(GW0, [FromWorker::Next, finished("a")]);
    run.put(worker_closed(GW0));
    assert!(run.failures().is_empty());
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_socket_that_a_grandchild_holds_open_does_not_hold_the_run() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.runs(GW0, "a");
    run.put(worker_exited(GW0, 0));
    run.put(Input::GraceOver(GW0));
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_worker_that_does_not_exit_is_killed() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.runs(GW0, "a");
    run.put(worker_closed(GW0));
    run.put(Input::GraceOver(GW0));
    assert!(run.effects.iter().any(|e| matches!(e, Effect::Kill(GW0))));
}

#[test]
fn maxfail_stops_the_others_after_their_test_and_exits_with_1() {
    let items = vec![item("a", &[]), item("b", &[]), item("c", &[])];
    let mut run = Bench::new(&["-n2"], items, 1);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.says(GW1, [FromWorker::Next, started("b")]);
    run.says(GW0, [report("a", Phase::Call, Some(Outcome::Failed))]);
    assert!(run.told(GW1, |message| matches!(message, ToWorker::Stop)));
    run.says(GW0, [FromWorker::Next, finished("a")]);
    run.dies(GW0, 1 << 8);
    run.says(GW1, [finished("b")]);
    run.dies(GW1, 0);
    assert_eq!(run.given(GW0), ["t.py::a"]);
    assert!(run.failures().is_empty());
    assert_eq!(run.finish(1), Some(ExitCode::TestsFailed));
}

#[test]
fn the_time_is_counted_from_the_sessions_start() {
    let mut machine = machine(&[]);
    machine.step(
        Duration::from_secs(2),
        Input::Template(TemplateId::FIRST, FromTemplate::SessionStarted),
    );
    let done = Input::Template(TemplateId::FIRST, FromTemplate::Done { code: 5 });
    let effects = machine.step(Duration::from_secs(5), done);
    let elapsed = effects.iter().find_map(|effect| match effect {
        Effect::Record(Event::RunFinished { elapsed, .. }) => Some(*elapsed),
        _ => None,
    });
    assert_eq!(elapsed, Some(Duration::from_secs(3)));
}

#[test]
fn a_code_that_a_test_asked_for_is_the_runs() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    let reason = "enough".to_owned();
    let code = Some(7);
    run.says(GW0, [FromWorker::StopAsked { reason, code }]);
    run.dies(GW0, 7 << 8);
    run.says(GW1, [FromWorker::Next]);
    assert!(run.given(GW1).is_empty());
    run.dies(GW1, 0);
    assert!(run.failures().is_empty());
    assert_eq!(run.finish(2), Some(ExitCode::Other(7)));
}

#[test]
fn the_first_signal_interrupts_what_runs_and_the_second_ends_at_once() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.put(Input::Signal(2));
    assert!(
        run.effects
            .iter()
            .any(|e| matches!(e, Effect::Interrupt(GW0)))
    );
    assert!(
        !run.effects
            .iter()
            .any(|e| matches!(e, Effect::Interrupt(GW1)))
    );
    assert_eq!(run.end(), None);
    run.put(Input::Signal(2));
    assert_eq!(run.end(), Some(ExitCode::Interrupted));
}

#[test]
fn a_signal_while_pytest_is_loaded_ends_the_run() {
    let effects = machine(&[]).step(Duration::ZERO, Input::Signal(2));
    assert!(matches!(
        effects.last(),
        Some(Effect::End(ExitCode::Interrupted, Leave::Killed))
    ));
}

#[test]
fn a_signal_while_collecting_goes_to_the_template() {
    let mut machine = machine(&[]);
    let began = Input::Template(TemplateId::FIRST, FromTemplate::SessionStarted);
    machine.step(Duration::ZERO, began);
    let effects = machine.step(Duration::ZERO, Input::Signal(2));
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::InterruptTemplate))
    );
    let done = Input::Template(TemplateId::FIRST, FromTemplate::Done { code: 2 });
    let effects = machine.step(Duration::ZERO, done);
    assert!(matches!(
        effects.last(),
        Some(Effect::End(ExitCode::Interrupted, _))
    ));
}

#[test]
fn a_template_that_exits_ends_the_run_with_3_and_no_test_is_blamed() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[]), item("b", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.put(Input::TemplateGone(ProcessExit::Code(7)));
    run.put(worker_closed(GW0));
    run.put(worker_closed(GW1));
    assert!(run.failures().is_empty());
    assert!(run.failed_run().unwrap().contains("exit code 7"));
    assert_eq!(run.end(), Some(ExitCode::InternalError));
}

#[test]
fn a_worker_that_talks_nonsense_is_killed_and_its_test_fails_with_the_reason() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.says(GW0, [FromWorker::Next, started("a")]);
    run.put(Input::WorkerClosed {
        worker: GW0,
        garbage: Some("a frame of 9 bytes".to_owned()),
    });
    assert!(run.effects.iter().any(|e| matches!(e, Effect::Kill(GW0))));
    run.put(worker_exited(GW0, 9));
    let told = |event: &Event| match event {
        Event::Reported { report, .. } => report.longrepr.clone(),
        _ => None,
    };
    let longrepr = run.events().find_map(told).unwrap();
    assert!(longrepr.contains("a frame of 9 bytes"), "{longrepr}");
}

#[test]
fn a_template_that_talks_nonsense_ends_the_run() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.put(Input::TemplateGarbled("a frame of 9 bytes".to_owned()));
    assert!(run.failed_run().unwrap().contains("a frame of 9 bytes"));
    assert_eq!(run.end(), Some(ExitCode::InternalError));
}

#[test]
fn workers_that_cannot_live_end_the_run_and_do_not_fork_for_ever() {
    let items = (0..50).map(|n| item(&format!("t{n}"), &[])).collect();
    let mut run = Bench::new(&["-n2"], items, 0);
    for worker in 0..=BARREN_WORKERS {
        run.dies(WorkerId(worker), 9);
    }
    assert!(run.failed_run().unwrap().contains("before they ran a test"));
    assert!(run.forks().len() <= BARREN_WORKERS as usize + 2);
    assert_eq!(run.finish(2), Some(ExitCode::InternalError));
}

#[test]
fn a_death_while_the_session_is_torn_down_is_not_a_success() {
    let mut run = Bench::new(&["-n2"], vec![item("a", &[])], 0);
    run.runs(GW0, "a");
    run.dies(GW0, 11);
    assert!(run.failed_run().unwrap().contains("SIGSEGV"));
    assert_eq!(run.finish(0), Some(ExitCode::InternalError));
}

#[test]
fn usage_errors_and_empty_collections_end_with_pytests_code() {
    for (code, exit) in [
        (4, ExitCode::UsageError),
        (5, ExitCode::NoTestsCollected),
        (0, ExitCode::Ok),
    ] {
        let mut machine = machine(&[]);
        let done = Input::Template(TemplateId::FIRST, FromTemplate::Done { code });
        let effects = machine.step(Duration::ZERO, done);
        assert!(matches!(effects.last(), Some(Effect::End(end, _)) if *end == exit));
    }
}

#[test]
fn a_stranger_on_the_template_socket_is_told_apart() {
    let mut machine = machine(&[]);
    let hello = FromTemplate::Hello {
        protocol: dyno_wire::PROTOCOL + 1,
        pid: 1,
        python: String::new(),
        pytest: String::new(),
    };
    let effects = machine.step(Duration::ZERO, Input::Template(TemplateId::FIRST, hello));
    assert!(matches!(
        effects.last(),
        Some(Effect::End(ExitCode::UsageError, _))
    ));
}

proptest! {
    /// Whoever dies and whenever, every test gets exactly one account and the run ends.
    #[test]
    fn every_test_finishes_once_whoever_dies(
        shares in proptest::collection::vec(0u8..4, 1..20),
        fates in proptest::collection::vec((0u8..6, 0usize..4), 0..60),
        losses in proptest::collection::vec(0usize..20, 0..3),
    ) {
        let names: Vec<_> = (0..shares.len()).map(|n| format!("t{n}")).collect();
        let keys: Vec<_> = shares.iter().map(ToString::to_string).collect();
        let items = names
            .iter()
            .zip(&keys)
            .map(|(name, key)| item(name, if key == "0" { &[] } else { std::slice::from_ref(key) }
                .iter().map(String::as_str).collect::<Vec<_>>().as_slice()))
            .collect();
        let mut run = Bench::new(&["-n2"], items, 0);
        let mut fates = fates.into_iter();
        let mut told = 0;
        let mut waiting = std::collections::VecDeque::new();
        for round in 0.. {
            for _ in losses.iter().filter(|&&at| at == round) {
                run.loses_its_template(&names);
            }
            // Look at what is new, and let the workers concerned act.
            let new: Vec<(WorkerId, Option<Vec<TestId>>)> = run.effects[told..].iter().filter_map(|effect| match effect {
                Effect::Fork(worker, ..) => Some((*worker, None)),
                Effect::ToWorker(worker, ToWorker::Run { tests }) => {
                    Some((*worker, Some(tests.iter().map(|one| one.test.clone()).collect())))
                }
                Effect::ToWorker(worker, ToWorker::Finish) => Some((*worker, Some(Vec::new()))),
                _ => None,
            }).collect();
            told = run.effects.len();
            waiting.extend(new);
            let Some((worker, orders)) = waiting.pop_front() else { break };
            match orders {
                None => {
                    run.forked(worker);
                    run.says(worker, [FromWorker::Next]);
                }
                Some(tests) if tests.is_empty() => run.dies(worker, 0),
                Some(tests) => {
                    // Die in one of the first tests, or run all.
                    let (fate, at) = fates.next().unwrap_or((1, 0));
                    let dies = fate == 0;
                    for (index, test) in tests.iter().enumerate() {
                        run.says(worker, [FromWorker::Started { test: test.clone() }]);
                        if dies && index == at.min(tests.len() - 1) {
                            run.dies(worker, 11);
                            break;
                        }
                        if index + 1 < tests.len() {
                            let (test, took) = (test.clone(), None);
                            run.says(worker, [FromWorker::Finished { test, took }]);
                        }
                    }
                    if !dies {
                        let test = tests.last().unwrap().clone();
                        // The question comes before the last teardown's end, as in a worker.
                        let finished = FromWorker::Finished { test, took: None };
                        run.says(worker, [FromWorker::Next, finished]);
                    }
                }
            }
        }
        run.finish(0);
        prop_assert!(run.end().is_some());
        let mut seen = BTreeSet::new();
        for event in run.events() {
            if let Event::TestFinished { test, .. } = event {
                prop_assert!(seen.insert(test.clone()), "{} finished twice", test);
            }
        }
        prop_assert_eq!(seen.len(), names.len());
    }
}
