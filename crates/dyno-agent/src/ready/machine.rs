//! When is a process ready? A machine that is told what was seen and says what to try.
//!
//! Pure: `step(now, event) -> actions`. Every probe is tried on its own, at once and
//! then at growing intervals, until it is met once. The wait ends when all are met,
//! when the process ends, or at the deadline, whichever comes first; the machine gives
//! exactly one [`Action::End`], and no action after it.

use dyno_model::ProcessExit;
use std::time::{Duration, Instant};

/// The first pause between two attempts. Servers of a mock engine are up in tens of
/// milliseconds, and a test should not wait longer than they do.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause. On loopback an attempt costs under a millisecond, so ten a second
/// load nothing.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What to do when the process ends before all probes are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnExit {
    /// Fail: a dead process is not ready.
    Fail,
    /// Try each probe once more: what is looked for may be the last that it did.
    LookOnce,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The wait begins.
    Begin,
    /// An attempt of this probe ended.
    Seen(usize, Sight),
    /// The process ended.
    Exited(ProcessExit),
    /// Time has passed.
    Woke,
}

/// What an attempt saw, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// What was hoped for.
    Met(String),
    /// Something else.
    NotYet(String),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Try this probe at that time; the attempt may take until the deadline at most.
    Attempt(usize, Instant),
    /// The wait is over.
    End(Verdict),
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All probes are met; what each saw.
    Ready(Vec<String>),
    /// The process ended first.
    Exited(ProcessExit),
    /// Time ran out: the probes that were not met, with what each saw last.
    TimedOut(Vec<(usize, Option<String>)>),
}

#[derive(Debug, Clone)]
enum Probe {
    Open {
        pause: Duration,
        last: Option<String>,
    },
    Met(String),
}

/// One wait for one process.
#[derive(Debug)]
pub(crate) struct Readiness {
    probes: Vec<Probe>,
    deadline: Instant,
    on_exit: OnExit,
    exited: Option<ProcessExit>,
    /// Probes whose last look is still to come.
    looks: Vec<usize>,
    over: bool,
}

