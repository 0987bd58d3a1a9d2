//! Runs the engine's command to its end, through signals.

use super::Ended;
use crate::error::ContainerError;
use dyno_sandbox::{Group, bind_to_parent};
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Child;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// How long a container has from a signal that asks it to end until it is removed.
const GRACE: Duration = Duration::from_secs(10);

/// What to do with a signal that this process gets.
pub(super) enum OnSignal<'a> {
    /// Give it to the engine's command.
    PassOn,
    /// Run a command that tells the container, because the engine's own may be its client only.
    Tell(&'a dyn Fn(&str) -> Vec<String>),
}

/// One thread, as what is started dies with the thread that starts it.
pub(super) fn runtime() -> Result<Runtime, ContainerError> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|source| ContainerError::System("start what waits for processes", source))
}

/// Runs the command with this process's streams and terminal.
pub(super) fn wait(
    words: &[String],
    variables: &[(&str, &str)],
    on_signal: &OnSignal<'_>,
) -> Result<Ended, ContainerError> {
    let program = words.first().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(&words[1..]).envs(variables.iter().copied());
    bind_to_parent(&mut command, Group::Foreground);
    runtime()?.block_on(async {
        // Before the child is there: no signal is missed.
        let mut signals = Signals::hear()?;
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|source| ContainerError::Start { program, source })?;
        let mut end_by: Option<Instant> = None;
        loop {
            tokio::select! {
                status = child.wait() => {
                    let status = status
                        .map_err(|source| ContainerError::System("wait for the engine", source))?;
                    return Ok(Ended { code: code(status) });
                }
                (name, number) = signals.next() => {
                    // A terminal's Ctrl-C has reached the engine's command too, which passes it on.
                    if name != "INT" || !at_terminal() {
                        pass(&mut child, on_signal, name, number);
                    }
                    if name != "INT" && end_by.is_none() {
                        end_by = Some(Instant::now() + GRACE);
                    }
                }
                () = sleep_until(end_by.unwrap_or_else(Instant::now)), if end_by.is_some() => {
                    // Whoever keeps it removes the container.
                    let _ = child.kill().await;
                    return Ok(Ended { code: 128 + 9 });
                }
            }
        }
    })
}

fn at_terminal() -> bool {
    stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal()
}

fn pass(child: &mut Child, on_signal: &OnSignal<'_>, name: &str, number: i32) {
    match on_signal {
        OnSignal::PassOn => {
            let pid = child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
            if let (Some(pid), Some(signal)) =
                (pid, rustix::process::Signal::from_named_raw(number))
            {
                // One that is dead already needs none.
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        OnSignal::Tell(command) => {
            let words = command(name);
            let told = Command::new(&words[0])
                .args(&words[1..])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            // tokio buries what is dropped; a container that heard nothing is removed later.
            drop(told);
        }
    }
}

struct Signals([(Signal, &'static str, i32); 4]);

impl Signals {
    fn hear() -> Result<Self, ContainerError> {
        let one = |kind: SignalKind, name| {
            signal(kind)
                .map(|signal| (signal, name, kind.as_raw_value()))
                .map_err(|source| ContainerError::System("hear signals", source))
        };
        Ok(Self([
            one(SignalKind::interrupt(), "INT")?,
            one(SignalKind::terminate(), "TERM")?,
            one(SignalKind::hangup(), "HUP")?,
            one(SignalKind::quit(), "QUIT")?,
        ]))
    }

    async fn next(&mut self) -> (&'static str, i32) {
        let [interrupt, terminate, hangup, quit] = &mut self.0;
        tokio::select! {
            _ = interrupt.0.recv() => (interrupt.1, interrupt.2),
            _ = terminate.0.recv() => (terminate.1, terminate.2),
            _ = hangup.0.recv() => (hangup.1, hangup.2),
            _ = quit.0.recv() => (quit.1, quit.2),
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
