//! The state machine that hands units to workers.

use crate::Unit;
use dyno_model::{TestId, UnitId, WorkerId};
use std::collections::{BTreeMap, VecDeque};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run begins.
    Start,
    /// A worker wants a unit.
    Asked(WorkerId),
    /// A worker ended. What it had not finished of its unit is `rest`, without the test
    /// that it died in: that test has its outcome already.
    Ended {
        /// The worker.
        worker: WorkerId,
        /// The tests to run elsewhere.
        rest: Vec<TestId>,
    },
    /// No further unit is to start.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a worker with this id.
    StartWorker(WorkerId),
    /// Give a worker this unit, or what is left of it.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The unit, or what is left of it.
        unit: Unit,
    },
    /// Tell a worker that nothing is left.
    Finish(WorkerId),
    /// All workers have ended and nothing is left to start.
    Done,
}

/// Hands units to at most `slots` workers at a time, in order.
#[derive(Debug)]
pub struct Planner {
    waiting: VecDeque<Unit>,
    slots: usize,
    next_worker: u32,
    workers: BTreeMap<WorkerId, Doing>,
}

/// What a live worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It will ask for a unit.
    Starting,
    /// It runs this unit.
    Running(UnitId),
    /// It was told that nothing is left.
    Finishing,
}

impl Planner {
    /// A planner for `units`. `slots` of 0 counts as 1.
    pub fn new(units: Vec<Unit>, slots: usize) -> Self {
        Self {
            waiting: units.into(),
            slots: slots.max(1),
            next_worker: 0,
            workers: BTreeMap::new(),
        }
    }

