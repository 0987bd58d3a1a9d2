//! Performs the effects of a run: sockets, processes, signals, the clock, the journal.
//!
//! Everything runs on the thread that calls [`run`]: it spawns the keeper, and a process
//! that must die with its parent must not be spawned by a thread that may end earlier.

use crate::deaths::Deaths;
use crate::host::{Host, open_pidfd};
use crate::machine::{Effect, Input, Leave, Machine, Surroundings};
use crate::output::{Conversation, Streams, converse, pipes};
use crate::peer::connect;
use crate::record::Record;
use crate::signals::listen_for_signals;
use crate::spawn::{self, Stdio, Template};
use crate::terminal::{self, Terminal};
use crate::waiting::{feel_pressure, next};
use crate::{Imports, Prepared, PrunedFile, RunError, RunRequest};
use crate::{grace, pressure, refeed};
use dyno_journal::Journal;
use dyno_model::{ExitCode, ProcessExit, RealCollection, Stamped, TemplateId, WorkerId};
use dyno_wire::template::{self as wire, FromTemplate, ToTemplate};
use dyno_wire::worker::ToWorker;
use rustix::fd::OwnedFd;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How many inputs may wait. Beyond it the readers stop reading, and so the workers.
const INBOX: usize = 1024;

/// Runs tests and hands each event, once it is on disk, to `on_event`.
///
/// `prepare` says what is to be imported, among others; it is called while the interpreter
/// starts.
/// `on_collection` hears what was collected and what that depended on, before any test
/// starts, where that asks for it, once for each template. The run waits for it.
pub fn run(
    request: &RunRequest,
    journal: Journal,
    prepare: impl FnOnce() -> Prepared,
    on_event: impl FnMut(&Stamped),
    on_collection: impl FnMut(RealCollection),
) -> Result<ExitCode, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let template = {
        let _entered = runtime.enter();
        spawn::template(request)?
    };
    // While the interpreter starts.
    let prepared = prepare();
    let local = tokio::task::LocalSet::new();
    let code = local.block_on(
        &runtime,
        drive(
            request,
            journal,
            template,
            prepared,
            on_event,
            on_collection,
        ),
    );
    // Readers that still wait for a peer are dropped, not waited for.
    runtime.shutdown_background();
    code
}

async fn drive(
    request: &RunRequest,
    journal: Journal,
    template: Template,
    prepared: Prepared,
    on_event: impl FnMut(&Stamped),
    mut on_collection: impl FnMut(RealCollection),
) -> Result<ExitCode, RunError> {
    let Prepared {
        imports,
        past,
        carried,
    } = prepared;
    let (inbox, mut inputs) = mpsc::channel(INBOX);
    let began = Instant::now();
    listen_for_signals(&inbox).map_err(RunError::Runtime)?;
    let mut driver = Driver::connect(request, journal, on_event, template, inbox)?;
    let surroundings = Surroundings {
        processors: request.processors,
        memory: pressure::available_memory(),
        past,
        carried,
        seed: request.seed,
    };
    let mut machine = Machine::new(
        request.settings.clone(),
        surroundings,
        request.run.to_string(),
    );
    driver.record.event(request.started_event());
    tokio::task::spawn_local(feel_pressure(driver.inbox.clone()));
    machine.expect_siblings(driver.collect(imports)?);
    let (code, leave) = loop {
        let input = next(&mut inputs, &machine, began).await?;
        let input = match input {
            Input::Template(_, FromTemplate::Recorded { collection }) => {
                on_collection(*collection);
                continue;
            }
            input => input,
        };
        let Some(input) = driver.in_its_place(input) else {
            continue;
        };
        let first = driver.watch(&input);
        let mut ended = None;
        for input in first.into_iter().chain([input]) {
            for effect in machine.step(began.elapsed(), input) {
                ended = ended.or(driver.perform(effect, &machine)?);
            }
        }
        if let Some(ended) = ended {
            break ended;
        }
    };
    // Readers that still have something to say are not waited for.
    drop(inputs);
    driver.close(leave).await?;
    Ok(code)
}

struct Driver<'a, F> {
    request: &'a RunRequest,
    record: Record<F>,
    inbox: mpsc::Sender<Input>,
    host: Host,
    /// Those whose template was lost; workers of theirs may live.
    lost_hosts: Vec<Host>,
    deaths: Deaths,
    /// What is not imported, for a template that takes the place of one that was lost.
    prune: Vec<PrunedFile>,
    workers: HashMap<WorkerId, WorkerHandle>,
    streams: Streams,
    /// What the template reads.
    input: wire::Input,
    stdio: Stdio,
    terminal: Terminal,
}

struct WorkerHandle {
    conversation: Conversation,
    pid: Option<u32>,
    /// Names the process for as long as it is held, even if the number is used again.
    pidfd: Option<OwnedFd>,
    /// By this process.
    is_killed: bool,
}

