//! What the clients of an agent have: scopes, processes, leases, shared services.
//!
//! Everything runs on one thread, so a piece of work without an `await` in it is one
//! step to all others. No `RefCell` is borrowed across an `await`.

mod calls;
mod sharing;

use crate::error::CallError;
use crate::lease::{Lease, Ports, Token, Tokens};
use crate::process::{Alarm, Children, Running, stop};
use crate::share::{Forwards, Services};
use dyno_wire::agent::{Answer, Death, Ended, Order, ProcessId, ScopeId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long what nobody closes may take to end by itself: an agent that ends is not to be
/// waited for long.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// One of those that talk with this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientId(pub(crate) u64);

/// Nobody: what belongs to it ends with the agent.
const AGENT: ClientId = ClientId(0);

/// What all clients of an agent have.
#[derive(Debug)]
pub(crate) struct Session {
    table: RefCell<Table>,
    pub(crate) children: Rc<Children>,
    tokens: Tokens,
    forwards: Forwards,
    services: RefCell<Services>,
    /// Told whenever a service has been published, or given up.
    services_changed: Notify,
    /// The folder of the Unix sockets that lead to services; none where all clients have this
    /// agent's network.
    sockets: Option<PathBuf>,
    pub(crate) alarm: Cell<Option<Alarm>>,
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
    owner: ClientId,
    name: String,
    processes: Vec<ProcessId>,
    leases: Vec<Lease>,
    tokens: Vec<Token>,
}

impl Session {
    pub(crate) fn new(sockets: Option<PathBuf>) -> Self {
        Self {
            table: RefCell::new(Table {
                scopes: BTreeMap::new(),
                processes: BTreeMap::new(),
                ports: Ports::new(),
                last: 0,
            }),
            children: Rc::default(),
            tokens: Tokens::of_user(),
            forwards: Forwards::default(),
            services: RefCell::default(),
            services_changed: Notify::new(),
            sockets,
            alarm: Cell::new(None),
        }
    }

    /// Reaps every dead child and notes how those of the session ended.
    pub(crate) fn bury(&self) {
        if self.children.bury() {
            self.tell_the_fallen();
        }
    }

    /// Notes which guarded processes have ended, and rings where there is one.
    fn tell_the_fallen(&self) {
        let table = self.table.borrow();
        let ended = table.processes.values().filter(|one| one.exit().is_some());
        // All of them: each is to be noted.
        let fallen = ended.filter(|one| one.guard.fall()).count();
        if let (Some(alarm), 1..) = (self.alarm.get(), fallen) {
            alarm.ring();
        }
    }

    /// Rings once more where the client has not asked: a signal that comes just before a blocking
    /// call does not end that call, and Python looks at it afterwards.
    pub(crate) fn ring_again(&self) {
        let table = self.table.borrow();
        let waits = table.processes.values().any(|one| one.guard.is_fallen());
        if let (Some(alarm), true) = (self.alarm.get(), waits) {
            alarm.ring();
        }
    }

    /// Whether every tree of the session has been cleared away. A process that ended by
    /// itself may have left a daemon that is the point of it.
    pub(crate) fn is_idle(&self) -> bool {
        let table = self.table.borrow();
        table.processes.values().all(|one| one.cleared.get())
    }

    /// Gives back the middle of every log that has become too long.
    pub(crate) fn trim_logs(&self) {
        let table = self.table.borrow();
        for process in table.processes.values().filter(|one| !one.cleared.get()) {
            // A file system without holes keeps the whole log.
            let _ = process.log.trim();
        }
    }

    /// A client is gone: what it has open is closed.
    pub(crate) async fn leave(&self, client: ClientId) {
        self.close_all_of(client, None).await;
    }

    /// The agent ends: what is still open is given a moment to end by itself.
    pub(crate) async fn end(&self) {
        self.close_all_of(AGENT, Some(LAST_GRACE)).await;
    }

    async fn close_all_of(&self, client: ClientId, most: Option<Duration>) {
        let scopes = self.table.borrow().scopes_of(client);
        for scope in scopes.into_iter().rev() {
            // What does not end is killed with all that is below the agent.
            let _ = self.close_scope(scope, most).await;
        }
    }

    fn open_scope(&self, client: ClientId, name: String) -> ScopeId {
        let mut table = self.table.borrow_mut();
        let id = ScopeId(table.next());
        let scope = Scope {
            owner: client,
            name,
            processes: Vec::new(),
            leases: Vec::new(),
            tokens: Vec::new(),
        };
        table.scopes.insert(id, scope);
        id
    }

    /// Stops a scope's processes, newest first, then drops its leases. Where a process
    /// will not die, the leases stay: its port may be in use.
    async fn close_scope(
        &self,
        id: ScopeId,
        most: Option<Duration>,
    ) -> Result<Vec<Ended>, CallError> {
        let scope = self.table.borrow_mut().scopes.remove(&id);
        let scope = scope.ok_or_else(|| unknown("scope", id.0))?;
        let mut ended = Vec::new();
        let mut failures = Vec::new();
        for &id in scope.processes.iter().rev() {
            let process = self.process(id)?;
            let grace = process.order.grace.min(most.unwrap_or(Duration::MAX));
            match stop::stop(self, &process, grace).await {
                Ok((exit, by)) => ended.push(Ended {
                    process: id,
                    name: process.name().to_owned(),
                    exit,
                    by,
                }),
                Err(error) => failures.push(error.to_string()),
            }
        }
        stop::sweep_if_idle(self).await?;
        if self.services.borrow_mut().give_up(id) {
            self.services_changed.notify_waiters();
        }
        if failures.is_empty() {
            // A session may have thousands, each with its whole environment.
            let mut table = self.table.borrow_mut();
            table.processes.retain(|_, process| process.scope != id);
            return Ok(ended);
        }
        std::mem::forget(scope.leases);
        Err(CallError::Process {
            message: format!("the scope of {}: {}", scope.name, failures.join("; ")),
            exit: None,
            tail: None,
        })
    }

    fn start(&self, client: ClientId, scope: ScopeId, order: Order) -> Result<Answer, CallError> {
        let mut table = self.table.borrow_mut();
        let id = ProcessId(table.next());
        table.scope(client, scope)?;
        let process = Running::start(&self.children, id, scope, order)?;
        table.scope(client, scope)?.processes.push(id);
        Ok(table.enter(process))
    }

    /// Stops a process and starts it again by its order.
    async fn restart(
        &self,
        process: &Running,
        grace: Option<Duration>,
    ) -> Result<Answer, CallError> {
        let grace = grace.unwrap_or(process.order.grace);
        stop::stop(self, process, grace).await?;
        let order = process.order.clone();
        let new = Running::start(&self.children, process.id, process.scope, order)?;
        Ok(self.table.borrow_mut().enter(new))
    }

    /// The guarded processes that have ended and of whose end nobody has heard.
    fn fallen(&self) -> Vec<Death> {
        self.bury();
        let table = self.table.borrow();
        let fallen = table.processes.values().filter(|one| one.guard.take());
        let deaths = fallen.filter_map(|process| {
            Some(Death {
                process: process.id,
                scope: process.scope,
                name: process.name().to_owned(),
                exit: process.exit()?,
                tail: process.error_tail(),
            })
        });
        deaths.collect()
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

    /// A scope of a client.
    fn scope(&mut self, client: ClientId, id: ScopeId) -> Result<&mut Scope, CallError> {
        let scope = self.scopes.get_mut(&id);
        scope
            .filter(|scope| scope.owner == client)
            .ok_or_else(|| unknown("scope", id.0))
    }

    fn scopes_of(&self, client: ClientId) -> Vec<ScopeId> {
        let scopes = self.scopes.iter();
        let own = scopes.filter(|(_, scope)| scope.owner == client);
        own.map(|(id, _)| *id).collect()
    }

    fn enter(&mut self, process: Running) -> Answer {
        let (id, pid) = (process.id, process.pid);
        self.processes.insert(id, Rc::new(process));
        Answer::Started {
            process: id,
            pid: pid.as_raw_nonzero().get().unsigned_abs(),
        }
    }
}

fn unknown(what: &str, id: u64) -> CallError {
    CallError::Request(format!("{what} {id} is not open in this session"))
}
