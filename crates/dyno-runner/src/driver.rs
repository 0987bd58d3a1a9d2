//! Performs the effects of a run: sockets, processes, signals, the clock, the journal.
//!
//! Everything runs on the thread that calls [`run`]: it spawns the keeper, and a process
//! that must die with its parent must not be spawned by a thread that may end earlier.

use crate::machine::{Effect, Input, Leave, Machine, Surroundings};
use crate::output::{Conversation, Streams, converse, pipes};
use crate::peer::{Outbox, connect};
use crate::record::Record;
use crate::signals::listen_for_signals;
use crate::spawn::{self, Stdio, Template};
use crate::terminal::{self, Terminal};
use crate::waiting::{feel_pressure, next};
use crate::{Imports, Prepared, RunError, RunRequest};
use crate::{crash_log, grace, pressure};
use dyno_journal::Journal;
use dyno_model::{ExitCode, ProcessExit, RealCollection, Stamped, TemplateId, WorkerId};
use dyno_wire::template::{self as wire, FromTemplate, ToTemplate};
use dyno_wire::worker::ToWorker;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
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
        driver.watch(&input);
        let mut ended = None;
        for effect in machine.step(began.elapsed(), input) {
            ended = ended.or(driver.perform(effect, &machine)?);
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

struct Driver<F> {
    record: Record<F>,
    inbox: mpsc::Sender<Input>,
    template: Outbox,
    siblings: HashMap<TemplateId, Outbox>,
    template_pid: Option<u32>,
    template_pidfd: Option<OwnedFd>,
    keeper_ended: tokio::task::JoinHandle<()>,
    lifeline: OwnedFd,
    workers: HashMap<WorkerId, WorkerHandle>,
    logs: PathBuf,
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
}

impl<F: FnMut(&Stamped)> Driver<F> {
    fn connect(
        request: &RunRequest,
        journal: Journal,
        on_event: F,
        template: Template,
        inbox: mpsc::Sender<Input>,
    ) -> Result<Self, RunError> {
        let Template {
            mut keeper,
            socket,
            lifeline,
        } = template;
        // How the template ended is known when the keeper has ended, after everything under it.
        let (drained, is_drained) = tokio::sync::oneshot::channel::<()>();
        let says = |message| Input::Template(TemplateId::FIRST, message);
        let outbox = connect(socket, inbox.clone(), says, move |garbage| {
            let _ = drained.send(());
            garbage.map(Input::TemplateGarbled)
        })
        .map_err(RunError::Runtime)?;
        let gone = inbox.clone();
        let keeper_ended = tokio::task::spawn_local(async move {
            let exit = match keeper.wait().await.map(|status| status.code()) {
                Ok(Some(code)) if code > 128 => ProcessExit::Signal(code - 128),
                Ok(Some(code)) => ProcessExit::Code(code),
                _ => ProcessExit::Unknown,
            };
            let _ = is_drained.await;
            let _ = gone.send(Input::TemplateGone(exit)).await;
        });
        Ok(Self {
            record: Record::new(journal, &request.run_folder, on_event),
            inbox,
            template: outbox,
            siblings: HashMap::new(),
            template_pid: None,
            template_pidfd: None,
            keeper_ended,
            lifeline,
            workers: HashMap::new(),
            logs: request.run_folder.join("logs"),
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
            Effect::ToTemplate(template, message) => self.tell(template, &message, Vec::new())?,
            Effect::Fork(worker, template) => self.fork(worker, template, machine)?,
            Effect::ToWorker(worker, message) => self.tell_worker(worker, &message)?,
            Effect::LendTerminal(worker) => self.lend_terminal(worker)?,
            Effect::TakeTerminal => self.terminal.take_back(),
            Effect::InterruptTemplate => {
                if let Some(pidfd) = &self.template_pidfd {
                    let _ = pidfd_send_signal(pidfd, Signal::INT);
                }
            }
            // In the foreground the terminal has told everyone already.
            Effect::Interrupt(_) if self.stdio == Stdio::Foreground => {}
            Effect::Interrupt(worker) => self.signal(worker, Signal::INT),
            // `dyno_wire::worker::TOO_LONG`
            Effect::TellTooLong(worker) => self.signal(worker, Signal::STKFLT),
            Effect::Terminate(worker) => self.signal(worker, Signal::TERM),
            Effect::Kill(worker) => self.signal(worker, Signal::KILL),
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

    /// Gives the terminal to the group of the template, which is that of its workers.
    fn lend_terminal(&mut self, worker: Option<WorkerId>) -> Result<(), RunError> {
        if let Some(process) = self.template_pid {
            self.terminal.lend(process);
        }
        match worker {
            None => self.tell(TemplateId::FIRST, &ToTemplate::TerminalLent, Vec::new()),
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
        let collect = ToTemplate::Collect {
            prune,
            record,
            share,
            input: self.input,
        };
        self.tell(TemplateId::FIRST, &collect, Vec::new())?;
        for template in (1..=siblings).map(TemplateId) {
            let (ours, theirs) = UnixStream::pair().map_err(RunError::Runtime)?;
            let sibling = ToTemplate::Sibling { template };
            self.tell(TemplateId::FIRST, &sibling, vec![theirs.into()])?;
            let says = move |message| Input::Template(template, message);
            let outbox = connect(ours, self.inbox.clone(), says, move |garbage| {
                let closed = Input::SiblingClosed(template);
                Some(garbage.map_or(closed, Input::TemplateGarbled))
            })
            .map_err(RunError::Runtime)?;
            self.siblings.insert(template, outbox);
        }
        Ok(siblings)
    }

    fn tell(
        &self,
        template: TemplateId,
        message: &ToTemplate,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), RunError> {
        let outbox = self.siblings.get(&template).unwrap_or(&self.template);
        Ok(outbox.send(message, descriptors)?)
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
        self.tell(template, &message, descriptors)?;
        let stacks = ["crash", "stacks"].map(|kind| self.logs.join(format!("{worker}.{kind}")));
        let closed = move |garbage| Input::WorkerClosed {
            worker,
            garbage,
            crash_log: stacks.iter().find_map(crash_log::take),
        };
        let conversation = converse(ours, our_ends, worker, self.inbox.clone(), closed)
            .map_err(RunError::Runtime)?;
        let handle = WorkerHandle {
            conversation,
            pid: None,
            pidfd: None,
        };
        self.workers.insert(worker, handle);
        Ok(())
    }

    /// That a worker has ended comes after all that it printed; until then, nothing.
    fn in_its_place(&self, input: Input) -> Option<Input> {
        match input {
            Input::Template(_, FromTemplate::WorkerExited { worker, status }) => {
                let exited = Input::WorkerExited { worker, status };
                match self.workers.get(&worker) {
                    Some(handle) => handle.conversation.after_output(exited),
                    None => Some(exited),
                }
            }
            input => Some(input),
        }
    }

    /// Takes hold of processes as they are named.
    fn watch(&mut self, input: &Input) {
        match input {
            Input::Template(TemplateId::FIRST, FromTemplate::Hello { pid, .. }) => {
                self.template_pid = Some(*pid);
                self.template_pidfd = open_pidfd(*pid);
            }
            Input::Template(_, FromTemplate::Forked { worker, pid }) => {
                if let Some(handle) = self.workers.get_mut(worker) {
                    handle.pid = Some(*pid);
                    handle.pidfd = open_pidfd(*pid);
                }
            }
            _ => {}
        }
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
            // The keeper ends with it.
            tokio::select! {
                _ = &mut self.keeper_ended => {}
                () = grace::over(self.template_pid) => {}
                _ = again.recv() => {}
            }
        }
        drop(self.lifeline);
        if !self.keeper_ended.is_finished() {
            let _ = self.keeper_ended.await;
        }
        self.record.finish().map_err(RunError::Journal)
    }
}

fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