    /// Takes an input in; says what is to be done.
    pub fn step(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Start => self.fill(),
            Input::Asked(worker) => vec![self.answer(worker)],
            Input::Ended { worker, rest } => {
                if let Some(Doing::Running(id)) = self.workers.remove(&worker)
                    && !rest.is_empty()
                {
                    self.waiting.push_front(Unit { id, tests: rest });
                }
                self.fill()
            }
            Input::Stop => {
                self.waiting.clear();
                self.fill()
            }
        }
    }

    fn answer(&mut self, worker: WorkerId) -> Action {
        if let Some(unit) = self.waiting.pop_front() {
            self.workers.insert(worker, Doing::Running(unit.id));
            Action::Assign { worker, unit }
        } else {
            self.workers.insert(worker, Doing::Finishing);
            Action::Finish(worker)
        }
    }

    /// Starts workers while there is a unit that no live worker is about to ask for.
    fn fill(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        let starting = |doing: &&Doing| **doing == Doing::Starting;
        let starting = self.workers.values().filter(starting).count();
        let wanted = self.waiting.len().saturating_sub(starting);
        let free = self.slots.saturating_sub(self.workers.len());
        for _ in 0..wanted.min(free) {
            let worker = WorkerId(self.next_worker);
            self.next_worker += 1;
            self.workers.insert(worker, Doing::Starting);
            actions.push(Action::StartWorker(worker));
        }
        if self.workers.is_empty() && self.waiting.is_empty() {
            actions.push(Action::Done);
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn unit(id: u32, tests: usize) -> Unit {
        let name = |n| TestId::new(format!("t.py::test_{id}_{n}")).unwrap();
        Unit {
            id: UnitId(id),
            tests: (0..tests).map(name).collect(),
        }
    }

    const A: WorkerId = WorkerId(0);
    const B: WorkerId = WorkerId(1);

    fn ended(worker: WorkerId) -> Input {
        Input::Ended {
            worker,
            rest: Vec::new(),
        }
    }

    #[test]
    fn units_go_out_one_at_a_time_and_then_workers_finish() {
        let mut planner = Planner::new(vec![unit(0, 1), unit(1, 2)], 4);
        let start = planner.step(Input::Start);
        assert_eq!(start, [Action::StartWorker(A), Action::StartWorker(B)]);
        let assigned = planner.step(Input::Asked(B));
        assert_eq!(
            assigned,
            [Action::Assign {
                worker: B,
                unit: unit(0, 1)
            }]
        );
        assert!(matches!(
            planner.step(Input::Asked(A))[..],
            [Action::Assign { worker: A, .. }]
        ));
        assert_eq!(planner.step(Input::Asked(B)), [Action::Finish(B)]);
        assert_eq!(planner.step(ended(B)), []);
        assert_eq!(planner.step(Input::Asked(A)), [Action::Finish(A)]);
        assert_eq!(planner.step(ended(A)), [Action::Done]);
    }

    #[test]
    fn what_a_dead_worker_left_goes_first_to_a_new_one() {
        let mut planner = Planner::new(vec![unit(0, 3), unit(1, 1)], 1);
        planner.step(Input::Start);
        planner.step(Input::Asked(A));
        let rest = unit(0, 3).tests[1..].to_vec();
        let actions = planner.step(Input::Ended {
            worker: A,
            rest: rest.clone(),
        });
        assert_eq!(actions, [Action::StartWorker(B)]);
        let expected = Unit {
            id: UnitId(0),
            tests: rest,
        };
        assert_eq!(
            planner.step(Input::Asked(B)),
            [Action::Assign {
                worker: B,
                unit: expected
            }]
        );
    }

    #[test]
    fn a_finished_worker_that_dies_is_replaced_only_where_work_is_left() {
        let mut planner = Planner::new(vec![unit(0, 1)], 2);
        planner.step(Input::Start);
        planner.step(Input::Asked(A));
        assert_eq!(planner.step(Input::Asked(A)), [Action::Finish(A)]);
        assert_eq!(planner.step(ended(A)), [Action::Done]);
    }

    #[test]
    fn after_a_stop_nothing_starts() {
        let mut planner = Planner::new(vec![unit(0, 1), unit(1, 1)], 1);
        planner.step(Input::Start);
        planner.step(Input::Asked(A));
        assert_eq!(planner.step(Input::Stop), []);
        assert_eq!(planner.step(Input::Asked(A)), [Action::Finish(A)]);
        assert_eq!(planner.step(ended(A)), [Action::Done]);
        assert_eq!(
            Planner::new(Vec::new(), 1).step(Input::Start),
            [Action::Done]
        );
    }

    proptest! {
        /// Whatever workers do, each test is run once and the machine comes to an end.
        #[test]
        fn every_test_is_assigned_exactly_once_whoever_dies(
            sizes in proptest::collection::vec(1usize..4, 0..20),
            slots in 1usize..5,
            fates in proptest::collection::vec(0u8..4, 0..40),
        ) {
            let units: Vec<_> = sizes
                .iter()
                .zip(0..)
                .map(|(size, id)| unit(id, *size))
                .collect();
            let all: BTreeSet<_> = units.iter().flat_map(|u| u.tests.clone()).collect();
            let mut planner = Planner::new(units, slots);
            let mut ran = BTreeSet::new();
            let mut live = BTreeSet::new();
            let mut fates = fates.into_iter();
            let mut inputs = VecDeque::from([Input::Start]);
            let mut done = false;
            while let Some(input) = inputs.pop_front() {
                for action in planner.step(input) {
                    match action {
                        Action::StartWorker(worker) => {
                            prop_assert!(live.insert(worker));
                            prop_assert!(live.len() <= slots);
                            inputs.push_back(Input::Asked(worker));
                        }
                        Action::Assign { worker, unit } => {
                            // A worker may die in its first test, which then has its outcome.
                            let dies = fates.next() == Some(0);
                            let reached = if dies { 1 } else { unit.tests.len() };
                            for test in &unit.tests[..reached] {
                                prop_assert!(ran.insert(test.clone()), "{test} ran twice");
                            }
                            if dies {
                                live.remove(&worker);
                                let rest = unit.tests[1..].to_vec();
                                inputs.push_back(Input::Ended { worker, rest });
                            } else {
                                inputs.push_back(Input::Asked(worker));
                            }
                        }
                        Action::Finish(worker) => {
                            live.remove(&worker);
                            inputs.push_back(ended(worker));
                        }
                        Action::Done => done = true,
                    }
                }
            }
            prop_assert!(done);
            prop_assert_eq!(ran, all);
        }
    }
}