impl<'a, F: FnMut(&Stamped)> Driver<'a, F> {
    fn connect(
        request: &'a RunRequest,
        journal: Journal,
        on_event: F,
        template: Template,
        inbox: mpsc::Sender<Input>,
    ) -> Result<Self, RunError> {
        let host = Host::connect(template, &inbox).map_err(RunError::Runtime)?;
        Ok(Self {
            request,
            record: Record::new(journal, &request.run_folder, on_event),
            inbox,
            host,
            lost_hosts: Vec::new(),
            deaths: Deaths::new(request.run_folder.join("logs")),
            prune: Vec::new(),
            workers: HashMap::new(),
            streams: request.streams,
            input: terminal::input(request),
            stdio: terminal::stdio(request),
            terminal: Terminal::Here,
        })
    }

    fn perform(
        &mut self,
        effect: Effect,
        machine: &Machine,
    ) -> Result<Option<(ExitCode, Leave)>, RunError> {
        match effect {
            Effect::Record(event) => self.record.event(event),
            Effect::ToTemplate(template, message) => {
                self.host.tell(template, &message, Vec::new())?;
            }
            Effect::Fork(worker, template) => self.fork(worker, template, machine)?,
            Effect::ToWorker(worker, message) => self.tell_worker(worker, &message)?,
            Effect::LendTerminal(worker) => self.lend_terminal(worker)?,
            Effect::TakeTerminal => self.terminal.take_back(),
            Effect::InterruptTemplate => self.host.signal(Signal::INT),
            Effect::KillTemplate => self.host.signal(Signal::KILL),
            Effect::ReplaceTemplate => self.replace_template()?,
            Effect::FeedAgain => {
                for feed in refeed::of(self.record.journal()) {
                    self.host.tell(TemplateId::FIRST, &feed, Vec::new())?;
                }
            }
            // In the foreground the terminal has told everyone already.
            Effect::Interrupt(_) if self.stdio == Stdio::Foreground => {}
            Effect::Interrupt(worker) => self.signal(worker, Signal::INT),
            // `dyno_wire::worker::TOO_LONG`
            Effect::TellTooLong(worker) => self.signal(worker, Signal::STKFLT),
            Effect::Terminate(worker) => self.end_worker(worker, Signal::TERM),
            Effect::Kill(worker) => self.end_worker(worker, Signal::KILL),
            Effect::StartGrace(worker) => {
                let inbox = self.inbox.clone();
                let process = self.workers.get(&worker).and_then(|handle| handle.pid);
                tokio::task::spawn_local(async move {
                    grace::over(process).await;
                    let _ = inbox.send(Input::GraceOver(worker)).await;
                });
            }
            Effect::End(code, leave) => return Ok(Some((code, leave))),
        }
        Ok(None)
    }

    /// Gives the terminal to the group of a worker, or to that of the template.
    fn lend_terminal(&mut self, worker: Option<WorkerId>) -> Result<(), RunError> {
        let process = match worker {
            Some(worker) => self.workers.get(&worker).and_then(|handle| handle.pid),
            None => self.host.pid,
        };
        if let Some(process) = process {
            self.terminal.lend(process);
        }
        match worker {
            None => {
                let lent = ToTemplate::TerminalLent;
                Ok(self.host.tell(TemplateId::FIRST, &lent, Vec::new())?)
            }
            Some(worker) => self.tell_worker(worker, &ToWorker::TerminalLent),
        }
    }

    fn tell_worker(&self, worker: WorkerId, message: &ToWorker) -> Result<(), RunError> {
        if let Some(handle) = self.workers.get(&worker) {
            handle.conversation.outbox.send(message, Vec::new())?;
        }
        Ok(())
    }

    /// Tells the first template how to collect, and hands it the sockets of its siblings.
    /// Gives their number.
    fn collect(&mut self, imports: Imports) -> Result<u32, RunError> {
        let Imports {
            prune,
            record,
            share,
        } = imports;
        let siblings = share.as_ref().map_or(0, |share| share.siblings);
        self.prune.clone_from(&prune);
        let collect = ToTemplate::Collect {
            prune,
            record,
            share,
            input: self.input,
        };
        self.host.tell(TemplateId::FIRST, &collect, Vec::new())?;
        for template in (1..=siblings).map(TemplateId) {
            let (ours, theirs) = UnixStream::pair().map_err(RunError::Runtime)?;
            let sibling = ToTemplate::Sibling { template };
            let end = vec![theirs.into()];
            self.host.tell(TemplateId::FIRST, &sibling, end)?;
            let says = move |message| Input::Template(template, message);
            let outbox = connect(ours, self.inbox.clone(), says, move |garbage| {
                let closed = Input::SiblingClosed(template);
                Some(garbage.map_or(closed, Input::TemplateGarbled))
            })
            .map_err(RunError::Runtime)?;
            self.host.siblings.insert(template, outbox);
        }
        Ok(siblings)
    }

