//! How many workers may run where dyno decides it (`-n auto`).
//!
//! What mostly waits is run beside what computes, as far as history tells
//! ([`super::planning`]). Where history was wrong, the machine shows it: as long as processes
//! wait for a processor or for memory most of the time, fewer may run; then, one by one, more
//! again (additive increase, multiplicative decrease, as in D. Chiu and R. Jain, *Analysis of
//! the increase and decrease algorithms for congestion avoidance*, 1989).

use super::{Effect, Machine, State};
use dyno_plan::Input;

/// In how many of a hundred parts of the last ten seconds some process could not go on for
/// want of it (`some avg10` in `/proc/pressure`, Linux's `Documentation/accounting/psi.rst`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pressure {
    pub(crate) cpu: f32,
    pub(crate) memory: f32,
}

/// Above these, too much runs. With as many busy processes as processors and a few that wait,
/// 2 processors show 10 to 40 of 100; with twice as many, over 90 (2026-11).
const TOO_MUCH: Pressure = Pressure {
    cpu: 80.0,
    memory: 20.0,
};

/// Below these, more may run.
const EASY: Pressure = Pressure {
    cpu: 50.0,
    memory: 5.0,
};

impl Pressure {
    fn is_above(self, other: Self) -> bool {
        self.cpu > other.cpu || self.memory > other.memory
    }
}

impl Machine {
    /// Whether the machine wants to hear of pressure: not where somebody gave a number of workers.
    pub(crate) fn heeds_pressure(&self) -> bool {
        let is_its_own = self.load.by_cpu && self.load.most > self.processors.get();
        self.state == State::Running && is_its_own
    }

    pub(super) fn pressed(&mut self, pressure: Pressure, effects: &mut Vec<Effect>) {
        if !self.heeds_pressure() {
            return;
        }
        let least = self.processors.get();
        let before = self.load.slots;
        if pressure.is_above(TOO_MUCH) {
            let running = u32::try_from(self.workers.live().len()).unwrap_or(u32::MAX);
            self.load.slots = (running.min(before) * 3 / 4).max(least);
        } else if !pressure.is_above(EASY) {
            self.load.slots = (before + 1).min(self.load.most);
        }
        if self.load.slots != before {
            self.plan(Input::Slots(self.load.slots), effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, item};
    use super::*;
    use crate::machine::Input as MachineInput;

    const HARD: Pressure = Pressure {
        cpu: 99.0,
        memory: 0.0,
    };

    #[test]
    fn a_number_of_workers_that_somebody_gave_stays_as_it_is() {
        let items = (0..20).map(|number| item(&format!("t{number}"), &[]));
        let mut bench = Bench::new(&["-n8"], items.collect(), 0);
        for _ in 0..10 {
            bench.put(MachineInput::Pressure(HARD));
        }
        assert!(!bench.machine.heeds_pressure());
        assert_eq!(bench.machine.load.slots, 8);
        assert_eq!(bench.forks().len(), 8);
    }
}
