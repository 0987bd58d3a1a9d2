//! In which order units are to start.

use crate::Unit;
use crate::lane::Rank;
use dyno_model::{Claim, Lane};
use std::time::Duration;

/// A unit with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The unit.
    pub unit: Unit,
    /// What it takes of the machine.
    pub claim: Claim,
    /// How long it took in earlier runs; absent where that is not known.
    pub expected: Option<Duration>,
    /// In which process it runs.
    pub lane: Lane,
}

/// In which order units start where nothing else decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// pytest's.
    Given,
    /// Those that took longest first, by Graham's rule (R. L. Graham, *Bounds on
    /// multiprocessing timing anomalies*, 1969): with it the last to end is at most a third
    /// later than in the best order. Units of unknown length count as long as the longest
    /// tenth of the known ones, so that a long one among them is not met last. Those that are
    /// too short to matter stay in pytest's order, on which suites depend more than they say.
    LongestFirst,
    /// As the seed says.
    Shuffled(u64),
}

/// Of this many known lengths, one is longer than what an unknown unit counts as.
const UNKNOWN_IS_LONGER_THAN: (usize, usize) = (9, 10);

/// What an unknown unit counts as where nothing is known of any.
const NOTHING_KNOWN: Duration = Duration::from_secs(1);

/// A unit is long if it takes this part of the whole run: the last to end may be so much later
/// than it could be.
const LONG: u32 = 40;

/// No unit is long that takes less.
const SHORT: Duration = Duration::from_millis(100);

/// The rank of each job on so many slots, and how long it is expected to take.
pub(crate) fn ranks(jobs: &[Job], order: Order, slots: u32) -> Vec<(Rank, Duration)> {
    let assumed = assumed(jobs);
    let all: Duration = jobs.iter().map(|job| job.expected.unwrap_or(assumed)).sum();
    let long = (all / slots.max(1) / LONG).max(SHORT);
    let mut places: Vec<i64> = (0..).take(jobs.len()).collect();
    if let Order::Shuffled(seed) = order {
        shuffle(&mut places, seed);
    }
    let rank = |(job, place): (&Job, i64)| {
        let expected = job.expected.unwrap_or(assumed);
        let length = match order {
            Order::LongestFirst if expected >= long => expected,
            Order::LongestFirst | Order::Given | Order::Shuffled(_) => Duration::ZERO,
        };
        (Rank::new(length, place), expected)
    };
    jobs.iter().zip(places).map(rank).collect()
}

fn assumed(jobs: &[Job]) -> Duration {
    let mut known: Vec<Duration> = jobs.iter().filter_map(|job| job.expected).collect();
    known.sort_unstable();
    let (part, whole) = UNKNOWN_IS_LONGER_THAN;
    let at = known.len() * part / whole;
    known.get(at).copied().unwrap_or(NOTHING_KNOWN)
}

/// Fisher and Yates' shuffle by `SplitMix64` (G. Steele, D. Lea, C. Flood, *Fast splittable
/// pseudorandom number generators*, 2014): the same for a seed on every machine and in
/// every version.
fn shuffle(places: &mut [i64], seed: u64) {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for last in (1..places.len()).rev() {
        let among = u64::try_from(last + 1).unwrap_or(u64::MAX);
        let other = usize::try_from(next() % among).unwrap_or(0);
        places.swap(last, other);
    }
}
