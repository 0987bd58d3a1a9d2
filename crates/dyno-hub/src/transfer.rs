//! What comes next in the transfer of one file: a machine that takes what was heard and says what
//! to do. It knows no socket, no file and no clock.
//!
//! A file is asked for from where the half-written one ends. Whatever comes, the offset that it is
//! written at is one that the answer names; whatever was written, it has its name only after its
//! checksum was right. A wrong one is forgiven once: the half-written file may have been another
//! tool's, or the server's bytes damaged on the way.

use crate::headers::ContentRange;
use crate::pace::{Attempt, Pace, Patience};
use std::time::Duration;

/// The transfer of one file of a known size.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    size: u64,
    /// How much of it is here.
    have: u64,
    /// The furthest that any attempt has come: what counts as progress is beyond it.
    furthest: u64,
    began_anew: bool,
    pace: Pace,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The server begins to send: with 206 from where `range` says, with 200 the whole.
    Body {
        partial: bool,
        range: Option<ContentRange>,
    },
    /// The body ended or broke off; so much is here now.
    Ended { have: u64 },
    /// 416: the server has nothing from there on.
    OutOfRange,
    /// A failure that may pass: no connection, a time-out, 5xx.
    Failed,
    /// 429, or 503 with a wish.
    Refused(Option<Duration>),
    /// What is here has been summed up.
    Summed { right: bool },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Ask for the file from this byte on.
    Ask { from: u64 },
    /// Write what comes at this offset, after cutting the file there.
    Take { at: u64 },
    /// Cut the file to nothing, and wait, and ask for the whole.
    BeginAnew { pause: Duration },
    /// Wait, then ask.
    Wait { pause: Duration, from: u64 },
    /// Compare the checksum.
    Sum,
    /// It is right: give it its name.
    Keep,
    /// Give up.
    GiveUp(GiveUp),
}

/// Why nothing more is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// Attempts in a row have brought nothing new.
    Fruitless,
    /// The server wants to be asked later than anyone waits.
    Refused(Option<Duration>),
    /// The checksum was wrong twice.
    WrongChecksum,
}

impl Transfer {
    /// Of a file of `size` bytes.
    pub(crate) fn new(size: u64, patience: Patience) -> Self {
        Self {
            size,
            have: 0,
            furthest: 0,
            began_anew: false,
            pace: Pace::new(patience),
        }
    }

    /// The first thing to do, where `have` bytes are here already.
    pub(crate) fn begin(&mut self, have: u64) -> Act {
        if have > self.size {
            return Act::BeginAnew {
                pause: Duration::ZERO,
            };
        }
        self.have = have;
        self.furthest = have;
        self.ask()
    }

    /// The next thing to do. `chance` spreads pauses, see [`Pace::after`].
    pub(crate) fn step(&mut self, heard: &Heard, chance: f64) -> Act {
        match *heard {
            Heard::Body { partial: false, .. } => {
                self.have = 0;
                Act::Take { at: 0 }
            }
            Heard::Body {
                range: Some(range), ..
            } if range.from <= self.have && range.size.is_none_or(|size| size == self.size) => {
                self.have = range.from;
                Act::Take { at: range.from }
            }
            // A part that does not say which, or of another file.
            Heard::Body { .. } | Heard::OutOfRange => self.anew(chance),
            Heard::Ended { have } => {
                let further = have > self.furthest;
                self.have = have;
                self.furthest = self.furthest.max(have);
                if have == self.size {
                    Act::Sum
                } else if have > self.size {
                    self.anew(chance)
                } else if further {
                    self.again(Attempt::Fruitful, chance)
                } else {
                    self.again(Attempt::Fruitless, chance)
                }
            }
            Heard::Failed => self.again(Attempt::Fruitless, chance),
            Heard::Refused(told) => self.again(Attempt::Refused(told), chance),
            Heard::Summed { right: true } => Act::Keep,
            Heard::Summed { right: false } if self.began_anew => Act::GiveUp(GiveUp::WrongChecksum),
            Heard::Summed { right: false } => {
                self.began_anew = true;
                self.forget();
                Act::BeginAnew {
                    pause: Duration::ZERO,
                }
            }
        }
    }

