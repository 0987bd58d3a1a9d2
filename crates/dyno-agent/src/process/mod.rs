//! One process of a session: how it is started, and what is its.

mod children;
mod guard;
mod stdin;
pub(crate) mod stop;

use crate::error::CallError;
use crate::log::{ERROR_LINES, LogFile};
pub(crate) use children::{Child, Children};
use dyno_model::{MASK, ProcessExit, Secrets, is_secret, shell_word};
use dyno_sandbox::{Group, Process, Snapshot, Used, bind_to_parent};
use dyno_wire::agent::{Order, ProcessId, ScopeId, Stdin, Text, Usage};
pub(crate) use guard::Alarm;
use guard::Guard;
use rustix::process::{Pid, getpid};
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use stdin::Input;

/// The variable by which a process knows its own: an orphan that left the session keeps
/// its environment.
const MARKER: &str = "DYNO_PROCESS";

/// A process that was started, dead or alive.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) id: ProcessId,
    pub(crate) scope: ScopeId,
    pub(crate) order: Order,
    pub(crate) pid: Pid,
    pub(crate) log: Rc<LogFile>,
    pub(crate) input: Input,
    pub(crate) guard: Guard,
    pub(crate) paused: Cell<bool>,
    /// Set once nothing of its tree is left.
    pub(crate) cleared: Cell<bool>,
    secrets: Secrets,
    marker: Vec<u8>,
    child: Rc<Child>,
}

