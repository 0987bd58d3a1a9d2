//! Models of tests by tables: what is asked for, who waits, who goes without.

use super::models::ModelNews;
use super::tests::{Bench, GW0, GW1, collected, finished, item, machine_of, report, started};
use super::*;
use dyno_config::{Models, Rules, TestOptions, resolve, split};
use dyno_model::{Item, ModelFiles, ModelRequest, NamedModel, Outcome, Phase};
use dyno_wire::worker::{FromWorker, ToRun};
use std::ffi::OsString;

fn naming(name: &str, shares: &[&str], models: &[&str]) -> Item {
    let named = |text: &&str| {
        let (name, files) = text.split_once(' ').unwrap_or((text, "all"));
        NamedModel {
            name: name.to_owned(),
            revision: None,
            files: Some(files.to_owned()),
        }
    };
    Item {
        models: models.iter().map(named).collect(),
        ..item(name, shares)
    }
}

fn model(name: &str) -> ModelRequest {
    ModelRequest {
        name: name.parse().unwrap(),
        revision: dyno_model::Revision::default(),
        files: ModelFiles::All,
    }
}

fn ready(name: &str) -> ModelNews {
    ModelNews::Ready {
        model: model(name),
        commit: "0".repeat(40),
        bytes: 1,
        elapsed: Duration::ZERO,
        note: None,
    }
}

fn unavailable(name: &str) -> ModelNews {
    ModelNews::Unavailable {
        model: model(name),
        why: "it is gated".to_owned(),
        hint: "ask for it".to_owned(),
    }
}

fn settings(args: &[&str], change: impl FnOnce(&mut TestOptions)) -> Settings {
    let mut options = TestOptions {
        workers: Some("2".parse().unwrap()),
        ..TestOptions::default()
    };
    change(&mut options);
    let split = split(args.iter().map(OsString::from));
    resolve(options, split, Rules::default()).unwrap()
}

impl Bench {
    /// What was asked for so far.
    fn wanted(&self) -> Vec<String> {
        let of = |effect: &Effect| match effect {
            Effect::FetchModels { models, .. } => Some(models.clone()),
            _ => None,
        };
        let models = self.effects.iter().filter_map(of).flatten();
        let shown = |model: ModelRequest| format!("{model} {:?}", model.files);
        models.map(shown).collect()
    }

    /// What workers were told to run so far.
    fn ordered(&self) -> Vec<&ToRun> {
        let mut ordered = Vec::new();
        for effect in &self.effects {
            if let Effect::ToWorker(_, ToWorker::Run { tests }) = effect {
                ordered.extend(tests);
            }
        }
        ordered
    }

    fn names(&self) -> Vec<&str> {
        let names = self.ordered().into_iter();
        names
            .map(|order| order.test.as_str().trim_start_matches("t.py::"))
            .collect()
    }
}

#[test]
fn each_model_is_asked_for_once_and_as_much_of_it_as_somebody_wants() {
    let items = vec![
        naming("a", &[], &["o/m tokenizer", "o/n tokenizer"]),
        naming("b", &[], &["o/m weightless", "o/n tokenizer"]),
        naming("c", &[], &["no--name"]),
        item("d", &[]),
    ];
    let bench = Bench::new(&["-n2"], items, 0);
    assert_eq!(bench.wanted(), ["o/m Weightless", "o/n Tokenizer"]);
}

#[test]
fn only_units_that_name_a_model_wait_for_it() {
    let items = vec![naming("a", &[], &["o/m"]), item("b", &[])];
    let mut bench = Bench::new(&["-n2"], items, 0);
    assert_eq!(bench.forks().len(), 1);
    bench.runs(GW0, "b");
    assert_eq!(bench.names(), ["b"]);
    bench.says(GW0, [FromWorker::Next]);
    bench.put(Input::Models(vec![ready("o/m")]));
    bench.says(GW1, [FromWorker::Next]);
    assert_eq!(bench.names(), ["b", "a"]);
    let [b, a] = bench.ordered()[..] else {
        panic!()
    };
    assert!(b.env.is_empty() && a.env["HF_HUB_OFFLINE"] == "1");
    assert_eq!(a.env["TRANSFORMERS_OFFLINE"], "1");
    assert_eq!((&a.unavailable, &b.unavailable), (&None, &None));
}

