//! Plans by tables of inputs and by simulation: no process, no clock.

use super::*;
use dyno_model::UnitId;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

const A: WorkerId = WorkerId(0);
const B: WorkerId = WorkerId(1);
const NOW: Duration = Duration::ZERO;

fn unit(id: u32, template: u32, tests: usize) -> Unit {
    let name = |n| TestId::new(format!("t.py::test_{id}_{n}")).unwrap();
    Unit {
        id: UnitId(id),
        template: TemplateId(template),
        tests: (0..tests).map(name).collect(),
    }
}

fn job(id: u32, claim: Claim, seconds: Option<u64>) -> Job {
    Job {
        unit: unit(id, 0, 1),
        claim,
        expected: seconds.map(Duration::from_secs),
        lane: Lane::Shared,
    }
}

fn slots(slots: u32) -> Claim {
    Claim {
        slots,
        ..Claim::default()
    }
}

fn plain(units: Vec<Unit>, slots: u32) -> Planner {
    let job = |unit| Job {
        unit,
        claim: Claim::default(),
        expected: None,
        lane: Lane::Shared,
    };
    let jobs = units.into_iter().map(job).collect();
    Planner::new(jobs, Capacity::of_slots(slots), Order::Given)
}

fn start(worker: WorkerId, template: u32) -> Action {
    let template = TemplateId(template);
    let lane = Lane::Shared;
    Action::StartWorker {
        worker,
        template,
        lane,
    }
}

#[test]
fn tokens_that_become_fewer_keep_back_what_has_not_started() {
    let name = TokenName::new("seat").unwrap();
    let claim = Claim {
        tokens: [(name.clone(), 1)].into(),
        ..Claim::default()
    };
    let jobs = (0..3).map(|id| job(id, claim.clone(), None)).collect();
    let mut capacity = Capacity::of_slots(2);
    capacity.tokens.insert(name.clone(), u32::MAX);
    let mut planner = Planner::new(jobs, capacity, Order::Given);
    assert_eq!(planner.step(NOW, Input::Start), [start(A, 0), start(B, 0)]);
    assert_eq!(planner.step(NOW, Input::Tokens(name, 1)), []);
    let assigned = |actions: &[Action]| matches!(actions, [Action::Assign { .. }]);
    assert!(assigned(&planner.step(NOW, Input::Asked(A))));
    assert_eq!(planner.step(NOW, Input::Asked(B)), [Action::Wait(B)]);
    assert!(
        assigned(&planner.step(NOW, ended(A))),
        "the other has its seat"
    );
}

fn ended(worker: WorkerId) -> Input {
    let rest = Vec::new();
    Input::Ended { worker, rest }
}

#[test]
fn units_go_out_one_at_a_time_and_then_workers_finish() {
    let mut planner = plain(vec![unit(0, 0, 1), unit(1, 0, 2)], 4);
    assert_eq!(planner.step(NOW, Input::Start), [start(A, 0), start(B, 0)]);
    let first = Action::Assign {
        worker: B,
        unit: unit(0, 0, 1),
    };
    assert_eq!(planner.step(NOW, Input::Asked(B)), [first]);
    let second = Action::Assign {
        worker: A,
        unit: unit(1, 0, 2),
    };
    assert_eq!(planner.step(NOW, Input::Asked(A)), [second]);
    assert_eq!(planner.step(NOW, Input::Asked(B)), [Action::Finish(B)]);
    assert_eq!(planner.step(NOW, ended(B)), []);
    assert_eq!(planner.step(NOW, Input::Asked(A)), [Action::Finish(A)]);
    assert_eq!(planner.step(NOW, ended(A)), [Action::Done]);
}

#[test]
fn what_a_dead_worker_left_goes_first_to_a_new_one() {
    let mut planner = plain(vec![unit(0, 0, 3), unit(1, 0, 1)], 1);
    planner.step(NOW, Input::Start);
    planner.step(NOW, Input::Asked(A));
    let rest = unit(0, 0, 3).tests[1..].to_vec();
    let died = Input::Ended {
        worker: A,
        rest: rest.clone(),
    };
    assert_eq!(planner.step(NOW, died), [start(B, 0)]);
    let left = Unit {
        tests: rest,
        ..unit(0, 0, 3)
    };
    let assigned = Action::Assign {
        worker: B,
        unit: left,
    };
    assert_eq!(planner.step(NOW, Input::Asked(B)), [assigned]);
}

#[test]
fn after_a_stop_nothing_starts() {
    let mut planner = plain(vec![unit(0, 0, 1), unit(1, 0, 1)], 1);
    planner.step(NOW, Input::Start);
    planner.step(NOW, Input::Asked(A));
    assert_eq!(planner.step(NOW, Input::Stop), []);
    assert_eq!(planner.step(NOW, Input::Asked(A)), [Action::Finish(A)]);
    assert_eq!(planner.step(NOW, ended(A)), [Action::Done]);
    assert_eq!(plain(Vec::new(), 1).step(NOW, Input::Start), [Action::Done]);
}

