//! What sealed workers may have of the machine, and what they had.

use super::{Effect, Machine};
use dyno_model::{Event, Lane, Limits, TestId, Usage, WorkerId};

impl Machine {
    /// Limits a sealed worker to what its unit may have, before it hears of it.
    pub(super) fn limit(&mut self, worker: WorkerId, tests: &[TestId], effects: &mut Vec<Effect>) {
        let limits = tests.iter().map(|test| self.terms.of(test).limits);
        let limits = limits.reduce(Limits::or).unwrap_or_default();
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        if state.lane == Lane::Sealed && !limits.is_empty() {
            state.limits = limits;
            effects.push(Effect::Limit(worker, limits));
        }
    }

    pub(super) fn used(&mut self, worker: WorkerId, usage: Usage, effects: &mut Vec<Effect>) {
        let Some(state) = self.workers.get_mut(worker) else {
            return;
        };
        state.usage = usage;
        effects.push(Effect::Record(Event::Used {
            worker,
            tests: state.began.iter().map(|(_, test)| test.clone()).collect(),
            limits: state.limits,
            usage,
        }));
    }
}
