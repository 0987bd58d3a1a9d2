//! The state machine that hands units to workers.
//!
//! A unit starts when a worker asks and the machine has room for what the unit claims. The
//! first of the waiting units goes first; where it has no room it is *blocked*, and others
//! are let past it as long as they do not put off the moment at which it will have room, as
//! far as expected lengths tell (EASY backfilling: D. Lifka, *The ANL/IBM SP scheduling
//! system*, 1995). As expectations can be wrong, only so many are let past it; after that
//! a unit starts only if it fits beside the blocked one. So nothing starves.

use crate::Unit;
use crate::crew::{Count, Crew, Doing};
use crate::held::Held;
use crate::lane::{Home, Lanes, Place, Rank, Waiting};
use crate::order::{Job, Order, ranks};
use dyno_model::{Capacity, Claim, Lane, TemplateId, TestId, TokenName, WorkerId};
use std::time::Duration;

/// So many units for each slot are let past a blocked one by their expected lengths.
const PASSES_PER_SLOT: u32 = 2;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run begins.
    Start,
    /// A worker wants a unit. It may still be tearing down its last one.
    Asked(WorkerId),
    /// A worker has torn its last unit down: what that claimed is free.
    TornDown(WorkerId),
    /// A worker ended. What it had not finished of its unit is `rest`, without the test
    /// that it died in: that test has its outcome already.
    Ended {
        /// The worker.
        worker: WorkerId,
        /// The tests to run elsewhere.
        rest: Vec<TestId>,
    },
    /// One more unit, to start before all others: a test that is to be tried again.
    Add(Job),
    /// From now on there are so many slots.
    Slots(u32),
    /// From now on there are so many of a token.
    Tokens(TokenName, u32),
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
        /// What it is to run.
        lane: Lane,
    },
    /// Give a worker this unit, or what is left of it.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The unit, or what is left of it.
        unit: Unit,
    },
    /// Tell a worker that nothing is there for it yet. It will be given a unit, or told to
    /// finish, without asking again.
    Wait(WorkerId),
    /// Tell a worker that nothing is left for it.
    Finish(WorkerId),
    /// All workers have ended and nothing is left to start.
    Done,
}

/// Hands units to workers.
///
/// A worker runs units of its own template only. Where these have run out and another
/// template's have not, it ends, and a worker of the other takes its slot. A unit that is to
/// be alone has a worker to itself.
#[derive(Debug)]
pub struct Planner {
    lanes: Lanes,
    capacity: Capacity,
    held: Held,
    crew: Crew,
    /// How often what was left of a unit was put first.
    returned: i64,
    blocked: Option<Blocked>,
}

/// The first of the waiting units, while it has no room.
#[derive(Debug)]
struct Blocked {
    rank: Rank,
    passed: u32,
    /// What has started since no more were let past it.
    beside: Held,
}

impl Planner {
    /// A planner for these jobs. A claim for more than there is counts as one for all.
    pub fn new(jobs: Vec<Job>, capacity: Capacity, order: Order) -> Self {
        let mut lanes = Lanes::default();
        let ranks = ranks(&jobs, order, capacity.slots);
        for (job, (rank, expected)) in jobs.into_iter().zip(ranks) {
            let home = job.home();
            let claim = capacity.at_most(job.claim);
            let unit = job.unit;
            lanes.insert(home, claim, rank, Waiting { unit, expected });
        }
        Self {
            lanes,
            capacity,
            held: Held::default(),
            crew: Crew::default(),
            returned: 0,
            blocked: None,
        }
    }

