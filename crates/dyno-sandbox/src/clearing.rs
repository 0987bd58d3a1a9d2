//! Striking until nothing is left.

use crate::{Process, SandboxError, Snapshot, Strike, strike};
use std::time::{Duration, Instant};

/// Between two strikes, where no death is told earlier.
const LOOK: Duration = Duration::from_millis(20);

/// Kills what keeps coming, strike by strike, and knows when to give up. How the deaths are
/// waited for and who buries the dead is up to its owner: that is not the same in a process with
/// one thread, in one with an event loop, and for processes that are others' children.
#[derive(Debug, Clone, Copy)]
pub struct Clearing {
    deadline: Instant,
}

/// How far a clearing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing is left.
    Whole,
    /// Some are dying: bury who is dead, and strike again after a death, or this long at most.
    NotYet(Duration),
    /// Something still is there after [`Clearing::MOST_WAIT`].
    TooLate,
}

impl Clearing {
    /// How long a killed tree may take to be gone. SIGKILL takes milliseconds; a process in
    /// an uninterruptible wait (a dead network mount, a driver) takes as long as it likes,
    /// and nobody is made to wait for that one.
    pub const MOST_WAIT: Duration = Duration::from_secs(10);

    /// Its time begins now.
    pub fn begin() -> Self {
        Self {
            deadline: Instant::now() + Self::MOST_WAIT,
        }
    }

    /// One [`strike()`].
    pub fn strike(
        &self,
        choose: impl Fn(&Snapshot) -> Vec<Process>,
    ) -> Result<Cleared, SandboxError> {
        Ok(match strike(choose)? {
            Strike::Clear => Cleared::Whole,
            Strike::Struck(_) if Instant::now() >= self.deadline => Cleared::TooLate,
            Strike::Struck(_) => Cleared::NotYet(LOOK),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Pid;
    use std::process::Command;

    #[test]
    fn what_is_left_is_struck_until_it_is_too_late() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        // Dead or alive: nobody has buried it.
        let left = |snapshot: &Snapshot| snapshot.get(pid).copied().into_iter().collect();
        let clearing = Clearing::begin();
        assert_eq!(clearing.strike(left).unwrap(), Cleared::NotYet(LOOK));
        let late = Clearing {
            deadline: Instant::now(),
        };
        assert_eq!(late.strike(left).unwrap(), Cleared::TooLate);
        assert!(!child.wait().unwrap().success());
        assert_eq!(late.strike(left).unwrap(), Cleared::Whole);
    }
}
