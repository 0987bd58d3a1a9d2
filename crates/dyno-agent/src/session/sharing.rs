//! Services that several clients share: asked for, published, and what became of them.

use super::{AGENT, ClientId, Session};
use crate::error::CallError;
use crate::ready::deadline;
use crate::share::{Claim, Published, lead_to};
use dyno_wire::agent::{Answer, Forward, ScopeId};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout_at;

impl Session {
    /// A service that runs, or a scope in which the client is to start it.
    pub(super) async fn share(
        &self,
        client: ClientId,
        name: &str,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let end = deadline(timeout);
        loop {
            // Before the look, so that no change is missed between the two.
            let changed = self.services_changed.notified();
            let offer = || self.open_scope(client, format!("the service {name:?}"));
            let claim = self.services.borrow_mut().claim(name, offer);
            match claim {
                Claim::Theirs(service) => {
                    self.check_alive(name, service.scope)?;
                    return Ok(shared(service));
                }
                Claim::Yours(scope) => {
                    return Ok(Answer::Shared {
                        scope,
                        value: None,
                        forwards: Vec::new(),
                    });
                }
                Claim::Wait => {}
            }
            if timeout_at(end.into(), changed).await.is_err() {
                return Err(CallError::Timeout {
                    message: format!(
                        "the service {name:?} is still being started, by another test, after {} s",
                        timeout.as_secs_f64()
                    ),
                    tail: Some(String::new()),
                });
            }
        }
    }

    /// The service that a client was to start runs: from now on it is the agent's.
    pub(super) fn publish(
        &self,
        client: ClientId,
        id: ScopeId,
        value: Value,
    ) -> Result<Answer, CallError> {
        let name = self.services.borrow().starting(id).map(str::to_owned);
        let name = name.ok_or_else(|| {
            CallError::Request(format!("no service is being started in scope {}", id.0))
        })?;
        let ports = {
            let mut table = self.table.borrow_mut();
            let scope = table.scope(client, id)?;
            let ports = scope.leases.iter().map(|lease| lease.port);
            ports.collect::<Vec<u16>>()
        };
        let mut forwards = Vec::new();
        if let Some(folder) = &self.sockets {
            for port in ports {
                forwards.push(open_way(folder, port)?);
            }
        }
        self.table.borrow_mut().scope(client, id)?.owner = AGENT;
        let service = Published {
            scope: id,
            value,
            forwards,
        };
        self.services.borrow_mut().publish(&name, service.clone());
        self.services_changed.notify_waiters();
        Ok(shared(service))
    }

    /// Opens a way to a service.
    pub(super) async fn forward(&self, forward: Forward) -> Result<Answer, CallError> {
        let port = forward.port;
        let opened = self.forwards.open(forward).await;
        opened.map_err(|error| {
            CallError::Request(format!(
                "the port {port} of a shared service cannot be opened here: {error}"
            ))
        })?;
        Ok(Answer::Done)
    }

    /// A service that has died is not started again: what it knew is gone, and whoever has its
    /// value goes on with that.
    fn check_alive(&self, name: &str, scope: ScopeId) -> Result<(), CallError> {
        self.bury();
        let table = self.table.borrow();
        let mut processes = table.processes.values().filter(|one| one.scope == scope);
        let dead = processes.find_map(|one| Some((one, one.exit()?)));
        match dead {
            Some((process, exit)) if process.order.guard => Err(CallError::Process {
                message: format!(
                    "the shared service {name:?} is gone: its process {:?} ended: {exit}",
                    process.name()
                ),
                exit: Some(exit),
                tail: Some(process.error_tail()),
            }),
            _ => Ok(()),
        }
    }
}

fn shared(service: Published) -> Answer {
    Answer::Shared {
        scope: service.scope,
        value: Some(service.value),
        forwards: service.forwards,
    }
}

fn open_way(folder: &Path, port: u16) -> Result<Forward, CallError> {
    let path = folder.join(port.to_string());
    lead_to(port, &path).map_err(|error| {
        CallError::Request(format!(
            "a shared service cannot be led to by {}: {error}",
            path.display()
        ))
    })?;
    let path = path.to_string_lossy().into_owned();
    Ok(Forward { port, path })
}