    /// Starts another template, which imports all that the first ones shared.
    fn replace_template(&mut self) -> Result<(), RunError> {
        let template = spawn::template(self.request)?;
        let host = Host::connect(template, &self.inbox).map_err(RunError::Runtime)?;
        let mut lost = std::mem::replace(&mut self.host, host);
        // A sibling that hears nobody any more ends; its workers live on.
        lost.siblings.clear();
        self.lost_hosts.push(lost);
        let collect = ToTemplate::Collect {
            prune: self.prune.clone(),
            record: false,
            share: None,
            input: self.input,
        };
        Ok(self.host.tell(TemplateId::FIRST, &collect, Vec::new())?)
    }

    fn fork(
        &mut self,
        worker: WorkerId,
        template: TemplateId,
        machine: &Machine,
    ) -> Result<(), RunError> {
        let (ours, theirs) = UnixStream::pair().map_err(RunError::Runtime)?;
        let (our_ends, their_ends) = pipes(
            machine.shape(),
            self.streams,
            self.input,
            machine.captures(),
        )
        .map_err(RunError::Runtime)?;
        let message = machine.fork_message(worker, their_ends.output);
        let mut descriptors = vec![theirs.into()];
        descriptors.extend(their_ends.pipes);
        self.host.tell(template, &message, descriptors)?;
        let closed = move |garbage| Input::WorkerClosed { worker, garbage };
        let conversation = converse(ours, our_ends, worker, self.inbox.clone(), closed)
            .map_err(RunError::Runtime)?;
        let handle = WorkerHandle {
            conversation,
            pid: None,
            pidfd: None,
            is_killed: false,
        };
        self.workers.insert(worker, handle);
        Ok(())
    }

    /// That a worker has ended comes after all that it printed; until then, nothing.
    fn in_its_place(&self, input: Input) -> Option<Input> {
        let (worker, ended) = match input {
            Input::Template(
                _,
                FromTemplate::WorkerExited {
                    worker,
                    status,
                    peak_kib,
                },
            ) => {
                let exited = Input::WorkerExited {
                    worker,
                    status,
                    peak_kib,
                };
                (Some(worker), exited)
            }
            Input::OrphanEnded { pid, .. } => (self.of_process(pid), input),
            input => return Some(input),
        };
        match worker.and_then(|worker| self.workers.get(&worker)) {
            Some(handle) => handle.conversation.after_output(ended),
            None => Some(ended),
        }
    }

    fn of_process(&self, pid: u32) -> Option<WorkerId> {
        let is_it = |handle: &WorkerHandle| handle.pid == Some(pid);
        let mut workers = self.workers.iter();
        workers.find_map(|(worker, handle)| is_it(handle).then_some(*worker))
    }

    /// Takes hold of processes as they are named. Gives what is to be heard before the input.
    fn watch(&mut self, input: &Input) -> Vec<Input> {
        match input {
            Input::WorkerExited {
                worker,
                status,
                peak_kib,
            } => {
                return self.ended(*worker, ProcessExit::from_wait_status(*status), *peak_kib);
            }
            Input::OrphanEnded { pid, exit } => {
                if let Some(worker) = self.of_process(*pid) {
                    return self.ended(worker, *exit, 0);
                }
            }
            Input::Template(TemplateId::FIRST, FromTemplate::Hello { pid, .. }) => {
                self.host.is_process(*pid);
            }
            Input::Template(_, FromTemplate::Forked { worker, pid }) => {
                if let Some(handle) = self.workers.get_mut(worker) {
                    handle.pid = Some(*pid);
                    handle.pidfd = open_pidfd(*pid);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn ended(&mut self, worker: WorkerId, exit: ProcessExit, peak_kib: u64) -> Vec<Input> {
        let handle = self.workers.get(&worker);
        let is_ours = handle.is_some_and(|handle| handle.is_killed);
        self.deaths.of(worker, exit, peak_kib, is_ours)
    }

    fn end_worker(&mut self, worker: WorkerId, signal: Signal) {
        if let Some(handle) = self.workers.get_mut(&worker) {
            handle.is_killed = true;
        }
        self.signal(worker, signal);
    }

    fn signal(&self, worker: WorkerId, signal: Signal) {
        let pidfd = self.workers.get(&worker).and_then(|h| h.pidfd.as_ref());
        if let Some(pidfd) = pidfd {
            // It may have ended meanwhile, which is as good.
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }

    /// Lets the template leave, or kills what is left of the run, and waits until all is
    /// dead.
    async fn close(mut self, leave: Leave) -> Result<(), RunError> {
        self.terminal.take_back();
        if leave == Leave::Itself {
            let mut again = signal(SignalKind::interrupt()).map_err(RunError::Runtime)?;
            let template = self.host.pid;
            // The keeper ends with it.
            tokio::select! {
                () = self.host.ended() => {}
                () = grace::over(template) => {}
                _ = again.recv() => {}
            }
        }
        for host in self.lost_hosts.into_iter().chain([self.host]) {
            host.close().await;
        }
        self.record.finish().map_err(RunError::Journal)
    }
}
