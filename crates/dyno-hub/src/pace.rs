//! When to ask again, and when to give up. Knows no clock: what it is told, it decides by.

use std::time::Duration;

/// How patient a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in a row that bring nothing new, before one gives up.
    pub attempts: u32,
    /// The pause after the first of them; it doubles with each.
    pub pause: Duration,
    /// The longest such pause.
    pub longest_pause: Duration,
    /// How long in all a server's wish to wait is followed, for one file or listing.
    pub rate_limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // 0.5, 1, 2, 4 s between them: a restart of a server is bridged, a test run not held
            // up. huggingface_hub tries as often, from 1 s on.
            attempts: 5,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            // The Hub counts requests in windows of five minutes.
            rate_limit: Duration::from_secs(600),
        }
    }
}

/// More attempts than this are not made, whatever they bring.
const MOST_ATTEMPTS: u32 = 2_000;

/// The attempts at one thing.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    patience: Patience,
    attempts: u32,
    fruitless: u32,
    waited: Duration,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It failed, and brought nothing new.
    Fruitless,
    /// It failed, and is further than any before.
    Fruitful,
    /// The server said that it wants to be asked later; after how long, where it said that.
    Refused(Option<Duration>),
}

impl Pace {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            patience,
            attempts: 0,
            fruitless: 0,
            waited: Duration::ZERO,
        }
    }

    /// The pause before the next attempt; none where there is to be no other. `chance` is from
    /// 0 to 1: pauses are spread, so that those who failed together do not come back together.
    pub(crate) fn after(&mut self, attempt: Attempt, chance: f64) -> Option<Duration> {
        self.attempts += 1;
        if self.attempts >= MOST_ATTEMPTS {
            return None;
        }
        match attempt {
            Attempt::Fruitful => {
                self.fruitless = 0;
                Some(self.spread(0, chance))
            }
            Attempt::Fruitless => {
                self.fruitless += 1;
                (self.fruitless < self.patience.attempts)
                    .then(|| self.spread(self.fruitless - 1, chance))
            }
            Attempt::Refused(Some(told)) => {
                // Not a moment too early, and later than told by a tenth at most.
                let least = told.max(self.patience.pause);
                let pause = least.saturating_add(least.min(TENTH_OF).mul_f64(chance / 10.0));
                self.waited = self.waited.saturating_add(least);
                (self.waited <= self.patience.rate_limit).then_some(pause)
            }
            Attempt::Refused(None) => self.after(Attempt::Fruitless, chance),
        }
    }

    /// Attempts in a row that brought nothing.
    pub(crate) fn fruitless(&self) -> u32 {
        self.fruitless
    }

    /// How long the server's wish was followed, the last one included that was not.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    fn spread(&self, doublings: u32, chance: f64) -> Duration {
        let whole = self
            .patience
            .pause
            .saturating_mul(1 << doublings.min(16))
            .min(self.patience.longest_pause);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// Waits are spread over a tenth of themselves, or of this.
const TENTH_OF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use Attempt::{Fruitful, Fruitless, Refused};

    const PATIENCE: Patience = Patience {
        attempts: 3,
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(3),
        rate_limit: Duration::from_secs(60),
    };

    fn seconds(attempts: &[Attempt]) -> Vec<Option<u64>> {
        let mut pace = Pace::new(PATIENCE);
        let pause = |&attempt| pace.after(attempt, 1.0).map(|pause| pause.as_secs());
        attempts.iter().map(pause).collect()
    }

    #[test]
    fn attempts_that_bring_nothing_are_counted() {
        let minute = Refused(Some(Duration::from_secs(60)));
        let table: &[(&[Attempt], &[Option<u64>])] = &[
            (&[Fruitless; 3], &[Some(1), Some(2), None]),
            (
                &[
                    Fruitless, Fruitless, Fruitful, Fruitless, Fruitless, Fruitless,
                ],
                &[Some(1), Some(2), Some(1), Some(1), Some(2), None],
            ),
            (&[Refused(None); 3], &[Some(1), Some(2), None]),
            (&[minute, minute], &[Some(63), None]),
            // A server that wants no pause gets one.
            (&[Refused(Some(Duration::ZERO)); 2], &[Some(1), Some(1)]),
            (&[Refused(Some(Duration::MAX))], &[None]),
        ];
        for (attempts, pauses) in table {
            assert_eq!(seconds(attempts), *pauses, "{attempts:?}");
        }
        assert!(seconds(&[Refused(Some(Duration::ZERO)); 100]).contains(&None));
        assert!(seconds(&vec![Fruitful; 5_000]).contains(&None));
    }

    #[test]
    fn pauses_are_spread_and_never_shorter_than_told() {
        let mut pace = Pace::new(PATIENCE);
        let told = Refused(Some(Duration::from_secs(10)));
        assert_eq!(pace.after(Fruitless, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(pace.after(told, 0.0), Some(Duration::from_secs(10)));
        assert_eq!(pace.after(told, 1.0), Some(Duration::from_secs(11)));
    }
}