impl Running {
    /// Starts a process.
    pub(crate) fn start(
        children: &Children,
        id: ProcessId,
        scope: ScopeId,
        order: Order,
    ) -> Result<Self, CallError> {
        let Some(program) = order.argv.first().map(Text::to_os_string) else {
            let message = format!("{:?} has no command", order.name);
            return Err(CallError::Request(message));
        };
        let cannot = |why: String| CallError::Process {
            message: format!("{:?} cannot be started: {why}", order.name),
            exit: None,
            tail: Some(String::new()),
        };
        let cwd = PathBuf::from(order.cwd.to_os_string());
        if !cwd.is_dir() {
            let what = format!("its working directory {} is no folder", cwd.display());
            return Err(cannot(what));
        }
        let path = PathBuf::from(order.log.to_os_string());
        let no_log = |error: io::Error| cannot(format!("its log {}: {error}", path.display()));
        let (log, file) = LogFile::create(&path, order.log_limit).map_err(no_log)?;
        let second = file.try_clone().map_err(no_log)?;
        let marker = format!("{}.{}", getpid().as_raw_nonzero(), id.0);
        let mut command = command(&order);
        command
            .env(MARKER, &marker)
            .stdin(match order.stdin {
                Stdin::Null => Stdio::null(),
                Stdin::Pipe => Stdio::piped(),
            })
            .stdout(file)
            .stderr(second);
        let (child, stdin) = children
            .start(&mut command)
            .map_err(|error| cannot(why_not(program.as_ref(), &cwd, &error)))?;
        Ok(Self {
            id,
            scope,
            pid: child.pid,
            log: Rc::new(log),
            input: Input::new(stdin),
            guard: Guard::new(order.guard),
            paused: Cell::new(false),
            cleared: Cell::new(false),
            secrets: secrets(&order),
            marker: format!("{MARKER}={marker}").into_bytes(),
            child,
            order,
        })
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.order.name
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn exit(&self) -> Option<ProcessExit> {
        self.child.exit()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ProcessExit {
        self.child.ended().await
    }

    /// The last lines of its log, for a report: without secrets.
    pub(crate) fn tail(&self, lines: u32) -> String {
        self.hide(self.log.tail(lines))
    }

    /// The lines of its log that an error has.
    pub(crate) fn error_tail(&self) -> String {
        self.tail(ERROR_LINES)
    }

    /// A text without the secrets of its environment.
    fn hide<'a>(&self, text: impl Into<Cow<'a, str>>) -> String {
        self.secrets.hide(text).into_owned()
    }

    /// Its command, as a shell would take it, without secrets.
    pub(crate) fn shown_command(&self) -> String {
        // Before the quotes, which may stand in the middle of a secret.
        let words = self.order.argv.iter().map(|word| self.hide(word.shown()));
        let shown = words.map(|word| shell_word(&word).into_owned());
        shown.collect::<Vec<String>>().join(" ")
    }

    /// The variables that it has and the agent has not, or with another value: `NAME=value`,
    /// without secrets.
    pub(crate) fn shown_environment(&self) -> Vec<String> {
        let own = |name: &Text| std::env::var_os(name.to_os_string());
        let pairs = self.order.env.iter();
        let other = pairs.filter(|(name, value)| own(name) != Some(value.to_os_string()));
        let texts = other.map(|(name, value)| {
            let (name, value) = (name.shown(), value.shown());
            // By its name, because a short secret is not looked for in texts.
            let is_secret = is_secret(&name, &self.order.secrets);
            let value = if is_secret { MASK.into() } else { value };
            self.hide(format!("{name}={value}"))
        });
        texts.collect()
    }

    /// It and all that came from it: its descendants, its session, and whoever bears its
    /// marker. All of them are descendants of this agent, the orphans' reaper, so none
    /// can be a stranger.
    pub(crate) fn tree(&self, snapshot: &Snapshot) -> Vec<Process> {
        let is_leader = |process: &Process| {
            let started = self.child.started;
            process.pid == self.pid && started.is_none_or(|started| started == process.started)
        };
        // While anyone of its session lives, no other process can be given its number.
        let reused = snapshot.get(self.pid).is_some_and(|one| !is_leader(one));
        let below = if reused {
            Vec::new()
        } else {
            snapshot.descendants(self.pid)
        };
        let mut tree = snapshot.descendants(getpid());
        tree.retain(|process| {
            let in_session = !reused && process.session == self.pid.as_raw_nonzero().get();
            is_leader(process)
                || in_session
                || below.contains(process)
                || process.was_given(&self.marker)
        });
        tree
    }

    /// Whether anyone who got a signal to its process group is alive.
    pub(crate) fn has_group(&self, snapshot: &Snapshot) -> bool {
        let group = self.pid.as_raw_nonzero().get();
        let tree = self.tree(snapshot);
        tree.iter().any(|one| one.group == group && !one.zombie)
    }

    /// What it and all that came from it use. Of those that ended, what their parent waited for.
    pub(crate) fn usage(&self, snapshot: &Snapshot) -> Usage {
        let mut sum = self.child.used();
        for process in self.tree(snapshot) {
            sum += Used::read(&process).unwrap_or_default();
        }
        let micros =
            |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Usage {
            user_us: micros(sum.user),
            system_us: micros(sum.system),
            memory: sum.memory,
            peak_memory: sum.peak_memory,
            processes: sum.processes,
            threads: sum.threads,
        }
    }
}

/// A command in a process's environment and folder, in a session of its own.
pub(crate) fn command(order: &Order) -> Command {
    command_of(order, &order.argv)
}

/// Another command in the environment and the folder of an order.
pub(crate) fn command_of(order: &Order, argv: &[Text]) -> Command {
    let words: Vec<OsString> = argv.iter().map(Text::to_os_string).collect();
    let mut command = Command::new(words.first().cloned().unwrap_or_default());
    let environment = order.env.iter();
    command
        .args(words.iter().skip(1))
        .env_clear()
        .envs(environment.map(|(name, value)| (name.to_os_string(), value.to_os_string())))
        .current_dir(PathBuf::from(order.cwd.to_os_string()));
    bind_to_parent(&mut command, Group::OwnSession);
    command
}

fn secrets(order: &Order) -> Secrets {
    let environment = order.env.iter();
    let pairs = environment.map(|(name, value)| (name.shown(), value.shown()));
    Secrets::of(pairs, &order.secrets)
}

/// Why `exec` failed, in terms of what the caller wrote.
pub(crate) fn why_not(program: &Path, cwd: &Path, error: &io::Error) -> String {
    let shown = program.display();
    let has_folder = program.components().count() > 1 || program.is_absolute();
    match error.kind() {
        io::ErrorKind::NotFound if !has_folder => format!("no command {shown} on its PATH"),
        io::ErrorKind::NotFound if cwd.join(program).exists() => {
            format!("{shown} names an interpreter in its first line that does not exist")
        }
        io::ErrorKind::NotFound => format!("{shown} does not exist"),
        io::ErrorKind::PermissionDenied => format!("{shown} is not executable"),
        _ => format!("{shown}: {error}"),
    }
}
