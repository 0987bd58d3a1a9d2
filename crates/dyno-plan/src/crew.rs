//! The live workers: what each does, and what it holds.

use crate::held::Held;
use crate::lane::Home;
use dyno_model::{Claim, UnitId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All live workers. What is asked at each step is counted, not looked for.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    live: BTreeMap<WorkerId, Live>,
    waiting: BTreeSet<WorkerId>,
    counts: BTreeMap<Home, Count>,
    active: usize,
    next: u32,
}

/// Workers of one home that were not told to finish.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) all: usize,
    /// Those that are about to ask for a unit, or have.
    pub(crate) idle: usize,
}

/// A live worker.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) home: Home,
    /// It is to run one unit, and has been given it.
    pub(crate) spent: bool,
    doing: Doing,
    /// What its unit claims.
    pub(crate) holds: Option<Claim>,
    /// What the unit before claims, which is being torn down.
    pub(crate) leaves: Option<Claim>,
    /// What it has of the machine: the greater of both.
    pub(crate) taken: Option<Claim>,
    /// Until when it is expected to.
    pub(crate) until: Duration,
}

/// What a live worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It will ask for a unit.
    Starting,
    /// It runs this unit.
    Running(UnitId),
    /// It has asked, and was told to wait.
    Waiting,
    /// It was told that nothing is left.
    Finishing,
}

impl Doing {
    fn is_active(self) -> bool {
        self != Self::Finishing
    }

    fn is_idle(self) -> bool {
        matches!(self, Self::Starting | Self::Waiting)
    }
}

impl Crew {
    /// One more worker.
    pub(crate) fn start(&mut self, home: Home) -> WorkerId {
        let worker = WorkerId(self.next);
        self.next += 1;
        self.count(home, Doing::Starting, true);
        self.live.insert(worker, Live::new(home));
        worker
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) -> Option<Live> {
        let live = self.live.remove(&worker)?;
        self.waiting.remove(&worker);
        self.count(live.home, live.doing, false);
        Some(live)
    }

    pub(crate) fn get_mut(&mut self, worker: WorkerId) -> Option<&mut Live> {
        self.live.get_mut(&worker)
    }

    /// Says what a worker does from now on.
    pub(crate) fn set(&mut self, worker: WorkerId, doing: Doing) {
        let Some(live) = self.live.get_mut(&worker) else {
            return;
        };
        let before = std::mem::replace(&mut live.doing, doing);
        let home = live.home;
        self.count(home, before, false);
        self.count(home, doing, true);
        if doing == Doing::Waiting {
            self.waiting.insert(worker);
        } else {
            self.waiting.remove(&worker);
        }
    }

    fn count(&mut self, home: Home, doing: Doing, comes: bool) {
        let count = self.counts.entry(home).or_default();
        let change = |number: &mut usize, counts: bool| match (counts, comes) {
            (false, _) => {}
            (true, true) => *number += 1,
            (true, false) => *number -= 1,
        };
        change(&mut count.all, doing.is_active());
        change(&mut count.idle, doing.is_idle());
        change(&mut self.active, doing.is_active());
    }

    /// All, those that finish too.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Those that were not told to finish.
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// Those that wait, in the order of their numbers.
    pub(crate) fn waiting(&self) -> Vec<WorkerId> {
        self.waiting.iter().copied().collect()
    }

    pub(crate) fn is_any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// One that waits, of another home.
    pub(crate) fn waiting_elsewhere(&self, home: Home) -> Option<WorkerId> {
        let elsewhere =
            |worker: &&WorkerId| self.live.get(worker).is_some_and(|live| live.home != home);
        self.waiting.iter().find(elsewhere).copied()
    }

    pub(crate) fn of(&self, home: Home) -> Count {
        self.counts.get(&home).copied().unwrap_or_default()
    }

    /// What each has of the machine, and until when it is expected to.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (Duration, &Claim)> {
        (self.live.values()).filter_map(|live| Some((live.until, live.taken.as_ref()?)))
    }
}

impl Live {
    fn new(home: Home) -> Self {
        Self {
            home,
            spent: false,
            doing: Doing::Starting,
            holds: None,
            leaves: None,
            taken: None,
            until: Duration::ZERO,
        }
    }

    /// The unit that it runs.
    pub(crate) fn running(&self) -> Option<UnitId> {
        match self.doing {
            Doing::Running(unit) => Some(unit),
            _ => None,
        }
    }

    /// Takes what it holds and leaves now, in place of what it had taken.
    pub(crate) fn settle(&mut self, held: &mut Held) {
        let wanted = match (&self.holds, &self.leaves) {
            (Some(holds), Some(leaves)) => Some(holds.or(leaves)),
            (holds, leaves) => holds.clone().or_else(|| leaves.clone()),
        };
        if wanted != self.taken {
            if let Some(taken) = self.taken.take() {
                held.give(&taken);
            }
            if let Some(wanted) = &wanted {
                held.take(wanted);
            }
            self.taken = wanted;
        }
    }
}