impl Readiness {
    pub(crate) fn new(probes: usize, deadline: Instant, on_exit: OnExit) -> Self {
        let probe = Probe::Open {
            pause: FIRST_PAUSE,
            last: None,
        };
        Self {
            probes: vec![probe; probes],
            deadline,
            on_exit,
            exited: None,
            looks: Vec::new(),
            over: false,
        }
    }

    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        if self.over {
            return Vec::new();
        }
        let mut actions = match event {
            Event::Begin => (0..self.probes.len())
                .map(|probe| Action::Attempt(probe, now))
                .collect(),
            Event::Seen(probe, sight) => self.seen(now, probe, sight),
            Event::Exited(exit) => self.exited(now, exit),
            Event::Woke => Vec::new(),
        };
        if let Some(verdict) = self.verdict(now) {
            self.over = true;
            actions = vec![Action::End(verdict)];
        }
        actions
    }

    fn seen(&mut self, now: Instant, number: usize, sight: Sight) -> Vec<Action> {
        let dead = self.exited.is_some();
        let Some(probe @ Probe::Open { .. }) = self.probes.get_mut(number) else {
            return Vec::new();
        };
        match (sight, probe) {
            (Sight::Met(seen), probe) => *probe = Probe::Met(seen),
            (Sight::NotYet(seen), Probe::Open { pause, last }) => {
                *last = Some(seen);
                if !dead {
                    let next = now + *pause;
                    *pause = (*pause * 2).min(LONGEST_PAUSE);
                    return vec![Action::Attempt(number, next)];
                }
            }
            (Sight::NotYet(_), Probe::Met(_)) => {}
        }
        // Only an attempt that began after the end counts as the last look, and each of
        // those was asked for once.
        if let Some(at) = self.looks.iter().position(|&look| look == number) {
            self.looks.swap_remove(at);
        }
        Vec::new()
    }

    fn exited(&mut self, now: Instant, exit: ProcessExit) -> Vec<Action> {
        if self.exited.replace(exit).is_some() || self.on_exit == OnExit::Fail {
            return Vec::new();
        }
        self.looks = self.unmet().map(|(number, _)| number).collect();
        let looks = self.looks.iter();
        looks.map(|&number| Action::Attempt(number, now)).collect()
    }

    fn verdict(&self, now: Instant) -> Option<Verdict> {
        if let (Some(exit), OnExit::Fail) = (self.exited, self.on_exit) {
            return Some(Verdict::Exited(exit));
        }
        if self.unmet().next().is_none() {
            let seen = self.probes.iter().map(|probe| match probe {
                Probe::Met(seen) => seen.clone(),
                Probe::Open { .. } => String::new(),
            });
            return Some(Verdict::Ready(seen.collect()));
        }
        match self.exited {
            Some(exit) if self.looks.is_empty() => Some(Verdict::Exited(exit)),
            _ if now >= self.deadline => Some(Verdict::TimedOut(
                self.unmet().map(|(at, last)| (at, last.cloned())).collect(),
            )),
            _ => None,
        }
    }

    fn unmet(&self) -> impl Iterator<Item = (usize, Option<&String>)> {
        let all = self.probes.iter().enumerate();
        all.filter_map(|(number, probe)| match probe {
            Probe::Open { last, .. } => Some((number, last.as_ref())),
            Probe::Met(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIED: ProcessExit = ProcessExit::Code(1);

    fn met(probe: usize) -> Event {
        Event::Seen(probe, Sight::Met(format!("saw {probe}")))
    }

    fn not_yet(probe: usize) -> Event {
        Event::Seen(probe, Sight::NotYet("refused".to_owned()))
    }

    /// Runs events at milliseconds after the start, with a deadline at 1000.
    fn run(probes: usize, on_exit: OnExit, events: &[(u64, Event)]) -> Vec<Vec<String>> {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut machine = Readiness::new(probes, at(1000), on_exit);
        let steps = events.iter().map(|(ms, event)| {
            let actions = machine.step(at(*ms), event.clone());
            let words = actions.iter().map(|action| match action {
                Action::Attempt(probe, when) => {
                    format!("{probe} at {}", (*when - start).as_millis())
                }
                Action::End(verdict) => format!("{verdict:?}"),
            });
            words.collect()
        });
        steps.collect()
    }

    #[test]
    fn all_probes_are_tried_at_once_and_each_is_met_once() {
        let steps = run(
            2,
            OnExit::Fail,
            &[
                (0, Event::Begin),
                (5, met(1)),
                (6, not_yet(0)),
                (20, met(0)),
            ],
        );
        assert_eq!(steps[0], ["0 at 0", "1 at 0"]);
        assert_eq!(steps[1], [""; 0]);
        assert_eq!(steps[2], ["0 at 16"]);
        assert_eq!(steps[3], [r#"Ready(["saw 0", "saw 1"])"#]);
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut events = vec![(0, Event::Begin)];
        events.extend((0..7).map(|_| (0, not_yet(0))));
        let steps = run(1, OnExit::Fail, &events);
        let waits: Vec<&str> = steps[1..].iter().map(|step| step[0].as_str()).collect();
        assert_eq!(
            waits,
            [
                "0 at 10", "0 at 20", "0 at 40", "0 at 80", "0 at 100", "0 at 100", "0 at 100"
            ]
        );
    }

    #[test]
    fn nothing_to_probe_is_ready_unless_dead() {
        assert_eq!(run(0, OnExit::Fail, &[(0, Event::Begin)])[0], ["Ready([])"]);
        let dead = run(0, OnExit::Fail, &[(0, Event::Exited(DIED))]);
        assert_eq!(dead[0], ["Exited(Code(1))"]);
    }

    #[test]
    fn an_exit_ends_the_wait_at_once() {
        let steps = run(
            1,
            OnExit::Fail,
            &[(0, Event::Begin), (3, Event::Exited(DIED)), (4, met(0))],
        );
        assert_eq!(steps[1], ["Exited(Code(1))"]);
        assert_eq!(steps[2], [""; 0], "over is over");
    }

    #[test]
    fn a_last_look_may_find_what_the_dead_wrote() {
        let begin = [(0, Event::Begin), (3, Event::Exited(DIED))];
        let found = run(1, OnExit::LookOnce, &[&begin[..], &[(4, met(0))]].concat());
        assert_eq!(found[1], ["0 at 3"]);
        assert_eq!(found[2], [r#"Ready(["saw 0"])"#]);
        let nothing = run(
            1,
            OnExit::LookOnce,
            &[&begin[..], &[(4, not_yet(0))]].concat(),
        );
        assert_eq!(nothing[2], ["Exited(Code(1))"]);
    }

    #[test]
    fn time_runs_out_with_the_names_of_what_is_missing() {
        let steps = run(
            3,
            OnExit::Fail,
            &[
                (0, Event::Begin),
                (1, met(1)),
                (2, not_yet(2)),
                (999, Event::Woke),
                (1000, Event::Woke),
            ],
        );
        assert_eq!(steps[3], [""; 0]);
        assert_eq!(steps[4], [r#"TimedOut([(0, None), (2, Some("refused"))])"#]);
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Begin),
            Just(Event::Woke),
            Just(Event::Exited(DIED)),
            (0usize..4).prop_map(met),
            (0usize..4).prop_map(not_yet),
        ]
    }

    proptest! {
        #[test]
        fn it_ends_once_and_always_by_the_deadline(
            probes in 0usize..4,
            look in any::<bool>(),
            events in proptest::collection::vec((0u64..1500, any_event()), 0..30),
        ) {
            let mut events = events;
            events.sort_by_key(|(at, _)| *at);
            events.push((1500, Event::Woke));
            let on_exit = if look { OnExit::LookOnce } else { OnExit::Fail };
            let steps = run(probes, on_exit, &events);
            let ends = steps.iter().flatten().filter(|step| step.contains('(')).count();
            prop_assert_eq!(ends, 1);
        }
    }
}