#[test]
fn a_worker_makes_room_for_one_of_another_template() {
    let units = [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 1)];
    let units = units.map(|(id, template)| unit(id, template, 1)).to_vec();
    let mut planner = plain(units, 2);
    // The second has twice as much to do, and then as much for each worker.
    assert_eq!(planner.step(NOW, Input::Start), [start(A, 1), start(B, 0)]);
    for _ in 0..2 {
        let [Action::Assign { unit, .. }] = &planner.step(NOW, Input::Asked(B))[..] else {
            panic!()
        };
        assert_eq!(unit.template, TemplateId(0));
    }
    assert_eq!(planner.step(NOW, Input::Asked(B)), [Action::Finish(B)]);
    assert_eq!(planner.step(NOW, ended(B)), [start(WorkerId(2), 1)]);
}

#[test]
fn the_longest_goes_first_and_an_unknown_one_early() {
    let jobs = [
        (0, Some(1)),
        (1, Some(9)),
        (2, None),
        (3, Some(2)),
        (4, Some(5)),
    ];
    let jobs = jobs
        .map(|(id, seconds)| job(id, slots(1), seconds))
        .to_vec();
    let mut planner = Planner::new(jobs, Capacity::of_slots(1), Order::LongestFirst);
    planner.step(NOW, Input::Start);
    let mut order = Vec::new();
    while let [Action::Assign { unit, .. }] = &planner.step(NOW, Input::Asked(A))[..] {
        order.push(unit.id.0);
    }
    assert_eq!(order, [1, 2, 4, 3, 0]);
}

#[test]
fn a_claim_is_held_until_its_unit_is_torn_down() {
    let token = Claim {
        tokens: [(TokenName::new("etcd").unwrap(), 1)].into(),
        ..Claim::default()
    };
    let jobs = vec![
        job(0, token.clone(), None),
        job(1, slots(1), None),
        job(2, token, None),
    ];
    let mut planner = Planner::new(jobs, Capacity::of_slots(2), Order::Given);
    planner.step(NOW, Input::Start);
    planner.step(NOW, Input::Asked(A));
    assert!(
        matches!(&planner.step(NOW, Input::Asked(B))[..], [Action::Assign { unit, .. }] if unit.id.0 == 1)
    );
    // The token is A's: B waits.
    assert_eq!(planner.step(NOW, Input::Asked(B)), [Action::Wait(B)]);
    assert_eq!(planner.step(NOW, Input::TornDown(B)), []);
    // A asks while it tears down, and in its own process the next holder may follow.
    assert!(
        matches!(&planner.step(NOW, Input::Asked(A))[..], [Action::Assign { worker: A, unit }, Action::Finish(B)] if unit.id.0 == 2)
    );
}

#[test]
fn short_units_are_let_past_a_blocked_one_and_long_ones_are_not() {
    let jobs = vec![
        job(0, slots(1), Some(10)),
        job(1, slots(2), Some(9)),
        job(2, slots(1), Some(30)),
        job(3, slots(1), Some(5)),
    ];
    let mut planner = Planner::new(jobs, Capacity::of_slots(2), Order::Given);
    planner.step(NOW, Input::Start);
    planner.step(NOW, Input::Asked(A));
    // Unit 1 needs both slots from second 10 on: unit 2 would hold one, unit 3 is over by then.
    let told = planner.step(NOW, Input::Asked(B));
    assert!(
        matches!(&told[..], [Action::Wait(_)]),
        "in pytest's order only the first is looked at"
    );
    let jobs = vec![
        job(0, slots(1), Some(50)),
        job(1, slots(2), Some(40)),
        job(2, slots(1), Some(51)),
        job(3, slots(1), Some(5)),
    ];
    let mut planner = Planner::new(jobs, Capacity::of_slots(2), Order::LongestFirst);
    planner.step(NOW, Input::Start);
    let given = |told: Vec<Action>| match &told[..] {
        [Action::Assign { unit, .. }] => Some(unit.id.0),
        _ => None,
    };
    assert_eq!(given(planner.step(NOW, Input::Asked(A))), Some(2));
    assert_eq!(given(planner.step(NOW, Input::Asked(B))), Some(0));
    // One slot is free at second 50, both at 51.
    let later = Duration::from_secs(45);
    assert_eq!(given(planner.step(later, Input::Asked(B))), Some(3));
}

