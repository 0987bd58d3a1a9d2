//! What each call does.

use super::{ClientId, Session};
use crate::error::CallError;
use crate::log::search_all;
use crate::probe::{Check, HttpCall, compile};
use crate::process::{Running, stop};
use crate::ready::{OnExit, deadline, wait_for};
use crate::serve::welcome;
use dyno_wire::agent::{Answer, Failure, FailureKind, Probe, Request, ScopeId, Text};
use rustix::process::{Signal, kill_process};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout_at;

/// Signals that end a process that does nothing about them. Whoever sends one means its end.
const DEADLY: [Signal; 6] = [
    Signal::TERM,
    Signal::KILL,
    Signal::INT,
    Signal::QUIT,
    Signal::ABORT,
    Signal::HUP,
];

impl Session {
    /// Does what a call asks for. [`Request::Hello`] is the connection's business.
    pub(crate) async fn answer(&self, client: ClientId, request: Request) -> Answer {
        self.act(client, request)
            .await
            .unwrap_or_else(|error| Answer::Failed(Failure::from(error)))
    }

    async fn act(&self, client: ClientId, request: Request) -> Result<Answer, CallError> {
        match request {
            Request::Hello { .. } => Ok(welcome()),
            Request::OpenScope { name } => Ok(Answer::Scope {
                scope: self.open_scope(client, name),
            }),
            Request::CloseScope { scope } => {
                self.table.borrow_mut().scope(client, scope)?;
                let ended = self.close_scope(scope, None).await?;
                Ok(Answer::Closed { ended })
            }
            Request::Start { scope, order } => self.start(client, scope, order),
            Request::Fallen => Ok(Answer::Fallen {
                deaths: self.fallen(),
            }),
            Request::LeasePorts { scope, count } => self.lease_ports(client, scope, count),
            Request::TakeToken {
                scope,
                name,
                timeout,
            } => self.take_token(client, scope, &name, timeout).await,
            Request::GiveToken { scope, name } => self.give_token(client, scope, &name),
            Request::Share { name, timeout } => self.share(client, &name, timeout).await,
            Request::Publish { scope, value } => self.publish(client, scope, value),
            Request::Forward(forward) => self.forward(forward).await,
            Request::Http { request, timeout } => fetch(&request, timeout).await,
            Request::AwaitReady { process, .. }
            | Request::AwaitLog { process, .. }
            | Request::SearchLog { process, .. }
            | Request::MarkLog { process }
            | Request::Stop { process, .. }
            | Request::Restart { process, .. }
            | Request::Pause { process }
            | Request::Resume { process }
            | Request::Write { process, .. }
            | Request::CloseStdin { process }
            | Request::Signal { process, .. }
            | Request::ExpectEnd { process }
            | Request::Wait { process, .. }
            | Request::Status { process }
            | Request::Usage { process }
            | Request::Describe { process }
            | Request::Tail { process, .. } => {
                let process = self.process(process)?;
                process.guard.begin_wait();
                let answer = self.act_on(&process, request).await;
                process.guard.end_wait();
                if tells_an_end(&answer) {
                    process.guard.lift();
                }
                self.tell_the_fallen();
                answer
            }
        }
    }

    async fn act_on(&self, process: &Rc<Running>, request: Request) -> Result<Answer, CallError> {
        match request {
            Request::AwaitReady {
                probes,
                is_all,
                timeout,
                ..
            } => {
                let seen = self.ready(process, &probes, timeout).await?;
                if is_all {
                    process.guard.arm();
                }
                Ok(Answer::Ready { seen })
            }
            Request::AwaitLog {
                pattern,
                from,
                timeout,
                ..
            } => line(process, &pattern, from, timeout).await,
            Request::SearchLog {
                pattern,
                from,
                most,
                ..
            } => {
                let found = search_all(compile(&pattern)?, &process.log, from, most).await;
                let (lines, mark) = found.map_err(|error| unreadable(process, &error))?;
                Ok(Answer::Lines { lines, mark })
            }
            Request::MarkLog { .. } => {
                let mark = process.log.length();
                let mark = mark.map_err(|error| unreadable(process, &error))?;
                Ok(Answer::Mark { mark })
            }
            Request::Stop { grace, .. } => {
                let grace = grace.unwrap_or(process.order.grace);
                let (exit, _) = stop::stop(self, process, grace).await?;
                Ok(Answer::Exited { exit })
            }
            Request::Restart { grace, .. } => self.restart(process, grace).await,
            Request::Pause { .. } => {
                check_running(process, "paused")?;
                stop::pause(process).await?;
                Ok(Answer::Done)
            }
            Request::Resume { .. } => {
                stop::resume(process)?;
                Ok(Answer::Done)
            }
            Request::Write { data, timeout, .. } => write(process, &data, timeout).await,
            Request::CloseStdin { .. } => {
                // Many a program ends with its input.
                process.guard.lift();
                process.input.close(process.name()).await?;
                Ok(Answer::Done)
            }
            Request::Signal { signal, .. } => send(process, signal),
            Request::ExpectEnd { .. } => {
                process.guard.lift();
                Ok(Answer::Done)
            }
            Request::Wait { timeout, .. } => wait(process, timeout).await,
            Request::Status { .. } => Ok(Answer::State {
                exit: process.exit(),
                paused: process.paused.get(),
            }),
            Request::Usage { .. } => Ok(Answer::Used(process.usage(&stop::look()?))),
            Request::Describe { .. } => Ok(Answer::Described {
                command: process.shown_command(),
                env: process.shown_environment(),
                usage: process.usage(&stop::look()?),
            }),
            Request::Tail { lines, .. } => Ok(Answer::Tail {
                text: process.tail(lines),
            }),
            other => Err(CallError::Request(format!(
                "no request of a process: {other:?}"
            ))),
        }
    }

