//! One session's state: its scopes, its processes, and what the calls do to them.
//!
//! Everything runs on one thread, so a piece of work without an `await` in it is one
//! step to all others. The one `RefCell` is never borrowed across an `await`.

use crate::check::Check;
use crate::error::CallError;
use crate::ports::{Lease, Ports};
use crate::process::{Order, Running};
use crate::readiness::OnExit;
use crate::stop;
use crate::wait::{deadline, wait_for};
use dyno_model::ProcessExit;
use dyno_sandbox::reap;
use dyno_wire::PROTOCOL;
use dyno_wire::agent::{Answer, Ended, Failure, Probe, ProcessId, Request, ScopeId};
use rustix::process::{Signal, kill_process};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout_at;

/// What a session has.
#[derive(Debug)]
pub(crate) struct Session {
    table: RefCell<Table>,
    /// Told whenever a child was reaped.
    pub(crate) deaths: Notify,
}

#[derive(Debug)]
struct Table {
    scopes: BTreeMap<ScopeId, Scope>,
    processes: BTreeMap<ProcessId, Rc<Running>>,
    ports: Ports,
    last: u64,
}

#[derive(Debug)]
struct Scope {
    name: String,
    processes: Vec<ProcessId>,
    leases: Vec<Lease>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            table: RefCell::new(Table {
                scopes: BTreeMap::new(),
                processes: BTreeMap::new(),
                ports: Ports::new(),
                last: 0,
            }),
            deaths: Notify::new(),
        }
    }

    /// Does what a call asks for. [`Request::Hello`] is the connection's business.
    pub(crate) async fn answer(&self, request: Request) -> Answer {
        self.act(request)
            .await
            .unwrap_or_else(|error| Answer::Failed(Failure::from(error)))
    }

    async fn act(&self, request: Request) -> Result<Answer, CallError> {
        match request {
            Request::Hello { .. } => Ok(Answer::Welcome {
                protocol: PROTOCOL,
                agent: std::process::id(),
            }),
            Request::OpenScope { name } => Ok(Answer::Scope {
                scope: self.open_scope(name),
            }),
            Request::CloseScope { scope } => {
                let ended = self.close_scope(scope).await?;
                Ok(Answer::Closed { ended })
            }
            Request::Start {
                scope,
                name,
                argv,
                env,
                cwd,
                log,
                grace,
            } => {
                let order = Order {
                    name,
                    argv,
                    env,
                    cwd,
                    log,
                    grace,
                };
                self.start(scope, order)
            }
            Request::LeasePorts { scope, count } => self.lease_ports(scope, count),
            Request::AwaitReady { process, .. }
            | Request::AwaitLog { process, .. }
            | Request::Stop { process, .. }
            | Request::Signal { process, .. }
            | Request::Wait { process, .. }
            | Request::Status { process }
            | Request::Tail { process, .. } => {
                let process = self.process(process)?;
                self.act_on(&process, request).await
            }
        }
    }

    async fn act_on(&self, process: &Rc<Running>, request: Request) -> Result<Answer, CallError> {
        match request {
            Request::AwaitReady {
                probes, timeout, ..
            } => ready(process, &probes, timeout).await,
            Request::AwaitLog {
                pattern, timeout, ..
            } => {
                let check = Check::line(&pattern, &process.log)?;
                let seen = wait_for(process, vec![check], timeout, OnExit::LookOnce).await?;
                Ok(Answer::Ready { seen })
            }
            Request::Stop { grace, .. } => {
                let grace = grace.unwrap_or(process.grace);
                let (exit, _) = stop::stop(self, process, grace).await?;
                Ok(Answer::Exited { exit })
            }
            Request::Signal { signal, .. } => self.signal(process, signal),
            Request::Wait { timeout, .. } => {
                let exit = timeout_at(deadline(timeout).into(), process.ended()).await;
                let exit = exit.map_err(|_| CallError::Timeout {
                    message: format!("{:?} runs after {} s", process.name, timeout.as_secs_f64()),
                    tail: None,
                })?;
                Ok(Answer::Exited { exit })
            }
            Request::Status { .. } => {
                self.bury();
                let exit = process.exit();
                Ok(Answer::State { exit })
            }
            Request::Tail { lines, .. } => {
                let text = process.log.tail(lines);
                Ok(Answer::Tail { text })
            }
            other => Err(CallError::Request(format!(
                "no request of a process: {other:?}"
            ))),
        }
    }

    /// Reaps every dead child and notes how those of the session ended.
    pub(crate) fn bury(&self) {
        let table = self.table.borrow();
        let mut buried = false;
        while let Some((pid, status)) = reap() {
            buried = true;
            // A pid may come again; only one process that bears it has not ended.
            let of_pid = |one: &&Rc<Running>| one.pid == pid && one.exit().is_none();
            if let Some(process) = table.processes.values().find(of_pid) {
                process.set_exit(ProcessExit::from_wait_status(status));
            }
        }
        if buried {
            self.deaths.notify_waiters();
        }
    }

    /// Whether every tree of the session has been cleared away. A process that ended by
    /// itself may have left a daemon that is the point of it.
    pub(crate) fn is_idle(&self) -> bool {
        let table = self.table.borrow();
        table.processes.values().all(|one| one.cleared.get())
    }

    fn open_scope(&self, name: String) -> ScopeId {
        let mut table = self.table.borrow_mut();
        let id = ScopeId(table.next());
        let scope = Scope {
            name,
            processes: Vec::new(),
            leases: Vec::new(),
        };
        table.scopes.insert(id, scope);
        id
    }

    /// Stops a scope's processes, newest first, then drops its leases. Where a process
    /// will not die, the leases stay: its port may be in use.
    async fn close_scope(&self, id: ScopeId) -> Result<Vec<Ended>, CallError> {
        let scope = self.table.borrow_mut().scopes.remove(&id);
        let scope = scope.ok_or_else(|| unknown("scope", id.0))?;
        let mut ended = Vec::new();
        let mut failures = Vec::new();
        for &id in scope.processes.iter().rev() {
            let process = self.process(id)?;
            match stop::stop(self, &process, process.grace).await {
                Ok((exit, by)) => ended.push(Ended {
                    process: id,
                    name: process.name.clone(),
                    exit,
                    by,
                }),
                Err(error) => failures.push(error.to_string()),
            }
        }
        stop::sweep_if_idle(self).await?;
        if failures.is_empty() {
            return Ok(ended);
        }
        std::mem::forget(scope.leases);
        Err(CallError::Process {
            message: format!("the scope of {}: {}", scope.name, failures.join("; ")),
            exit: None,
            tail: None,
        })
    }

    fn start(&self, scope: ScopeId, order: Order) -> Result<Answer, CallError> {
        let mut table = self.table.borrow_mut();
        let id = ProcessId(table.next());
        let scope = table.scope(scope)?;
        let process = Running::start(id, order)?;
        scope.processes.push(id);
        let pid = process.pid.as_raw_nonzero().get().unsigned_abs();
        table.processes.insert(id, Rc::new(process));
        Ok(Answer::Started { process: id, pid })
    }

    fn lease_ports(&self, scope: ScopeId, count: u16) -> Result<Answer, CallError> {
        let mut table = self.table.borrow_mut();
        table.scope(scope)?;
        let leases = table.ports.lease(count)?;
        let ports = leases.iter().map(|lease| lease.port).collect();
        table.scope(scope)?.leases.extend(leases);
        Ok(Answer::Ports { ports })
    }

    fn signal(&self, process: &Running, number: i32) -> Result<Answer, CallError> {
        self.bury();
        let Some(signal) = Signal::from_named_raw(number) else {
            return Err(CallError::Request(format!(
                "no signal has the number {number}"
            )));
        };
        if let Some(exit) = process.exit() {
            return Err(CallError::Process {
                message: format!("{:?} cannot be signalled, it ended: {exit}", process.name),
                exit: Some(exit),
                tail: Some(process.log.tail(crate::log_file::ERROR_LINES)),
            });
        }
        // Not reaped yet, so the id is still its own.
        kill_process(process.pid, signal).map_err(|error| {
            CallError::Request(format!("{:?} cannot be signalled: {error}", process.name))
        })?;
        Ok(Answer::Done)
    }

    fn process(&self, id: ProcessId) -> Result<Rc<Running>, CallError> {
        self.bury();
        let table = self.table.borrow();
        let process = table.processes.get(&id).map(Rc::clone);
        process.ok_or_else(|| unknown("process", id.0))
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn scope(&mut self, id: ScopeId) -> Result<&mut Scope, CallError> {
        self.scopes
            .get_mut(&id)
            .ok_or_else(|| unknown("scope", id.0))
    }
}

async fn ready(
    process: &Rc<Running>,
    probes: &[Probe],
    timeout: Duration,
) -> Result<Answer, CallError> {
    let checks: Result<Vec<Check>, CallError> = probes
        .iter()
        .map(|probe| Check::new(probe, &process.log))
        .collect();
    let seen = wait_for(process, checks?, timeout, OnExit::Fail).await?;
    Ok(Answer::Ready { seen })
}

fn unknown(what: &str, id: u64) -> CallError {
    CallError::Request(format!("{what} {id} is not open in this session"))
}
