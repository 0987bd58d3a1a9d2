//! What sealed workers left behind their walls, and during which test.

use super::{Effect, Machine};
use crate::failure::Failure;
use dyno_model::{Event, LeakPolicy, Leaked, Phase, TestId, WorkerId};
use dyno_sandbox::leaks::Leak;
use std::collections::BTreeMap;
use std::time::Duration;

/// A process's start is known in ticks of the kernel's clock, of 10 ms, and is never late.
const COARSE: Duration = Duration::from_millis(20);

impl Machine {
    pub(super) fn leaked(&mut self, worker: WorkerId, leaks: Vec<Leak>, effects: &mut Vec<Effect>) {
        let began = self.workers.get_mut(worker).map(|state| &*state.began);
        let began = began.unwrap_or_default();
        let leaks: Vec<Leaked> = leaks
            .into_iter()
            .map(|leak| Leaked {
                test: leak.age.and_then(|age| running_at(began, self.now, age)),
                kind: leak.kind.to_string(),
                what: leak.what,
            })
            .collect();
        let last = began.last().map(|(_, test)| test.clone());
        let mut failing: BTreeMap<TestId, Vec<String>> = BTreeMap::new();
        for leak in &leaks {
            // Somebody has to answer for it: in doubt the last, after which it was still there.
            if let Some(test) = leak.test.as_ref().or(last.as_ref())
                && self.terms.of(test).leaks == LeakPolicy::Fail
            {
                let line = format!("{}: {}", leak.kind, leak.what);
                failing.entry(test.clone()).or_default().push(line);
            }
        }
        effects.push(Effect::Record(Event::Leaked { worker, leaks }));
        for (test, lines) in failing {
            self.say_failure(worker, &test, left_behind(&lines), effects);
        }
    }
}

/// An error of a test that is over, as of a teardown that should have cleaned up.
fn left_behind(lines: &[String]) -> Failure {
    Failure {
        phase: Phase::Teardown,
        crash: format!("left behind: {}", lines.join("; ")),
        longrepr: format!(
            "the test left behind\n  {}\nhint: end it in a fixture's teardown, or say leaks = \
             \"warn\" in a rule of [tool.dyno]",
            lines.join("\n  ")
        ),
        sections: Vec::new(),
    }
}

/// The test that had begun last when something came to be, so long before `now`.
fn running_at(began: &[(Duration, TestId)], now: Duration, age: Duration) -> Option<TestId> {
    let made = now.saturating_sub(age) + COARSE;
    let before = began.iter().rev().find(|(began, _)| *began <= made);
    before.map(|(_, test)| test.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_the_tests_that_ran_when_it_came_to_be() {
        let ms = Duration::from_millis;
        let test = |name: &str| TestId::new(format!("t.py::{name}")).unwrap();
        let began = [(ms(1000), test("a")), (ms(2000), test("b"))];
        let name = |age| running_at(&began, ms(5000), ms(age)).map(|test| test.to_string());
        assert_eq!(name(3500).as_deref(), Some("t.py::a"));
        assert_eq!(
            name(3001).as_deref(),
            Some("t.py::b"),
            "the clock is coarse"
        );
        assert_eq!(name(0).as_deref(), Some("t.py::b"));
        assert_eq!(name(4500), None, "it was there before");
        assert_eq!(name(9000), None);
    }
}
