//! Performs the effects of a run: sockets, processes, signals, the clock, the journal.
//!
//! Everything runs on the thread that calls [`run`]: it spawns the keeper, and a process
//! that must die with its parent must not be spawned by a thread that may end earlier.

mod collecting;

use crate::deaths::Deaths;
use crate::fetching::Fetching;
use crate::host::Host;
use crate::machine::{Effect, Input, Leave, Machine, Surroundings};
use crate::orphans::Orphans;
use crate::output::{Streams, converse, pipes};
use crate::processes::Processes;
use crate::record::Record;
use crate::sandbox::{Fork, Sandboxes};
use crate::services::Services;
use crate::signals::listen_for_signals;
use crate::spawn::{self, Stdio, Template};
use crate::terminal::{self, Terminal};
use crate::waiting::{Clock, feel_pressure, next};
use crate::{Prepared, PrunedFile, RunError, RunRequest};
use crate::{grace, pressure, refeed};
use dyno_journal::Journal;
use dyno_model::{Event, ExitCode, Lane, MissingLimit, RealCollection, Stamped};
use dyno_model::{TemplateId, WorkerId};
use dyno_wire::template::{self as wire, FromTemplate, ToTemplate};
use dyno_wire::worker::ToWorker;
use rustix::process::Signal;
use std::os::unix::net::UnixStream;
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
    let orphans = Orphans::expect();
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
            (journal, orphans),
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
    (journal, orphans): (Journal, Orphans),
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
    let mut clock = Clock::start();
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
        let input = next(&mut inputs, &machine, &mut clock).await?;
        let input = match input {
            Input::Template(_, FromTemplate::Recorded { collection }) => {
                on_collection(*collection);
                continue;
            }
            Input::Sandbox(worker, sandbox) => {
                match driver.sandboxes.fork_into(worker, sandbox, &driver.host)? {
                    Some(missing) => Input::WallsMissing(missing),
                    None => continue,
                }
            }
            Input::Admitted(worker, why) => {
                let limits = driver.sandboxes.admitted(worker, why);
                driver.lacks_limits(limits);
                driver.workers.let_begin(worker)?;
                continue;
            }
            input => input,
        };
        let input = driver.workers.in_its_place(input);
        let behind = |input| driver.sandboxes.in_its_place(input, &driver.inbox);
        let Some(input) = input.and_then(behind) else {
            continue;
        };
        let first = driver.watch(&input)?;
        let mut ended = None;
        for input in first.into_iter().chain([input]) {
            for effect in machine.step(clock.now(), input) {
                ended = ended.or(driver.perform(effect, &machine)?);
            }
        }
        if let Some(ended) = ended {
            break ended;
        }
    };
    // Readers that still have something to say are not waited for.
    drop(inputs);
    driver.close(leave, orphans).await.map(|()| code)
}

