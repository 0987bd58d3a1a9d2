//! What part of a processor a unit is meant to use, which is what it claims where nobody has said.

use dyno_model::{Lane, MilliCpu};
use std::time::Duration;

/// A whole processor.
pub(super) const WHOLE: MilliCpu = MilliCpu(1000);

/// What takes less tells nothing of how it waits: its start alone is a part of it.
const TELLING: Duration = Duration::from_millis(100);

/// A unit that uses at most this part of a processor mostly waits; any other is given one.
const MOSTLY_WAITS: MilliCpu = MilliCpu(500);

/// The least that a unit counts for: its reports have to be read and written too.
const LEAST: MilliCpu = MilliCpu(50);

/// What part of a processor is meant for tests that have not been run yet. Those that are sealed
/// start servers and wait for them: the 192 units of this repository's suite used 0.67 of one, the
/// 53 tests of Dynamo's own for its router 0.2 (2026-11-23).
pub(super) fn unknown(lane: Lane) -> MilliCpu {
    if lane == Lane::Sealed {
        MOSTLY_WAITS
    } else {
        WHOLE
    }
}

/// What part of a processor is meant for tests that took so long and used so much.
pub(super) fn share(elapsed: Duration, cpu: Duration, lane: Lane) -> MilliCpu {
    if elapsed < TELLING {
        return WHOLE;
    }
    let share = cpu.as_micros() * 1000 / elapsed.as_micros().max(1);
    let share = MilliCpu(u64::try_from(share).unwrap_or(u64::MAX));
    // The processes of a sealed unit work by turns.
    if share > MOSTLY_WAITS && lane != Lane::Sealed {
        WHOLE
    } else {
        share.clamp(LEAST, WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mostly_waits_counts_for_a_part_of_a_processor() {
        let ms = Duration::from_millis;
        let cases = [
            // Elapsed, used, and what it counts for in a lane that is not sealed and in one that is.
            (ms(50), ms(1), 1000, 1000),
            (ms(1000), ms(900), 1000, 900),
            (ms(1000), ms(300), 300, 300),
            (ms(10_000), ms(10), 50, 50),
            (ms(1000), ms(4000), 1000, 1000),
        ];
        for (elapsed, cpu, own, sealed) in cases {
            for (lane, milli) in [(Lane::Own, own), (Lane::Sealed, sealed)] {
                let got = share(elapsed, cpu, lane);
                assert_eq!(got, MilliCpu(milli), "{elapsed:?} {cpu:?} {lane:?}");
            }
        }
    }

    #[test]
    fn only_sealed_tests_are_meant_to_wait_before_they_were_run() {
        let shares = [Lane::Shared, Lane::Own, Lane::Sealed].map(unknown);
        assert_eq!(shares, [WHOLE, WHOLE, MilliCpu(500)]);
    }
}