    /// How much of the file is here.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// The attempts so far.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    fn ask(&self) -> Act {
        if self.have == self.size {
            Act::Sum
        } else {
            Act::Ask { from: self.have }
        }
    }

    fn forget(&mut self) {
        self.have = 0;
        self.furthest = 0;
    }

    fn again(&mut self, attempt: Attempt, chance: f64) -> Act {
        match self.pace.after(attempt, chance) {
            Some(pause) => Act::Wait {
                pause,
                from: self.have,
            },
            None => Act::GiveUp(match attempt {
                Attempt::Refused(told) => GiveUp::Refused(told),
                Attempt::Fruitful | Attempt::Fruitless => GiveUp::Fruitless,
            }),
        }
    }

    fn anew(&mut self, chance: f64) -> Act {
        // What is here keeps its length as the mark: to come this far again is no progress.
        self.have = 0;
        match self.pace.after(Attempt::Fruitless, chance) {
            Some(pause) => Act::BeginAnew { pause },
            None => Act::GiveUp(GiveUp::Fruitless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Patience = Patience {
        attempts: 3,
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(8),
        rate_limit: Duration::from_secs(60),
    };
    const NO_PAUSE: Act = Act::BeginAnew {
        pause: Duration::ZERO,
    };

    fn part(from: u64, size: u64) -> Heard {
        Heard::Body {
            partial: true,
            range: Some(ContentRange {
                from,
                size: Some(size),
            }),
        }
    }

    fn whole() -> Heard {
        Heard::Body {
            partial: false,
            range: None,
        }
    }

    fn wait(seconds: u64, from: u64) -> Act {
        Act::Wait {
            pause: Duration::from_secs(seconds),
            from,
        }
    }

    fn anew(seconds: u64) -> Act {
        Act::BeginAnew {
            pause: Duration::from_secs(seconds),
        }
    }

    /// What a transfer of 100 bytes does.
    fn run(have: u64, heard: &[Heard]) -> Vec<Act> {
        let mut transfer = Transfer::new(100, PATIENCE);
        let mut acts = vec![transfer.begin(have)];
        acts.extend(heard.iter().map(|heard| transfer.step(heard, 1.0)));
        acts
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_is_heard_decides_what_is_done() {
        let ended = |have| Heard::Ended { have };
        let summed = |right| Heard::Summed { right };
        let table: Vec<(&str, u64, Vec<Heard>, Vec<Act>)> = vec![
            (
                "all goes well",
                0,
                vec![whole(), ended(100), summed(true)],
                vec![
                    Act::Ask { from: 0 },
                    Act::Take { at: 0 },
                    Act::Sum,
                    Act::Keep,
                ],
            ),
            (
                "a cut, continued",
                0,
                vec![whole(), ended(40), part(40, 100), ended(100)],
                vec![
                    Act::Ask { from: 0 },
                    Act::Take { at: 0 },
                    wait(1, 40),
                    Act::Take { at: 40 },
                    Act::Sum,
                ],
            ),
            (
                "a half-written file that was whole",
                100,
                vec![summed(true)],
                vec![Act::Sum, Act::Keep],
            ),
            (
                "a half-written file that is too long",
                101,
                vec![whole(), ended(100)],
                vec![NO_PAUSE, Act::Take { at: 0 }, Act::Sum],
            ),
            (
                "the server ignores the range",
                40,
                vec![whole(), ended(100)],
                vec![Act::Ask { from: 40 }, Act::Take { at: 0 }, Act::Sum],
            ),
            (
                "the server ignores the range, and cuts at the same place each time",
                0,
                vec![
                    whole(),
                    ended(40),
                    whole(),
                    ended(40),
                    whole(),
                    ended(40),
                    whole(),
                    ended(40),
                ],
                vec![
                    Act::Ask { from: 0 },
                    Act::Take { at: 0 },
                    wait(1, 40),
                    Act::Take { at: 0 },
                    wait(1, 40),
                    Act::Take { at: 0 },
                    wait(2, 40),
                    Act::Take { at: 0 },
                    Act::GiveUp(GiveUp::Fruitless),
                ],
            ),
            (
                "a part that begins earlier than asked",
                40,
                vec![part(32, 100), ended(100)],
                vec![Act::Ask { from: 40 }, Act::Take { at: 32 }, Act::Sum],
            ),
            (
                "a part that leaves a hole",
                40,
                vec![part(41, 100)],
                vec![Act::Ask { from: 40 }, anew(1)],
            ),
            (
                "a part of another file",
                40,
                vec![part(40, 99)],
                vec![Act::Ask { from: 40 }, anew(1)],
            ),
            (
                "a part that does not say which",
                40,
                vec![Heard::Body {
                    partial: true,
                    range: None,
                }],
                vec![Act::Ask { from: 40 }, anew(1)],
            ),
            (
                "out of range",
                40,
                vec![Heard::OutOfRange, Heard::OutOfRange, Heard::OutOfRange],
                vec![
                    Act::Ask { from: 40 },
                    anew(1),
                    anew(2),
                    Act::GiveUp(GiveUp::Fruitless),
                ],
            ),
            (
                "more than there is",
                0,
                vec![whole(), ended(101)],
                vec![Act::Ask { from: 0 }, Act::Take { at: 0 }, anew(1)],
            ),
            (
                "a wrong checksum, once",
                100,
                vec![summed(false), whole(), ended(100), summed(true)],
                vec![Act::Sum, NO_PAUSE, Act::Take { at: 0 }, Act::Sum, Act::Keep],
            ),
            (
                "a wrong checksum, twice",
                100,
                vec![summed(false), whole(), ended(100), summed(false)],
                vec![
                    Act::Sum,
                    NO_PAUSE,
                    Act::Take { at: 0 },
                    Act::Sum,
                    Act::GiveUp(GiveUp::WrongChecksum),
                ],
            ),
            (
                "nobody answers",
                7,
                vec![Heard::Failed, Heard::Failed, Heard::Failed],
                vec![
                    Act::Ask { from: 7 },
                    wait(1, 7),
                    wait(2, 7),
                    Act::GiveUp(GiveUp::Fruitless),
                ],
            ),
            (
                "later than anyone waits",
                0,
                vec![Heard::Refused(Some(Duration::from_secs(3600)))],
                vec![
                    Act::Ask { from: 0 },
                    Act::GiveUp(GiveUp::Refused(Some(Duration::from_secs(3600)))),
                ],
            ),
        ];
        for (name, have, heard, acts) in table {
            assert_eq!(run(have, &heard), acts, "{name}");
        }
    }

    proptest! {
        /// Whatever a server does, the transfer ends, and keeps nothing but what summed up right.
        #[test]
        fn every_transfer_ends(
            have in 0u64..120,
            heard in proptest::collection::vec(any_heard(), 1..60),
        ) {
            let mut transfer = Transfer::new(100, PATIENCE);
            let mut act = transfer.begin(have);
            let mut turns = 0u32;
            for heard in heard.iter().cycle() {
                turns += 1;
                prop_assert!(turns < 10_000);
                // Only what can follow: a sum is told when asked for, and nothing else then.
                let heard = match (&act, heard) {
                    (Act::Keep | Act::GiveUp(_), _) => break,
                    (Act::Sum, heard) => Heard::Summed { right: *heard == Heard::Failed },
                    (Act::Take { at }, Heard::Ended { have }) => Heard::Ended { have: *have.max(at) },
                    (Act::Take { at }, _) => Heard::Ended { have: *at },
                    (_, Heard::Ended { .. } | Heard::Summed { .. }) => Heard::Failed,
                    (_, heard) => heard.clone(),
                };
                let next = transfer.step(&heard, 0.5);
                let (kept, right) = (next == Act::Keep, heard == Heard::Summed { right: true });
                prop_assert_eq!(kept, right);
                act = next;
            }
        }
    }

    fn any_heard() -> impl Strategy<Value = Heard> {
        prop_oneof![
            Just(whole()),
            (0u64..110, 90u64..102).prop_map(|(from, size)| part(from, size)),
            (0u64..110).prop_map(|have| Heard::Ended { have }),
            Just(Heard::OutOfRange),
            Just(Heard::Failed),
            (0u64..20).prop_map(|wait| Heard::Refused(Some(Duration::from_secs(wait)))),
            Just(Heard::Refused(None)),
        ]
    }
}
