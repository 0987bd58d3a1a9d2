//! The children of this process, and how each ended.

use dyno_model::ProcessExit;
use dyno_sandbox::{Process, Used, reap_measured};
use rustix::process::Pid;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::process::{ChildStdin, Command};
use std::rc::Rc;
use tokio::sync::{Notify, watch};

/// A process that this one has started, dead or alive.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    /// Its start as `/proc` has it; `None` where it was gone before that could be read.
    pub(crate) started: Option<u64>,
    exit: watch::Sender<Option<ProcessExit>>,
    used: Cell<Used>,
}

/// All that live, and some that have ended.
#[derive(Debug, Default)]
pub(crate) struct Children {
    living: RefCell<HashMap<Pid, Rc<Child>>>,
    /// Told whenever one was reaped, an orphan that fell to this process included.
    pub(crate) deaths: Notify,
}

impl Children {
    /// Starts a process. Call it from the main thread: the process dies with its starter.
    pub(crate) fn start(
        &self,
        command: &mut Command,
    ) -> io::Result<(Rc<Child>, Option<ChildStdin>)> {
        // Whoever has ended may have had the id that the new one gets.
        self.bury();
        let mut spawned = command.spawn()?;
        let pid = Pid::from_child(&spawned);
        let child = Rc::new(Child {
            pid,
            started: Process::read(pid).map(|process| process.started),
            exit: watch::Sender::new(None),
            used: Cell::default(),
        });
        self.living.borrow_mut().insert(pid, Rc::clone(&child));
        Ok((child, spawned.stdin.take()))
    }

    /// Reaps every dead child and notes how those that were started here ended. Whether there
    /// was any.
    pub(crate) fn bury(&self) -> bool {
        let mut buried = false;
        while let Some(dead) = reap_measured() {
            buried = true;
            if let Some(child) = self.living.borrow_mut().remove(&dead.pid) {
                child.used.set(dead.used);
                let exit = ProcessExit::from_wait_status(dead.status);
                child.exit.send_replace(Some(exit));
            }
        }
        if buried {
            self.deaths.notify_waiters();
        }
        buried
    }
}

impl Child {
    /// How it ended; `None` while it runs.
    pub(crate) fn exit(&self) -> Option<ProcessExit> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ProcessExit {
        let mut exit = self.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| *exit);
        // The sender is `self`, so it cannot be gone.
        ended.ok().flatten().unwrap_or(ProcessExit::Unknown)
    }

    /// What it used, with those of its children that it had waited for; nothing while it runs.
    pub(crate) fn used(&self) -> Used {
        self.used.get()
    }
}
