//! Runs whose import is shared, by tables of inputs.

use super::tests::{Bench, GW0, GW1, collected, item, machine};
use super::*;
use dyno_wire::template::FromTemplate;
use dyno_wire::template::Part;

const FIRST: TemplateId = TemplateId::FIRST;
const SECOND: TemplateId = TemplateId(1);

/// A run with one sibling that may be forked.
fn shared() -> Bench {
    let mut bench = Bench::of(machine(&["-n2"]));
    bench.machine.expect_siblings(1);
    bench
}

fn part(names: &[&str], modules: &[&str]) -> FromTemplate {
    FromTemplate::Part(Part {
        items: names.iter().map(|name| item(name, &[])).collect(),
        modules: modules.iter().map(|name| (*name).to_owned()).collect(),
        ..Part::default()
    })
}

/// What each template was told of the others: modules, and how many tests.
fn told(bench: &Bench) -> Vec<(u32, Vec<String>, usize)> {
    let told = bench.effects.iter().filter_map(|effect| match effect {
        Effect::ToTemplate(TemplateId(to), ToTemplate::Others { modules, tests, .. }) => {
            Some((*to, modules.clone(), tests.len()))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn templates_hear_of_each_other_when_all_have_collected_and_share_the_workers() {
    let mut run = shared();
    run.put(Input::Template(SECOND, part(&["b"], &["json", "wave"])));
    assert_eq!(told(&run), []);
    run.put(Input::Template(FIRST, part(&[], &["csv", "json"])));
    let modules: Vec<_> = ["csv", "json", "wave"].map(str::to_owned).into();
    assert_eq!(told(&run), [(0, modules.clone(), 1), (1, modules, 0)]);
    run.put(collected(vec![item("a", &[])], 0));
    let forks = run.effects.iter().filter_map(|effect| match effect {
        Effect::Fork(worker, template, _) => Some((*worker, *template)),
        _ => None,
    });
    assert_eq!(forks.collect::<Vec<_>>(), [(GW0, FIRST), (GW1, SECOND)]);
    run.runs(GW0, "a");
    run.runs(GW1, "b");
    assert_eq!(
        (run.given(GW0), run.given(GW1)),
        (vec!["t.py::a".into()], vec!["t.py::b".into()])
    );
    run.dies(GW0, 0);
    run.dies(GW1, 0);
    let finish = |to| {
        let is = |effect: &Effect| matches!(effect, Effect::ToTemplate(id, ToTemplate::Finish { .. }) if *id == to);
        run.effects.iter().position(is)
    };
    assert!(finish(SECOND).unwrap() < finish(FIRST).unwrap());
    run.put(Input::SiblingClosed(SECOND));
    assert_eq!(run.finish(0), Some(ExitCode::Ok));
}

#[test]
fn a_template_that_will_not_share_is_a_run_of_its_own() {
    let mut run = shared();
    // The sockets that it closes may be heard of first.
    run.put(Input::SiblingClosed(SECOND));
    run.put(Input::Template(FIRST, FromTemplate::Alone));
    run.put(collected(vec![item("a", &[])], 0));
    assert_eq!(run.forks(), [GW0]);
    assert_eq!(run.failed_run(), None);
}

#[test]
fn a_sibling_that_dies_while_it_collects_ends_the_run_before_a_test() {
    for ends in [
        Input::SiblingClosed(SECOND),
        Input::Template(SECOND, FromTemplate::Done { code: 3 }),
    ] {
        let mut run = shared();
        run.put(ends);
        run.put(Input::Template(FIRST, part(&[], &[])));
        assert_eq!(told(&run), [(0, Vec::new(), 0)]);
        run.put(collected(vec![item("a", &[])], 0));
        assert_eq!(run.forks(), []);
        assert!(run.failed_run().unwrap().contains("template 1"));
        assert_eq!(run.end(), Some(ExitCode::InternalError));
    }
}

#[test]
fn trouble_that_all_meet_is_told_by_the_first() {
    let mut run = shared();
    run.put(Input::Template(SECOND, FromTemplate::Done { code: 4 }));
    run.put(Input::Template(FIRST, part(&[], &[])));
    run.put(Input::Template(FIRST, FromTemplate::Done { code: 4 }));
    assert_eq!(
        (run.end(), run.failed_run()),
        (Some(ExitCode::UsageError), None)
    );
}
