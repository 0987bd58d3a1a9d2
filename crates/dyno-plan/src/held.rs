//! What is taken of the machine at a moment.

use dyno_model::{Capacity, Claim, TokenName};
use std::collections::BTreeMap;

/// The sum of the claims that are held.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// How many units hold something.
    units: u32,
    /// How many of them suffer nobody beside them.
    exclusive: u32,
    slots: u32,
    cpu: u64,
    memory: u64,
    tokens: BTreeMap<TokenName, u32>,
}

impl Held {
    pub(crate) fn take(&mut self, claim: &Claim) {
        self.units += 1;
        self.exclusive += u32::from(claim.exclusive);
        self.slots += claim.slots;
        self.cpu += claim.cpu.0;
        self.memory += claim.memory.0;
        for (name, count) in &claim.tokens {
            *self.tokens.entry(name.clone()).or_default() += count;
        }
    }

    /// Gives back what was taken with the same claim.
    pub(crate) fn give(&mut self, claim: &Claim) {
        self.units -= 1;
        self.exclusive -= u32::from(claim.exclusive);
        self.slots -= claim.slots;
        self.cpu -= claim.cpu.0;
        self.memory -= claim.memory.0;
        for (name, count) in &claim.tokens {
            if let Some(held) = self.tokens.get_mut(name) {
                *held -= count;
            }
        }
    }

    /// Whether a claim can be taken too. A claim is at most the capacity.
    pub(crate) fn has_room(&self, claim: &Claim, capacity: &Capacity) -> bool {
        if self.units == 0 {
            return true;
        }
        let token_is_free = |(name, count): (&TokenName, &u32)| {
            self.tokens.get(name).copied().unwrap_or(0) + count <= capacity.token(name)
        };
        self.exclusive == 0
            && !claim.exclusive
            && self.slots + claim.slots <= capacity.slots
            && capacity
                .cpu
                .is_none_or(|cpu| self.cpu + claim.cpu.0 <= cpu.0)
            && (capacity.memory).is_none_or(|memory| self.memory + claim.memory.0 <= memory.0)
            && claim.tokens.iter().all(token_is_free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::{Bytes, MilliCpu};

    fn token(name: &str, count: u32) -> Claim {
        let tokens = [(TokenName::new(name).unwrap(), count)].into();
        Claim {
            tokens,
            ..Claim::default()
        }
    }

    #[test]
    fn each_kind_of_thing_is_bounded() {
        let capacity = Capacity {
            slots: 4,
            cpu: Some(MilliCpu(2000)),
            memory: Some(Bytes(100)),
            tokens: [(TokenName::new("gpu").unwrap(), 2)].into(),
        };
        let one = Claim::default();
        let cases = [
            (one.clone(), one.clone(), true),
            (
                Claim {
                    slots: 3,
                    ..one.clone()
                },
                Claim {
                    slots: 2,
                    ..one.clone()
                },
                false,
            ),
            (
                Claim {
                    cpu: MilliCpu(1500),
                    ..one.clone()
                },
                Claim {
                    cpu: MilliCpu(501),
                    ..one.clone()
                },
                false,
            ),
            (
                Claim {
                    memory: Bytes(50),
                    ..one.clone()
                },
                Claim {
                    memory: Bytes(50),
                    ..one.clone()
                },
                true,
            ),
            (
                Claim {
                    memory: Bytes(50),
                    ..one.clone()
                },
                Claim {
                    memory: Bytes(51),
                    ..one.clone()
                },
                false,
            ),
            (token("gpu", 1), token("gpu", 1), true),
            (token("gpu", 2), token("gpu", 1), false),
            (token("port", 1), token("port", 1), false),
            (token("port", 1), token("gpu", 1), true),
            (
                Claim {
                    exclusive: true,
                    ..one.clone()
                },
                one.clone(),
                false,
            ),
            (
                one.clone(),
                Claim {
                    exclusive: true,
                    ..one.clone()
                },
                false,
            ),
        ];
        for (first, second, fits) in cases {
            let mut held = Held::default();
            assert!(held.has_room(&first, &capacity));
            held.take(&first);
            assert_eq!(
                held.has_room(&second, &capacity),
                fits,
                "{first:?} {second:?}"
            );
            held.give(&first);
            assert!(held.has_room(&second, &capacity));
        }
    }
}