    async fn ready(
        &self,
        process: &Rc<Running>,
        probes: &[Probe],
        timeout: Duration,
    ) -> Result<Vec<String>, CallError> {
        let checks = probes
            .iter()
            .map(|probe| Check::new(probe, process, &self.children).map(Rc::new));
        let checks: Vec<Rc<Check>> = checks.collect::<Result<_, _>>()?;
        wait_for(process, &checks, timeout, OnExit::Fail).await
    }

    fn lease_ports(
        &self,
        client: ClientId,
        scope: ScopeId,
        count: u16,
    ) -> Result<Answer, CallError> {
        let mut table = self.table.borrow_mut();
        table.scope(client, scope)?;
        let leases = table.ports.lease(count)?;
        let ports = leases.iter().map(|lease| lease.port).collect();
        table.scope(client, scope)?.leases.extend(leases);
        Ok(Answer::Ports { ports })
    }

    async fn take_token(
        &self,
        client: ClientId,
        scope: ScopeId,
        name: &str,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        self.table.borrow_mut().scope(client, scope)?;
        let token = self.tokens.take(name, timeout).await?;
        // Where the scope has been closed meanwhile, the token goes with it.
        let mut table = self.table.borrow_mut();
        table.scope(client, scope)?.tokens.push(token);
        Ok(Answer::Done)
    }

    fn give_token(
        &self,
        client: ClientId,
        scope: ScopeId,
        name: &str,
    ) -> Result<Answer, CallError> {
        let mut table = self.table.borrow_mut();
        let tokens = &mut table.scope(client, scope)?.tokens;
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        if tokens.len() == before {
            let message = format!("no token {name:?} is held here");
            return Err(CallError::Request(message));
        }
        Ok(Answer::Done)
    }
}

/// Whether whoever gets this learns that the process has ended.
fn tells_an_end(answer: &Result<Answer, CallError>) -> bool {
    match answer {
        Ok(Answer::Exited { .. }) => true,
        Ok(Answer::State { exit, .. }) | Err(CallError::Process { exit, .. }) => exit.is_some(),
        _ => false,
    }
}

async fn line(
    process: &Rc<Running>,
    pattern: &str,
    from: u64,
    timeout: Duration,
) -> Result<Answer, CallError> {
    let checks = [Rc::new(Check::line(pattern, process, from)?)];
    let seen = wait_for(process, &checks, timeout, OnExit::LookOnce).await?;
    Ok(Answer::Line {
        line: seen.into_iter().next().unwrap_or_default(),
        mark: checks[0].mark().unwrap_or(from),
    })
}

async fn wait(process: &Running, timeout: Duration) -> Result<Answer, CallError> {
    process.guard.lift();
    let exit = timeout_at(deadline(timeout).into(), process.ended()).await;
    let exit = exit.map_err(|_| CallError::Timeout {
        message: format!(
            "{:?} runs after {} s",
            process.name(),
            timeout.as_secs_f64()
        ),
        tail: None,
    })?;
    Ok(Answer::Exited { exit })
}

async fn write(process: &Running, data: &Text, timeout: Duration) -> Result<Answer, CallError> {
    let written = process
        .input
        .write(process.name(), data.as_bytes(), timeout);
    written.await?;
    Ok(Answer::Done)
}

async fn fetch(
    request: &dyno_wire::agent::HttpRequest,
    timeout: Duration,
) -> Result<Answer, CallError> {
    let call = HttpCall::new(request)?;
    match call.fetch(timeout).await {
        Ok(answer) => Ok(Answer::Http(answer)),
        Err(seen) => Ok(Answer::Failed(Failure {
            kind: FailureKind::Unanswered,
            message: format!("{}: {seen}", call.name()),
            exit: None,
            tail: None,
        })),
    }
}

fn send(process: &Running, number: i32) -> Result<Answer, CallError> {
    let Some(signal) = Signal::from_named_raw(number) else {
        return Err(CallError::Request(format!(
            "no signal has the number {number}"
        )));
    };
    check_running(process, "signalled")?;
    if DEADLY.contains(&signal) {
        process.guard.lift();
    }
    // Not reaped yet, so the id is still its own.
    kill_process(process.pid, signal).map_err(|error| {
        let name = process.name();
        CallError::Request(format!("{name:?} cannot be signalled: {error}"))
    })?;
    Ok(Answer::Done)
}

fn check_running(process: &Running, what: &str) -> Result<(), CallError> {
    match process.exit() {
        None => Ok(()),
        Some(exit) => Err(CallError::Process {
            message: format!("{:?} cannot be {what}, it ended: {exit}", process.name()),
            exit: Some(exit),
            tail: Some(process.error_tail()),
        }),
    }
}

fn unreadable(process: &Running, error: &std::io::Error) -> CallError {
    let name = process.name();
    CallError::Request(format!("the log of {name:?} cannot be read: {error}"))
}