#[test]
fn a_large_claim_does_not_starve_though_expectations_are_wrong() {
    let mut jobs = vec![job(0, slots(4), Some(100))];
    // Said to take nothing, they never end.
    jobs.extend((1..200).map(|id| job(id, slots(1), Some(0))));
    jobs.push(job(200, slots(1), Some(1000)));
    let mut planner = Planner::new(jobs, Capacity::of_slots(4), Order::LongestFirst);
    let mut asks: Vec<WorkerId> = (0..4).map(WorkerId).collect();
    planner.step(NOW, Input::Start);
    let mut before = 0;
    for turn in 0..1000 {
        let worker = asks[turn % asks.len()];
        planner.step(NOW, Input::TornDown(worker));
        for action in planner.step(NOW, Input::Asked(worker)) {
            match action {
                // The long one keeps its worker for ever.
                Action::Assign { unit, worker } if unit.id.0 == 200 => {
                    asks.retain(|id| *id != worker);
                }
                Action::Assign { .. } => before += 1,
                _ => {}
            }
        }
    }
    assert_eq!(before, PASSES_PER_SLOT * 4);
    // From here on it waits for the long one alone.
    let long = (0..4).map(WorkerId).find(|id| !asks.contains(id)).unwrap();
    let told = planner.step(NOW, ended(long));
    let first = |action: &Action| matches!(action, Action::Assign { unit, .. } if unit.id.0 == 0);
    assert!(told.iter().any(first), "{told:?}");
}

/// What a simulated run did.
struct Simulated {
    /// When the last unit ended.
    makespan: Duration,
    /// The units, in the order in which they started.
    order: Vec<u32>,
}

/// What happens at a time to a worker: it asks, or it ends and leaves tests.
type Happening = Reverse<(Duration, usize, u32, Option<Vec<TestId>>)>;

/// Runs a plan with units of these lengths. `dies` says whether a worker dies in the first
/// test of the unit that it is given as the n-th.
fn simulate(
    jobs: Vec<Job>,
    lengths: &[Duration],
    capacity: &Capacity,
    order: Order,
    dies: impl Fn(usize) -> bool,
) -> Simulated {
    let claims: Vec<Claim> = jobs
        .iter()
        .map(|job| capacity.at_most(job.claim.clone()))
        .collect();
    let alone: BTreeSet<UnitId> = (jobs.iter().filter(|job| job.lane != Lane::Shared))
        .map(|job| job.unit.id)
        .collect();
    // Workers that had a unit, and those that may have no other.
    let (mut used, mut spent) = (BTreeSet::new(), BTreeSet::new());
    let all: usize = jobs.iter().map(|job| job.unit.tests.len()).sum();
    let mut planner = Planner::new(jobs, capacity.clone(), order);
    let mut running: BTreeMap<WorkerId, (u32, TemplateId)> = BTreeMap::new();
    let mut templates: BTreeMap<WorkerId, TemplateId> = BTreeMap::new();
    let mut ran = BTreeSet::new();
    let mut simulated = Simulated {
        makespan: NOW,
        order: Vec::new(),
    };
    // What happens, in the order of time; ties by number.
    let mut inputs = BinaryHeap::new();
    let mut number = 0;
    let mut put = |inputs: &mut BinaryHeap<Happening>, at, worker: WorkerId, rest| {
        number += 1;
        inputs.push(Reverse((at, number, worker.0, rest)));
    };
    let mut assigned = 0;
    let mut done = false;
    let mut now = NOW;
    let mut actions = planner.step(now, Input::Start);
    loop {
        for action in actions.drain(..) {
            match action {
                Action::StartWorker {
                    worker, template, ..
                } => {
                    assert!(templates.insert(worker, template).is_none());
                    assert!(templates.len() <= capacity.slots as usize);
                    put(&mut inputs, now, worker, None);
                }
                Action::Assign { worker, unit } => {
                    assert_eq!(templates[&worker], unit.template);
                    if alone.contains(&unit.id) {
                        assert!(!used.contains(&worker), "a unit is not alone");
                        spent.insert(worker);
                    }
                    assert!(!spent.contains(&worker) || used.insert(worker));
                    used.insert(worker);
                    simulated.order.push(unit.id.0);
                    running.insert(worker, (unit.id.0, unit.template));
                    let mut held = Held::default();
                    for (index, (id, _)) in running.values().enumerate() {
                        let claim = &claims[*id as usize];
                        assert!(
                            index == 0 || held.has_room(claim, capacity),
                            "too much is held"
                        );
                        held.take(claim);
                    }
                    assigned += 1;
                    let is_fatal = dies(assigned);
                    let reached = if is_fatal { 1 } else { unit.tests.len() };
                    for test in &unit.tests[..reached] {
                        assert!(ran.insert(test.clone()), "{test} ran twice");
                    }
                    let ends = now + lengths[unit.id.0 as usize];
                    simulated.makespan = simulated.makespan.max(ends);
                    let rest = is_fatal.then(|| unit.tests[1..].to_vec());
                    put(&mut inputs, ends, worker, rest);
                }
                Action::Finish(worker) => put(&mut inputs, now, worker, Some(Vec::new())),
                Action::Wait(_) => {}
                Action::Done => done = true,
            }
        }
        let Some(Reverse((at, _, worker, rest))) = inputs.pop() else {
            break;
        };
        now = at;
        let worker = WorkerId(worker);
        let had = running.remove(&worker);
        if let Some(rest) = rest {
            templates.remove(&worker);
            actions = planner.step(now, Input::Ended { worker, rest });
        } else {
            if had.is_some() {
                // Torn down in no time: first the answer would be held by two.
                actions = planner.step(now, Input::TornDown(worker));
            }
            actions.extend(planner.step(now, Input::Asked(worker)));
        }
    }
    assert!(done, "the plan did not come to its end");
    assert_eq!(ran.len(), all);
    simulated
}