#[test]
fn in_pytests_order_all_wait() {
    let items = vec![item("a", &[]), naming("b", &[], &["o/m"]), item("c", &[])];
    let mut bench = Bench::new(&["-n1"], items, 0);
    assert_eq!(bench.forks().len(), 0);
    bench.put(Input::Models(vec![ready("o/m")]));
    bench.says(GW0, [FromWorker::Next]);
    assert_eq!(bench.names(), ["a", "b", "c"]);
    // Only the one that names it is kept from asking.
    let offline: Vec<bool> = (bench.ordered().iter())
        .map(|order| order.env.contains_key("HF_HUB_OFFLINE"))
        .collect();
    assert_eq!(offline, [false, true, false]);
}

#[test]
fn a_unit_is_offline_as_a_whole() {
    let items = vec![
        item("a", &["module:t"]),
        naming("b", &["module:t"], &["o/m"]),
    ];
    let mut bench = Bench::new(&["-n2"], items, 0);
    bench.put(Input::Models(vec![ready("o/m")]));
    bench.says(GW0, [FromWorker::Next]);
    let ordered = bench.ordered();
    assert_eq!(ordered.len(), 2);
    assert!((ordered.iter()).all(|order| order.env.contains_key("HF_HUB_OFFLINE")));
}

#[test]
fn a_test_whose_model_cannot_be_had_is_told_why_and_is_not_tried_again() {
    let items = vec![naming("a", &[], &["o/m", "no--name"]), item("b", &[])];
    let settings = settings(&[], |options| options.retries = Some(2));
    let mut bench = Bench::of(machine_of(settings));
    bench.put(collected(items, 0));
    bench.runs(GW0, "b");
    bench.says(GW0, [FromWorker::Next]);
    bench.put(Input::Models(vec![
        ModelNews::Fetching {
            model: model("o/m"),
            bytes: 0,
            of: None,
        },
        unavailable("o/m"),
    ]));
    bench.says(GW1, [FromWorker::Next]);
    let [b, a] = bench.ordered()[..] else {
        panic!()
    };
    assert!(b.may_be_retried && !a.may_be_retried);
    let why = a.unavailable.as_deref().unwrap();
    assert!(
        why.starts_with("dyno: \"no--name\" is no model's name"),
        "{why}"
    );
    let of_hub = "dyno: o/m cannot be had: it is gated\nhint: ask for it";
    assert!(why.ends_with(of_hub), "{why}");
    let failed = report("a", Phase::Setup, Some(Outcome::Error));
    bench.says(GW1, [started("a"), failed, FromWorker::Next, finished("a")]);
    let counted = bench.effects.iter().any(|effect| {
        matches!(effect, Effect::Record(Event::Reported { report, .. }) if report.is_failure())
    });
    assert!(counted);
    let told = bench.effects.iter().any(|effect| {
        matches!(
            effect,
            Effect::Record(Event::ModelUnavailable { tests: 1, .. })
        )
    });
    assert!(told);
}

#[test]
fn a_fetch_that_says_nothing_more_keeps_nobody_waiting() {
    let items = vec![naming("a", &[], &["o/m"])];
    let mut bench = Bench::new(&["-n2"], items, 0);
    bench.put(Input::Models(vec![ModelNews::Over]));
    bench.says(GW0, [FromWorker::Next]);
    assert!(bench.ordered()[0].unavailable.is_some());
}

#[test]
fn a_stop_ends_the_fetch_and_the_run() {
    let items = vec![naming("a", &[], &["o/m"])];
    let mut bench = Bench::new(&["-n2"], items, 0);
    bench.put(Input::Signal(2));
    let is_stopped = |effect: &Effect| matches!(effect, Effect::StopFetching);
    assert!(bench.effects.iter().any(is_stopped));
    assert_eq!(bench.forks().len(), 0);
    assert_eq!(bench.machine.state, State::Ending);
    // What comes late is not told.
    let before = bench.effects.len();
    bench.put(Input::Models(vec![ready("o/m")]));
    assert_eq!(bench.effects.len(), before);
}

#[test]
fn where_models_are_ignored_nothing_is_asked_for() {
    let items = vec![naming("a", &[], &["o/m", "no--name"])];
    let settings = settings(&[], |options| options.models = Some(Models::Ignore));
    let mut bench = Bench::of(machine_of(settings));
    bench.put(collected(items, 0));
    bench.says(GW0, [FromWorker::Next]);
    assert_eq!(bench.wanted(), [""; 0]);
    let order = bench.ordered()[0];
    assert!(order.env.is_empty() && order.unavailable.is_none());
}