struct Driver<'a, F> {
    request: &'a RunRequest,
    record: Record<F>,
    inbox: mpsc::Sender<Input>,
    host: Host,
    /// Whose template was lost; workers of theirs may live.
    lost_hosts: Vec<Host>,
    deaths: Deaths,
    /// What is not imported, for a template that takes the place of one that was lost.
    prune: Vec<PrunedFile>,
    workers: Processes,
    streams: Streams,
    /// What the template reads.
    input: wire::Input,
    stdio: Stdio,
    terminal: Terminal,
    sandboxes: Sandboxes,
    services: Option<Services>,
    fetching: Option<Fetching>,
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
            deaths: Deaths::new(request.run_folder.join("logs"), request.secrets.clone()),
            prune: Vec::new(),
            workers: Processes::default(),
            streams: request.streams,
            input: terminal::input(request),
            stdio: terminal::stdio(request),
            terminal: Terminal::Here,
            sandboxes: Sandboxes::of(request),
            services: Services::offer(request),
            fetching: None,
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
            Effect::Fork(worker, template, lane) => {
                self.fork(worker, template, lane, machine)?;
            }
            Effect::ToWorker(worker, message) => self.workers.tell(worker, message)?,
            Effect::Limit(worker, limits) => {
                let limits = self.sandboxes.limit(worker, limits);
                self.lacks_limits(limits);
            }
            Effect::FetchModels { models, hub } => {
                let fetching = Fetching::start(self.request, models, &hub, self.inbox.clone());
                self.fetching = Some(fetching.map_err(RunError::Runtime)?);
            }
            Effect::StopFetching => self.stop_fetching(),
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
            Effect::Interrupt(worker) => self.workers.signal(worker, Signal::INT),
            // `dyno_wire::worker::TOO_LONG`
            Effect::TellTooLong(worker) => self.workers.signal(worker, Signal::STKFLT),
            Effect::Terminate(worker) => self.workers.end(worker, Signal::TERM),
            Effect::Kill(worker) => self.workers.end(worker, Signal::KILL),
            Effect::StartGrace(worker) => {
                let inbox = self.inbox.clone();
                let waiting = grace::of(worker, self.workers.pid(worker));
                tokio::task::spawn_local(async move {
                    let _ = inbox.send(waiting.await).await;
                });
            }
            Effect::End(code, leave) => return Ok(Some((code, leave))),
        }
        Ok(None)
    }

    /// Gives the terminal to the group of a worker, or to that of the template.
    fn lend_terminal(&mut self, worker: Option<WorkerId>) -> Result<(), RunError> {
        let process = match worker {
            Some(worker) => self.workers.pid(worker),
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
            Some(worker) => self.workers.tell(worker, ToWorker::TerminalLent),
        }
    }

    fn fork(
        &mut self,
        worker: WorkerId,
        template: TemplateId,
        lane: Lane,
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
        let mut descriptors = vec![theirs.into()];
        descriptors.extend(their_ends.pipes);
        let fork = Fork {
            worker,
            template,
            message: machine.fork_message(worker, their_ends.output),
            descriptors,
        };
        let closed = move |garbage| Input::WorkerClosed { worker, garbage };
        let conversation = converse(ours, our_ends, worker, self.inbox.clone(), closed)
            .map_err(RunError::Runtime)?;
        self.workers.insert(worker, conversation);
        if lane == Lane::Sealed {
            self.workers.hold(worker);
            let folder = self.request.run_folder.join("sandboxes");
            let dyno = &self.request.dyno;
            let mut visible = machine.visible().to_vec();
            visible.extend(self.fetching.as_ref().map(Fetching::cache));
            let built = (self.sandboxes).build(dyno, &folder, &visible, fork, &self.inbox);
            return built.map_err(RunError::Runtime);
        }
        Ok(fork.perform(&self.host)?)
    }

    fn stop_fetching(&mut self) {
        if let Some(fetching) = &mut self.fetching {
            fetching.stop();
        }
    }

    fn lacks_limits(&mut self, limits: Vec<MissingLimit>) {
        if !limits.is_empty() {
            self.record.event(Event::LimitsMissing { limits });
        }
    }

    /// Takes hold of processes as they are named. Gives what is to be heard before the input.
    fn watch(&mut self, input: &Input) -> Result<Vec<Input>, RunError> {
        match input {
            Input::WorkerExited {
                worker,
                exit,
                peak_kib,
            } => {
                let is_ours = self.workers.is_killed(*worker);
                let remains = self.deaths.of(*worker, *exit, *peak_kib, is_ours);
                return Ok(vec![Input::Left(*worker, remains)]);
            }
            Input::Template(TemplateId::FIRST, FromTemplate::Hello { pid, .. }) => {
                self.host.is_process(*pid);
            }
            Input::Template(_, FromTemplate::Forked { worker, pid, .. }) => {
                self.workers.forked(*worker, *pid);
                if !self.sandboxes.admit(*worker, *pid, &self.inbox) {
                    self.workers.let_begin(*worker)?;
                }
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Lets the template leave, or kills what is left of the run, and waits until all is
    /// dead.
    async fn close(mut self, leave: Leave, orphans: Orphans) -> Result<(), RunError> {
        self.terminal.take_back();
        self.stop_fetching();
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
        let mut hosts: Vec<Host> = self.lost_hosts.into_iter().chain([self.host]).collect();
        // Those who hold sandboxes up are left to end by themselves: each takes its own away.
        let holders = self.sandboxes.holders();
        orphans.kill_of_lost(&mut hosts, &holders).await;
        self.sandboxes.close().await;
        orphans.kill_of_lost(&mut hosts, &[]).await;
        for host in hosts {
            host.close().await;
        }
        if let Some(services) = self.services {
            services.close().await;
        }
        self.record.finish();
        Ok(())
    }
}
