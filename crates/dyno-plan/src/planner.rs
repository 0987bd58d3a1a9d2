//! The state machine that hands units to workers.

use crate::Unit;
use dyno_model::{TemplateId, TestId, UnitId, WorkerId};
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
    /// Start a worker.
    StartWorker {
        /// Its id.
        worker: WorkerId,
        /// The template to fork it from.
        template: TemplateId,
    },
    /// Give a worker this unit, or what is left of it.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The unit, or what is left of it.
        unit: Unit,
    },
    /// Tell a worker that nothing is left for it.
    Finish(WorkerId),
    /// All workers have ended and nothing is left to start.
    Done,
}

/// Hands units to at most `slots` workers at a time, in order.
///
/// A worker runs units of its own template only. Where these have run out and another
/// template's have not, it ends, and a worker of the other takes its slot.
#[derive(Debug)]
pub struct Planner {
    waiting: BTreeMap<TemplateId, VecDeque<Unit>>,
    slots: usize,
    next_worker: u32,
    workers: BTreeMap<WorkerId, Live>,
}

/// A live worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Live {
    template: TemplateId,
    doing: Doing,
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
        let mut waiting: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
        for unit in units {
            waiting.entry(unit.template).or_default().push_back(unit);
        }
        Self {
            waiting,
            slots: slots.max(1),
            next_worker: 0,
            workers: BTreeMap::new(),
        }
    }

    /// Takes an input in; says what is to be done.
    pub fn step(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Start => self.fill(),
            Input::Asked(worker) => self.answer(worker).into_iter().collect(),
            Input::Ended { worker, rest } => {
                if let Some(live) = self.workers.remove(&worker)
                    && let Doing::Running(id) = live.doing
                    && !rest.is_empty()
                {
                    let template = live.template;
                    let waiting = self.waiting.entry(template).or_default();
                    waiting.push_front(Unit {
                        id,
                        template,
                        tests: rest,
                    });
                }
                self.fill()
            }
            Input::Stop => {
                self.waiting.clear();
                self.fill()
            }
        }
    }

    fn answer(&mut self, worker: WorkerId) -> Option<Action> {
        let live = self.workers.get_mut(&worker)?;
        let unit = (self.waiting.get_mut(&live.template)).and_then(VecDeque::pop_front);
        Some(if let Some(unit) = unit {
            live.doing = Doing::Running(unit.id);
            Action::Assign { worker, unit }
        } else {
            live.doing = Doing::Finishing;
            Action::Finish(worker)
        })
    }

    /// Starts workers while there is a unit that no live worker is about to ask for.
    fn fill(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.workers.len() < self.slots
            && let Some(template) = self.neediest()
        {
            let worker = WorkerId(self.next_worker);
            self.next_worker += 1;
            let doing = Doing::Starting;
            self.workers.insert(worker, Live { template, doing });
            actions.push(Action::StartWorker { worker, template });
        }
        if self.workers.is_empty() && self.waiting.values().all(VecDeque::is_empty) {
            actions.push(Action::Done);
        }
        actions
    }

    /// The template with the most waiting units for each worker that it would then have,
    /// among those with a unit that nobody is about to ask for.
    fn neediest(&self) -> Option<TemplateId> {
        let mut neediest = None;
        let mut most = (0, 1);
        for (template, waiting) in &self.waiting {
            let of = |live: &&Live| live.template == *template && live.doing != Doing::Finishing;
            let workers: Vec<_> = self.workers.values().filter(of).collect();
            let starting = workers.iter().filter(|live| live.doing == Doing::Starting);
            let need = (waiting.len(), workers.len() + 1);
            // As fractions, without dividing.
            if waiting.len() > starting.count() && need.0 * most.1 > most.0 * need.1 {
                most = need;
                neediest = Some(*template);
            }
        }
        neediest
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
            template: TemplateId(id % 100 / 10),
            tests: (0..tests).map(name).collect(),
        }
    }

    const A: WorkerId = WorkerId(0);
    const B: WorkerId = WorkerId(1);

    fn start(worker: WorkerId, template: u32) -> Action {
        let template = TemplateId(template);
        Action::StartWorker { worker, template }
    }

    fn ended(worker: WorkerId) -> Input {
        Input::Ended {
            worker,
            rest: Vec::new(),
        }
    }

    #[test]
    fn units_go_out_one_at_a_time_and_then_workers_finish() {
        let mut planner = Planner::new(vec![unit(0, 1), unit(1, 2)], 4);
        let started = planner.step(Input::Start);
        assert_eq!(started, [start(A, 0), start(B, 0)]);
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
        assert_eq!(actions, [start(B, 0)]);
        let expected = Unit {
            id: UnitId(0),
            template: TemplateId::FIRST,
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

    #[test]
    fn a_worker_makes_room_for_one_of_another_template() {
        // Units 0 and 1 are the first template's, 10 to 13 the second's.
        let units = [0, 1, 10, 11, 12, 13].map(|id| unit(id, 1)).to_vec();
        let mut planner = Planner::new(units, 2);
        // The second has twice as much to do, and then as much for each worker.
        assert_eq!(planner.step(Input::Start), [start(A, 1), start(B, 0)]);
        for _ in 0..2 {
            let [Action::Assign { unit, .. }] = &planner.step(Input::Asked(B))[..] else {
                panic!()
            };
            assert_eq!(unit.template, TemplateId(0));
        }
        assert_eq!(planner.step(Input::Asked(B)), [Action::Finish(B)]);
        assert_eq!(planner.step(ended(B)), [start(WorkerId(2), 1)]);
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
                // Of up to ten templates.
                .map(|(size, id)| unit(id * 7, *size))
                .collect();
            let all: BTreeSet<_> = units.iter().flat_map(|u| u.tests.clone()).collect();
            let mut planner = Planner::new(units, slots);
            let mut ran = BTreeSet::new();
            let mut live = BTreeMap::new();
            let mut fates = fates.into_iter();
            let mut inputs = VecDeque::from([Input::Start]);
            let mut done = false;
            while let Some(input) = inputs.pop_front() {
                for action in planner.step(input) {
                    match action {
                        Action::StartWorker { worker, template } => {
                            prop_assert!(live.insert(worker, template).is_none());
                            prop_assert!(live.len() <= slots);
                            inputs.push_back(Input::Asked(worker));
                        }
                        Action::Assign { worker, unit } => {
                            prop_assert_eq!(live[&worker], unit.template);
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
