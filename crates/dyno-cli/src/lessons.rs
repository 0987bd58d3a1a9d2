//! What a run teaches about its tests, for the history.

use dyno_model::{Bytes, Event, Past, TestId, Usage};
use std::collections::HashMap;
use std::time::Duration;

/// What each test took, as far as it was heard.
#[derive(Debug, Default)]
pub(crate) struct Lessons(HashMap<TestId, Past>);

impl Lessons {
    /// Takes an event of the run.
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::TestFinished {
                test,
                took: Some(took),
                ..
            } => {
                let past = Past {
                    elapsed: took.elapsed,
                    cpu: took.cpu,
                    memory: Bytes(0),
                };
                self.0.insert(test.clone(), past);
            }
            Event::Used { tests, usage, .. } => self.used(tests, usage),
            _ => {}
        }
    }

    /// By test.
    pub(crate) fn all(self) -> HashMap<TestId, Past> {
        self.0
    }

    /// The tests of a sealed unit are over. Processor time that no worker saw is theirs by their
    /// lengths, and each is taken to have had the memory of all.
    fn used(&mut self, tests: &[TestId], usage: &Usage) {
        let known: Vec<Past> = tests
            .iter()
            .filter_map(|test| self.0.get(test))
            .copied()
            .collect();
        let elapsed: Duration = known.iter().map(|past| past.elapsed).sum();
        let seen: Duration = known.iter().map(|past| past.cpu).sum();
        let unseen = usage.cpu().unwrap_or_default().saturating_sub(seen);
        for test in tests {
            if let Some(past) = self.0.get_mut(test) {
                past.cpu += unseen.mul_f64(part(past.elapsed, elapsed));
                past.memory = usage.own_memory().unwrap_or_default();
            }
        }
    }
}

fn part(of: Duration, all: Duration) -> f64 {
    if all.is_zero() {
        return 0.0;
    }
    of.as_secs_f64() / all.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::{Limits, Took, WorkerId};

    #[test]
    fn what_servers_used_counts_for_the_tests_of_their_unit() {
        let ms = Duration::from_millis;
        let id = |name: &str| TestId::new(format!("t.py::{name}")).unwrap();
        let mut lessons = Lessons::default();
        for (name, elapsed) in [("a", ms(100)), ("b", ms(300)), ("c", ms(50))] {
            let took = Some(Took {
                elapsed,
                cpu: ms(10),
            });
            lessons.hear(&Event::TestFinished {
                worker: WorkerId(0),
                test: id(name),
                took,
            });
        }
        lessons.hear(&Event::Used {
            worker: WorkerId(0),
            tests: vec![id("a"), id("b"), id("killed")],
            limits: Limits::default(),
            usage: Usage {
                peak: Some(Bytes(5000)),
                cache: Some(Bytes(1000)),
                user: Some(ms(400)),
                system: Some(ms(20)),
                ..Usage::default()
            },
        });
        let past = lessons.all();
        let told = |name: &str| (past[&id(name)].cpu, past[&id(name)].memory);
        assert_eq!(told("a"), (ms(110), Bytes(4000)));
        assert_eq!(told("b"), (ms(310), Bytes(4000)));
        assert_eq!(told("c"), (ms(10), Bytes(0)), "it was not sealed");
        assert_eq!(past.len(), 3);
    }
}
