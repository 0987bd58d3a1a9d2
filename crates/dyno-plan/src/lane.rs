//! Units that wait: those of one home with one claim, in the order in which they are to
//! start.

use crate::Unit;
use dyno_model::{Claim, Lane, TemplateId};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which workers can run a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    /// Forks of this template.
    pub(crate) template: TemplateId,
    /// Those that run units of this lane: of any but the shared one, a single unit.
    pub(crate) lane: Lane,
}

/// A unit's place in the order: before all with a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// The longest first; the same for all where length does not count.
    length: Reverse<Duration>,
    /// Then by place. What a dead worker left comes before everything.
    place: i64,
}

impl Rank {
    pub(crate) fn new(length: Duration, place: i64) -> Self {
        let length = Reverse(length);
        Self { length, place }
    }

    /// The first rank whose length is at most this.
    fn at_most(length: Duration) -> Self {
        Self::new(length, i64::MIN)
    }
}

/// A unit that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) unit: Unit,
    /// How long it is expected to take.
    pub(crate) expected: Duration,
}

/// All units that wait, by what they can run on and what they claim.
#[derive(Debug, Default)]
pub(crate) struct Lanes(BTreeMap<Home, BTreeMap<Claim, BTreeMap<Rank, Waiting>>>);

/// Where a waiting unit is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) home: Home,
    pub(crate) claim: Claim,
    pub(crate) rank: Rank,
}

impl Lanes {
    pub(crate) fn insert(&mut self, home: Home, claim: Claim, rank: Rank, waiting: Waiting) {
        let lanes = self.0.entry(home).or_default();
        lanes.entry(claim).or_default().insert(rank, waiting);
    }

    pub(crate) fn take(&mut self, place: &Place) -> Option<Waiting> {
        let lanes = self.0.get_mut(&place.home)?;
        let lane = lanes.get_mut(&place.claim)?;
        let waiting = lane.remove(&place.rank);
        if lane.is_empty() {
            lanes.remove(&place.claim);
        }
        if lanes.is_empty() {
            self.0.remove(&place.home);
        }
        waiting
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many units of each home wait.
    pub(crate) fn backlog(&self) -> impl Iterator<Item = (Home, usize)> {
        let count = |lanes: &BTreeMap<Claim, BTreeMap<Rank, Waiting>>| {
            lanes.values().map(BTreeMap::len).sum()
        };
        self.0
            .iter()
            .map(move |(home, lanes)| (*home, count(lanes)))
    }

    /// Whether units of a home wait.
    pub(crate) fn has(&self, home: Home) -> bool {
        self.0.contains_key(&home)
    }

    /// The first unit of all.
    pub(crate) fn head(&self) -> Option<Place> {
        let homes = self.0.keys();
        let heads = homes.flat_map(|home| self.heads(*home, None));
        heads.map(|(place, _)| place).min_by_key(|place| place.rank)
    }

    /// The first unit of each lane of a home, in no order; where `within` is given the
    /// first that is expected to take no longer. Beside it how long it is expected to take.
    pub(crate) fn heads(
        &self,
        home: Home,
        within: Option<Duration>,
    ) -> impl Iterator<Item = (Place, Duration)> {
        let lanes = self.0.get(&home).into_iter().flatten();
        lanes.filter_map(move |(claim, lane)| {
            let from = within.map_or(Rank::at_most(Duration::MAX), Rank::at_most);
            let fits = |waiting: &Waiting| within.is_none_or(|most| waiting.expected <= most);
            let (rank, waiting) = lane.range(from..).next().filter(|(_, unit)| fits(unit))?;
            let place = Place {
                home,
                claim: claim.clone(),
                rank: *rank,
            };
            Some((place, waiting.expected))
        })
    }
}