    /// Takes an input in at time `now`; says what is to be done.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Start => {}
            Input::Asked(worker) => self.asked(worker, &mut actions),
            Input::TornDown(worker) => self.torn_down(worker),
            Input::Ended { worker, rest } => self.ended(worker, rest),
            Input::Add(job) => {
                let expected = job.expected.unwrap_or_default();
                let claim = self.capacity.at_most(job.claim.clone());
                self.put_first(job.home(), claim, expected, job.unit);
            }
            Input::Slots(slots) => self.capacity.slots = slots.max(1),
            Input::Tokens(name, count) => drop(self.capacity.tokens.insert(name, count)),
            Input::Stop => self.lanes.clear(),
        }
        self.dispatch(now, &mut actions);
        actions
    }

    fn asked(&mut self, worker: WorkerId, actions: &mut Vec<Action>) {
        if let Some(live) = self.crew.get_mut(worker) {
            if let Some(claim) = live.holds.take() {
                live.leaves = Some(claim);
            }
            self.crew.set(worker, Doing::Waiting);
            // Replaced below where there is a unit for it.
            actions.push(Action::Wait(worker));
        }
    }

    fn torn_down(&mut self, worker: WorkerId) {
        if let Some(live) = self.crew.get_mut(worker) {
            // It may say so before it asks.
            if live.leaves.take().is_none() {
                live.holds = None;
            }
            live.settle(&mut self.held);
        }
    }

    fn ended(&mut self, worker: WorkerId, rest: Vec<TestId>) {
        let Some(mut live) = self.crew.remove(worker) else {
            return;
        };
        let claim = live.holds.take();
        live.leaves = None;
        live.settle(&mut self.held);
        if let Some(id) = live.running()
            && let Some(claim) = claim
            && !rest.is_empty()
        {
            let unit = Unit {
                id,
                template: live.home.template,
                tests: rest,
            };
            self.put_first(live.home, claim, Duration::ZERO, unit);
        }
    }

    fn put_first(&mut self, home: Home, claim: Claim, expected: Duration, unit: Unit) {
        self.returned -= 1;
        let rank = Rank::new(Duration::MAX, self.returned);
        let waiting = Waiting { unit, expected };
        self.lanes.insert(home, claim, rank, waiting);
    }

    /// Gives waiting workers units, ends those that have nothing to wait for, starts others.
    fn dispatch(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for worker in self.crew.waiting() {
            self.give(now, worker, actions);
        }
        while self.may_start()
            && let Some(home) = self.neediest(now)
        {
            if self.crew.active() >= self.slots() && !self.make_place(home, actions) {
                break;
            }
            if self.crew.len() >= self.slots() {
                // The place is free when its worker has ended.
                break;
            }
            let worker = self.crew.start(home);
            let Home { template, lane } = home;
            actions.push(Action::StartWorker {
                worker,
                template,
                lane,
            });
        }
        if self.crew.len() == 0 && self.lanes.is_empty() {
            actions.push(Action::Done);
        }
    }

    /// Whether there is a place for another worker, or one that can be made.
    fn may_start(&self) -> bool {
        !self.lanes.is_empty() && (self.crew.len() < self.slots() || self.crew.is_any_waiting())
    }

    fn slots(&self) -> usize {
        self.capacity.slots as usize
    }

    fn give(&mut self, now: Duration, worker: WorkerId, actions: &mut Vec<Action>) {
        let Some(live) = self.crew.get_mut(worker) else {
            return;
        };
        let home = live.home;
        // Its own place counts as free, but for what it is still to tear down.
        let leaves = live.leaves.clone();
        if let Some(taken) = live.taken.take() {
            self.held.give(&taken);
        }
        let spent = live.spent;
        let is_one_too_many = self.crew.active() > self.slots();
        let place = if spent || is_one_too_many {
            None
        } else {
            self.pick(now, home, leaves.as_ref())
        };
        if let Some(place) = place {
            self.start(now, worker, &place, actions);
        } else if spent || is_one_too_many || !self.lanes.has(home) {
            self.finish(worker, actions);
        }
        if let Some(live) = self.crew.get_mut(worker) {
            live.settle(&mut self.held);
        }
    }

    fn start(&mut self, now: Duration, worker: WorkerId, place: &Place, actions: &mut Vec<Action>) {
        self.note_pass(place);
        let (Some(waiting), Some(live)) = (self.lanes.take(place), self.crew.get_mut(worker))
        else {
            return;
        };
        let Waiting { unit, expected } = waiting;
        live.spent = live.home.lane != Lane::Shared;
        live.holds = Some(place.claim.clone());
        live.until = now.saturating_add(expected);
        self.crew.set(worker, Doing::Running(unit.id));
        actions.retain(|action| *action != Action::Wait(worker));
        actions.push(Action::Assign { worker, unit });
    }

    fn finish(&mut self, worker: WorkerId, actions: &mut Vec<Action>) {
        self.crew.set(worker, Doing::Finishing);
        actions.retain(|action| *action != Action::Wait(worker));
        actions.push(Action::Finish(worker));
    }

    /// Ends a worker that waits, of another home, so that one of this has a place.
    fn make_place(&mut self, home: Home, actions: &mut Vec<Action>) -> bool {
        let idle = self.crew.waiting_elsewhere(home);
        if let Some(worker) = idle {
            self.finish(worker, actions);
        }
        idle.is_some()
    }

    /// The home with the most waiting units for each worker that it would then have,
    /// among those with a unit that could start now and that nobody is about to ask for.
    fn neediest(&mut self, now: Duration) -> Option<Home> {
        let mut neediest = None;
        let mut most = (0, 1);
        let backlog: Vec<_> = self.lanes.backlog().collect();
        for (home, waiting) in backlog {
            let Count { all, idle } = self.crew.of(home);
            // As fractions, without dividing.
            let need = (waiting, all + 1);
            let is_more = need.0 * most.1 > most.0 * need.1;
            if waiting > idle && is_more && self.pick(now, home, None).is_some() {
                most = need;
                neediest = Some(home);
            }
        }
        neediest
    }

    /// The unit of a home that is to start now, on a worker that still has `leaves`.
    fn pick(&mut self, now: Duration, home: Home, leaves: Option<&Claim>) -> Option<Place> {
        let room = |held: &Held, claim: &Claim, capacity: &Capacity| match leaves {
            Some(leaves) => held.has_room(&leaves.or(claim), capacity),
            None => held.has_room(claim, capacity),
        };
        let head = self.lanes.head()?;
        if room(&self.held, &head.claim, &self.capacity) {
            self.blocked = None;
            let heads = self.lanes.heads(home, None);
            let fits = heads.filter(|(place, _)| room(&self.held, &place.claim, &self.capacity));
            return fits.map(|(place, _)| place).min_by_key(|place| place.rank);
        }
        if self
            .blocked
            .as_ref()
            .is_none_or(|blocked| blocked.rank != head.rank)
        {
            self.blocked = Some(Blocked::new(head.rank));
        }
        let blocked = self.blocked.as_ref()?;
        let passes = PASSES_PER_SLOT.saturating_mul(self.capacity.slots);
        let beside = if blocked.passed < passes {
            let (at, then) = self.promise(now, &head.claim);
            let within = self.lanes.heads(home, Some(at.saturating_sub(now)));
            let fits = within.filter(|(place, _)| room(&self.held, &place.claim, &self.capacity));
            let first = fits.map(|(place, _)| place).min_by_key(|place| place.rank);
            if first.is_some() {
                return first;
            }
            then
        } else {
            let mut beside = blocked.beside.clone();
            beside.take(&head.claim);
            beside
        };
        let heads = self.lanes.heads(home, None).map(|(place, _)| place);
        let fits = heads.filter(|place| {
            room(&self.held, &place.claim, &self.capacity)
                && beside.has_room(&place.claim, &self.capacity)
        });
        fits.min_by_key(|place| place.rank)
    }

    /// When a claim is expected to have room, and what is held then with it.
    fn promise(&self, now: Duration, claim: &Claim) -> (Duration, Held) {
        let mut running: Vec<(Duration, &Claim)> = self.crew.taken().collect();
        running.sort_by_key(|(until, _)| *until);
        let mut held = self.held.clone();
        let mut at = now;
        for (until, taken) in running {
            if held.has_room(claim, &self.capacity) {
                break;
            }
            held.give(taken);
            at = at.max(until);
        }
        held.take(claim);
        (at, held)
    }

    /// A unit starts: it may have been let past the blocked one.
    fn note_pass(&mut self, place: &Place) {
        let passes = PASSES_PER_SLOT.saturating_mul(self.capacity.slots);
        match &mut self.blocked {
            Some(blocked) if blocked.rank == place.rank => self.blocked = None,
            Some(blocked) if blocked.passed < passes => blocked.passed += 1,
            Some(blocked) => blocked.beside.take(&place.claim),
            None => {}
        }
    }
}

impl Job {
    fn home(&self) -> Home {
        Home {
            template: self.unit.template,
            lane: self.lane,
        }
    }
}

impl Blocked {
    fn new(rank: Rank) -> Self {
        Self {
            rank,
            passed: 0,
            beside: Held::default(),
        }
    }
}

#[cfg(test)]
mod tests;
