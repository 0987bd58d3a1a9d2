//! Which processes must not end, and telling the client at once when one has.
//!
//! A client is one thread that runs a test. It hears by a signal that something is to be
//! asked for, and asks ([`dyno_wire::agent::Request::Fallen`]). A death that the answer to
//! another request has told is not told again: whoever waits for a process to end, or to be
//! ready, learns there what became of it.

use dyno_sandbox::Process;
use rustix::process::Signal;
use std::cell::Cell;

/// What the end of one process means.
#[derive(Debug)]
pub(crate) struct Guard {
    state: Cell<State>,
    /// How many answers are on their way that would tell the end.
    waits: Cell<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: it may end, or its end has been told.
    Off,
    /// Nothing yet: it is not ready.
    Waiting,
    /// A failure.
    Armed,
    /// It is to be told.
    Fallen,
}

impl Guard {
    pub(crate) fn new(wanted: bool) -> Self {
        let state = if wanted { State::Waiting } else { State::Off };
        Self {
            state: Cell::new(state),
            waits: Cell::new(0),
        }
    }

    /// Somebody waits for something of the process, and hears of its end by that.
    pub(crate) fn begin_wait(&self) {
        self.waits.set(self.waits.get() + 1);
    }

    /// The wait is over.
    pub(crate) fn end_wait(&self) {
        self.waits.set(self.waits.get() - 1);
    }

    /// The process is ready.
    pub(crate) fn arm(&self) {
        if self.state.get() == State::Waiting {
            self.state.set(State::Armed);
        }
    }

    /// Its end is expected, or has been told.
    pub(crate) fn lift(&self) {
        self.state.set(State::Off);
    }

    /// It has ended. Whether that is to be told, which is said once, and not while somebody
    /// waits who may hear of it otherwise.
    pub(crate) fn fall(&self) -> bool {
        let falls = self.state.get() == State::Armed && self.waits.get() == 0;
        if falls {
            self.state.set(State::Fallen);
        }
        falls
    }

    /// Whether its end is still to be told.
    pub(crate) fn is_fallen(&self) -> bool {
        self.state.get() == State::Fallen
    }

    /// Whether its end is to be told, which is then taken for done.
    pub(crate) fn take(&self) -> bool {
        let fallen = self.state.get() == State::Fallen;
        if fallen {
            self.lift();
        }
        fallen
    }
}

/// How the client hears that there is something to ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alarm {
    pub(crate) client: Process,
    pub(crate) signal: Signal,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        // A client that is gone needs to hear nothing.
        let _ = self.client.signal(self.signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_ready_falls_and_once() {
        let guard = Guard::new(true);
        assert!(!guard.fall(), "it never was ready");
        guard.arm();
        assert!(guard.fall());
        assert!(guard.is_fallen() && !guard.fall() && guard.take());
        assert!(!guard.is_fallen() && !guard.take());
        let free = Guard::new(false);
        free.arm();
        assert!(!free.fall() && !free.take());
    }

    #[test]
    fn an_end_that_was_expected_or_told_is_not_told() {
        let expected = Guard::new(true);
        expected.arm();
        expected.lift();
        expected.arm();
        assert!(!expected.fall());
        let waited_for = Guard::new(true);
        waited_for.arm();
        waited_for.begin_wait();
        assert!(!waited_for.fall());
        waited_for.end_wait();
        assert!(waited_for.fall());
        let told = Guard::new(true);
        told.arm();
        assert!(told.fall());
        told.lift();
        assert!(!told.take());
    }
}