/// A number below 2^32 for each seed and place.
fn chance(seed: u64, place: usize) -> u32 {
    let mut mixed = seed ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()
}

fn lengths(kind: usize, count: usize) -> Vec<Duration> {
    let length = |place| {
        let uniform = (f64::from(chance(7, place)) + 1.0) / 4_294_967_297.0;
        let seconds = match kind {
            // Exponential.
            0 => -uniform.ln(),
            // Pareto with a heavy tail, cut at 100 times the least.
            1 => uniform.powf(-1.0 / 1.5).min(100.0) * 0.1,
            // Nine of ten take a tenth of a second, the others ten.
            _ => {
                if uniform < 0.9 {
                    0.1
                } else {
                    10.0
                }
            }
        };
        Duration::from_secs_f64(seconds)
    };
    (0..count).map(length).collect()
}

#[test]
fn plans_end_within_a_twentieth_of_the_lower_bound() {
    for kind in 0..3 {
        let (count, slots_there) = (5000, 50);
        let lengths = lengths(kind, count);
        let jobs = (0..).zip(&lengths).map(|(id, length)| Job {
            unit: unit(id, id % 3, 1),
            claim: Claim::default(),
            expected: Some(*length),
            lane: Lane::Shared,
        });
        let capacity = Capacity::of_slots(slots_there);
        let ran = simulate(
            jobs.collect(),
            &lengths,
            &capacity,
            Order::LongestFirst,
            |_| false,
        );
        let longest = lengths.iter().max().copied().unwrap();
        let bound = longest.max(lengths.iter().sum::<Duration>() / slots_there);
        let ratio = ran.makespan.as_secs_f64() / bound.as_secs_f64();
        assert!(ratio < 1.05, "distribution {kind}: {ratio}");
    }
}

fn claims() -> impl Strategy<Value = Claim> {
    let token = prop_oneof![3 => Just(None), 1 => (0..2u32, 1..3u32).prop_map(Some)];
    (1..6u32, token, 0..30u32).prop_map(|(slots, token, exclusive)| Claim {
        slots: slots.saturating_sub(2).max(1),
        tokens: token
            .map(|(name, count)| (TokenName::new(format!("t{name}")).unwrap(), count))
            .into_iter()
            .collect(),
        exclusive: exclusive == 0,
        ..Claim::default()
    })
}

proptest! {
    /// Whatever is claimed and whoever dies, each test runs once, no more is held than there
    /// is, the plan comes to its end, and the same inputs give the same plan.
    #[test]
    fn a_plan_keeps_its_promises(
        units in proptest::collection::vec((claims(), 0..20u64, proptest::option::of(0..20u64), 0..3u32, 1..4usize), 0..40),
        slots_there in 1..6u32,
        fates in proptest::collection::vec(any::<bool>(), 8),
        order in prop_oneof![Just(Order::Given), Just(Order::LongestFirst), any::<u64>().prop_map(Order::Shuffled)],
    ) {
        let lengths: Vec<_> = units.iter().map(|unit| Duration::from_secs(unit.1)).collect();
        let jobs: Vec<_> = units.iter().zip(0..).map(|((claim, _, expected, template, tests), id)| Job {
            unit: unit(id, *template, *tests),
            claim: claim.clone(),
            expected: expected.map(Duration::from_secs),
            lane: [Lane::Shared, Lane::Own][usize::from(id % 7 == 3)],
        }).collect();
        let capacity = Capacity {
            tokens: [(TokenName::new("t0").unwrap(), 2)].into(),
            ..Capacity::of_slots(slots_there)
        };
        let run = || simulate(jobs.clone(), &lengths, &capacity, order, |n| fates[n % fates.len()] && n < 20);
        let (one, other) = (run(), run());
        prop_assert_eq!(one.order, other.order);
    }
}
