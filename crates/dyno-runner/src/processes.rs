//! The workers' processes, as the driver has hold of them.

use crate::RunError;
use crate::host::open_pidfd;
use crate::machine::Input;
use crate::output::Conversation;
use dyno_model::{ProcessExit, WorkerId};
use dyno_wire::template::FromTemplate;
use dyno_wire::worker::ToWorker;
use rustix::fd::OwnedFd;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::HashMap;

/// Workers that were ordered, forked yet or not, and those that have ended.
#[derive(Default)]
pub(crate) struct Processes(HashMap<WorkerId, Process>);

struct Process {
    conversation: Conversation,
    pid: Option<u32>,
    /// Names the process for as long as it is held, even if the number is used again.
    pidfd: Option<OwnedFd>,
    /// By dyno.
    is_killed: bool,
    /// What it is told once it may begin, where it may not yet.
    held: Option<Vec<ToWorker>>,
}

impl Processes {
    pub(crate) fn insert(&mut self, worker: WorkerId, conversation: Conversation) {
        let process = Process {
            conversation,
            pid: None,
            pidfd: None,
            is_killed: false,
            held: None,
        };
        self.0.insert(worker, process);
    }

    pub(crate) fn forked(&mut self, worker: WorkerId, pid: u32) {
        if let Some(process) = self.0.get_mut(&worker) {
            process.pid = Some(pid);
            process.pidfd = open_pidfd(pid);
        }
    }

    pub(crate) fn pid(&self, worker: WorkerId) -> Option<u32> {
        self.0.get(&worker)?.pid
    }

    /// Whether it was dyno that ended it.
    pub(crate) fn is_killed(&self, worker: WorkerId) -> bool {
        self.0.get(&worker).is_some_and(|process| process.is_killed)
    }

    /// Tells a worker something, once it may begin.
    pub(crate) fn tell(&mut self, worker: WorkerId, message: ToWorker) -> Result<(), RunError> {
        let Some(process) = self.0.get_mut(&worker) else {
            return Ok(());
        };
        match &mut process.held {
            Some(held) => held.push(message),
            None => process.conversation.outbox.send(&message, Vec::new())?,
        }
        Ok(())
    }

    /// Lets a worker wait for all that it is told.
    pub(crate) fn hold(&mut self, worker: WorkerId) {
        if let Some(process) = self.0.get_mut(&worker) {
            process.held.get_or_insert_default();
        }
    }

    /// Lets a worker begin.
    pub(crate) fn let_begin(&mut self, worker: WorkerId) -> Result<(), RunError> {
        let process = self.0.get_mut(&worker);
        let held = process.and_then(|process| process.held.take());
        for message in held.into_iter().flatten() {
            self.tell(worker, message)?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, worker: WorkerId, signal: Signal) {
        let pidfd = self
            .0
            .get(&worker)
            .and_then(|process| process.pidfd.as_ref());
        if let Some(pidfd) = pidfd {
            // It may have ended meanwhile, which is as good.
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }

    /// Sends a signal that is to end it.
    pub(crate) fn end(&mut self, worker: WorkerId, signal: Signal) {
        if let Some(process) = self.0.get_mut(&worker) {
            process.is_killed = true;
        }
        self.signal(worker, signal);
    }

    /// That a worker has ended comes after all that it printed; until then, nothing.
    pub(crate) fn in_its_place(&self, input: Input) -> Option<Input> {
        let (worker, exit, peak_kib) = match input {
            Input::Template(
                _,
                FromTemplate::WorkerExited {
                    worker,
                    status,
                    peak_kib,
                },
            ) => {
                let exit = ProcessExit::from_wait_status(status);
                (worker, exit, peak_kib)
            }
            // Another orphan is nobody's concern.
            Input::OrphanEnded { pid, exit } => (self.of_process(pid)?, exit, 0),
            input => return Some(input),
        };
        let ended = Input::WorkerExited {
            worker,
            exit,
            peak_kib,
        };
        match self.0.get(&worker) {
            Some(process) => process.conversation.after_output(ended),
            None => Some(ended),
        }
    }

    fn of_process(&self, pid: u32) -> Option<WorkerId> {
        let is_it = |process: &Process| process.pid == Some(pid);
        let mut processes = self.0.iter();
        processes.find_map(|(worker, process)| is_it(process).then_some(*worker))
    }
}
