//! Plans 100,000 units on 1,000 slots and says how long that took and how good it is.
//!
//! `cargo run --release -p dyno-plan --example simulate`

use dyno_model::{Capacity, Claim, Lane, TemplateId, TestId, UnitId, WorkerId};
use dyno_plan::{Action, Input, Job, Order, Planner, Unit};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

const UNITS: u32 = 100_000;
const SLOTS: u32 = 1_000;

/// Seconds, of a number between 0 and 1.
type Quantile = fn(f64) -> f64;

/// Lengths are drawn from these.
const DISTRIBUTIONS: [(&str, Quantile); 3] = [
    ("exponential, mean 1 s", |uniform| -uniform.ln()),
    ("Pareto, shape 1.5, 0.1 to 10 s", |uniform| {
        uniform.powf(-1.0 / 1.5).min(100.0) * 0.1
    }),
    ("nine of ten 0.1 s, one 10 s", |uniform| {
        if uniform < 0.9 { 0.1 } else { 10.0 }
    }),
];

fn main() {
    println!("| lengths | planned in, s | makespan over its lower bound |");
    println!("|---|--:|--:|");
    for (name, of) in DISTRIBUTIONS {
        let lengths: Vec<Duration> = (0..UNITS)
            .map(|unit| Duration::from_secs_f64(of(uniform(unit))))
            .collect();
        let (planned, makespan) = simulate(&lengths);
        let total: Duration = lengths.iter().sum();
        let longest = lengths.iter().max().copied().unwrap_or_default();
        let bound = longest.max(total / SLOTS);
        let ratio = makespan.as_secs_f64() / bound.as_secs_f64();
        println!("| {name} | {:.2} | {ratio:.4} |", planned.as_secs_f64());
    }
}

/// A number above 0 and below 1, the same for the same unit.
fn uniform(unit: u32) -> f64 {
    let mut mixed = u64::from(unit).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 7;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let upper = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
    (f64::from(upper) + 1.0) / (f64::from(u32::MAX) + 2.0)
}

/// How long the planner took, and when the last unit ended.
#[expect(clippy::disallowed_methods, reason = "it measures the planner")]
fn simulate(lengths: &[Duration]) -> (Duration, Duration) {
    let jobs = (0..).zip(lengths).map(|(id, length)| Job {
        unit: Unit {
            id: UnitId(id),
            template: TemplateId::FIRST,
            tests: TestId::new(format!("t.py::test_{id}"))
                .into_iter()
                .collect(),
        },
        claim: Claim::default(),
        expected: Some(*length),
        lane: Lane::Shared,
    });
    let jobs: Vec<Job> = jobs.collect();
    let began = std::time::Instant::now();
    let mut planner = Planner::new(jobs, Capacity::of_slots(SLOTS), Order::LongestFirst);
    let mut running = HashSet::new();
    let mut asks: BinaryHeap<Reverse<(Duration, WorkerId)>> = BinaryHeap::new();
    let mut now = Duration::ZERO;
    let mut actions = planner.step(now, Input::Start);
    loop {
        for action in std::mem::take(&mut actions) {
            match action {
                Action::StartWorker { worker, .. } => asks.push(Reverse((now, worker))),
                Action::Assign { worker, unit } => {
                    running.insert(worker);
                    asks.push(Reverse((now + lengths[unit.id.0 as usize], worker)));
                }
                Action::Finish(worker) => {
                    let rest = Vec::new();
                    actions.extend(planner.step(now, Input::Ended { worker, rest }));
                }
                Action::Wait(_) | Action::Done => {}
            }
        }
        let Some(Reverse((at, worker))) = asks.pop() else {
            return (began.elapsed(), now);
        };
        now = at;
        if running.remove(&worker) {
            actions.extend(planner.step(now, Input::TornDown(worker)));
        }
        actions.extend(planner.step(now, Input::Asked(worker)));
    }
}
