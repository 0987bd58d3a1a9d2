//! One process of a session: how it is started, and how its end is known.

use crate::error::CallError;
use crate::log_file::LogFile;
use dyno_model::ProcessExit;
use dyno_sandbox::{Group, Process, Snapshot, bind_to_parent};
use dyno_wire::agent::{ProcessId, Text};
use rustix::process::{Pid, getpid};
use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::watch;

/// The variable by which a process knows its own: an orphan that left the session keeps
/// its environment.
const MARKER: &str = "DYNO_PROCESS";

/// What to start.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) argv: Vec<Text>,
    pub(crate) env: Vec<(Text, Text)>,
    pub(crate) cwd: Text,
    pub(crate) log: Text,
    pub(crate) grace: Duration,
}

/// A process that was started, dead or alive.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) pid: Pid,
    pub(crate) log: LogFile,
    pub(crate) grace: Duration,
    /// Set once nothing of its tree is left.
    pub(crate) cleared: Cell<bool>,
    /// Its start as `/proc` has it; `None` where it was gone before that could be read.
    started: Option<u64>,
    marker: Vec<u8>,
    exit: watch::Sender<Option<ProcessExit>>,
}

impl Running {
    /// Starts a process. Call it from the main thread: the process dies with its starter.
    pub(crate) fn start(id: ProcessId, order: Order) -> Result<Self, CallError> {
        let words: Vec<OsString> = order.argv.iter().map(Text::to_os_string).collect();
        let Some((program, arguments)) = words.split_first() else {
            return Err(CallError::Request(format!(
                "{:?} has no command",
                order.name
            )));
        };
        let cwd = PathBuf::from(order.cwd.to_os_string());
        let cannot = |why: String| CallError::Process {
            message: format!("{:?} cannot be started: {why}", order.name),
            exit: None,
            tail: Some(String::new()),
        };
        if !cwd.is_dir() {
            let what = format!("its working directory {} is no folder", cwd.display());
            return Err(cannot(what));
        }
        let path = PathBuf::from(order.log.to_os_string());
        let (log, file) = LogFile::create(&path)
            .map_err(|error| cannot(format!("its log {}: {error}", path.display())))?;
        let second = file
            .try_clone()
            .map_err(|error| cannot(format!("its log {}: {error}", path.display())))?;
        let marker = format!("{}.{}", getpid().as_raw_nonzero(), id.0);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                order
                    .env
                    .iter()
                    .map(|(k, v)| (k.to_os_string(), v.to_os_string())),
            )
            .env(MARKER, &marker)
            .current_dir(&cwd)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second);
        bind_to_parent(&mut command, Group::OwnSession);
        let child = command
            .spawn()
            .map_err(|error| cannot(why(program.as_ref(), &cwd, &error)))?;
        let pid = Pid::from_child(&child);
        Ok(Self {
            name: order.name,
            pid,
            log,
            grace: order.grace,
            cleared: Cell::new(false),
            started: Process::read(pid).map(|process| process.started),
            marker: format!("{MARKER}={marker}").into_bytes(),
            exit: watch::Sender::new(None),
        })
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn exit(&self) -> Option<ProcessExit> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ProcessExit {
        let mut exit = self.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| *exit);
        // The sender is `self`, so it cannot be gone.
        ended.ok().flatten().unwrap_or(ProcessExit::Unknown)
    }

    /// Says how it ended, once it has been reaped.
    pub(crate) fn set_exit(&self, exit: ProcessExit) {
        self.exit.send_replace(Some(exit));
    }

    /// It and all that came from it: its descendants, its session, and whoever bears its
    /// marker. All of them are descendants of this agent, the orphans' reaper, so none
    /// can be a stranger.
    pub(crate) fn tree(&self, snapshot: &Snapshot) -> Vec<Process> {
        let is_leader = |process: &Process| {
            process.pid == self.pid
                && self
                    .started
                    .is_none_or(|started| started == process.started)
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
}

/// Why `exec` failed, in terms of what the caller wrote.
fn why(program: &Path, cwd: &Path, error: &io::Error) -> String {
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
