//! Starts the template, or a collector, under a keeper.
//!
//! The keeper is this same executable (`dyno keeper`). It holds one end of a socket, the
//! lifeline, whose other end only the runner holds: when the runner ends, by any road,
//! the kernel closes it, and the keeper kills everything that the run started. Over it the
//! keeper of a template tells which orphans ended ([`crate::lifeline`]).

use crate::terminal;
use crate::{RunError, RunRequest};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::FdFlags;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process;
use tokio::process::{Child, Command};

const BOOT: &str = include_str!("boot.py");

/// Starts the template of a run.
pub(crate) fn template(request: &RunRequest) -> Result<Template, RunError> {
    spawn(&Launch {
        role: Role::Template,
        dyno: request.dyno.clone(),
        python: request.python.clone(),
        cwd: None,
        pytest_args: &request.settings.pytest_args,
        run_folder: Some(request.run_folder.clone()),
        models: (request.settings.models_dir.as_ref()).map(|folder| request.cwd.join(folder)),
        stdio: terminal::stdio(request),
    })
    .map_err(|source| RunError::Spawn {
        what: request.dyno.clone(),
        source,
    })
}

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) role: Role,
    /// The `dyno` executable.
    pub(crate) dyno: PathBuf,
    pub(crate) python: PathBuf,
    /// Where to start it; absent for where this process is.
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) pytest_args: &'a [OsString],
    pub(crate) run_folder: Option<PathBuf>,
    /// The Hub's cache, where it is not that of the environment.
    pub(crate) models: Option<PathBuf>,
    pub(crate) stdio: Stdio,
}

/// What the interpreter is to be: a module of the Python package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Template,
    Collector,
}

impl Role {
    fn module(self) -> &'static str {
        match self {
            Self::Template => "dyno.template",
            Self::Collector => "dyno.collector",
        }
    }
}

/// What becomes of its standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdio {
    /// They are this process's, and it keeps the terminal's foreground process group.
    Foreground,
    /// Output is this process's; there is nothing to read.
    Background,
    /// They are this process's, and standard input is no terminal.
    Reading,
    /// Output is kept; there is nothing to read.
    Kept,
}

/// A started template or collector.
pub(crate) struct Template {
    pub(crate) keeper: Child,
    pub(crate) socket: UnixStream,
    /// Dropping it kills everything under the keeper.
    pub(crate) lifeline: UnixStream,
}

pub(crate) fn spawn(launch: &Launch<'_>) -> io::Result<Template> {
    let (socket, theirs) = UnixStream::pair()?;
    let (their_lifeline, lifeline) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let their_lifeline = OwnedFd::from(their_lifeline);
    let mut command = Command::new(&launch.dyno);
    command.arg("keeper").arg("--lifeline");
    command.arg(their_lifeline.as_raw_fd().to_string());
    if launch.role == Role::Template {
        command.arg("--orphans-live-on");
    }
    if launch.stdio == Stdio::Foreground {
        command.arg("--foreground");
    } else {
        // Whoever kills this process's group (`timeout`, a supervisor) leaves the keeper to do
        // its work.
        command.process_group(0);
    }
    if !matches!(launch.stdio, Stdio::Foreground | Stdio::Reading) {
        // A process in the background that reads the terminal is stopped, and waits for ever.
        command.stdin(process::Stdio::null());
    }
    if launch.stdio == Stdio::Kept {
        command.stdout(process::Stdio::piped());
        command.stderr(process::Stdio::piped());
    }
    command.arg("--").arg(&launch.python).args(["-c", BOOT]);
    command.arg(theirs.as_raw_fd().to_string());
    command.arg(launch.python.parent().unwrap_or(&launch.python));
    command.arg(launch.role.module());
    command.args(launch.pytest_args);
    if let Some(folder) = &launch.cwd {
        command.current_dir(folder);
    }
    if let Some(folder) = &launch.run_folder {
        command.env("DYNO_RUN_DIR", folder);
    }
    if let Some(folder) = &launch.models {
        command.env("HF_HUB_CACHE", folder);
    }
    command.env("DYNO_BINARY", &launch.dyno);
    inherit(&mut command, [theirs, their_lifeline]);
    let keeper = command.spawn()?;
    // The command owns the child's ends, and with it they close here.
    drop(command);
    Ok(Template {
        keeper,
        socket,
        lifeline,
    })
}

/// Lets a command have these descriptors, by the numbers that they have here.
pub(crate) fn inherit<const N: usize>(command: &mut Command, descriptors: [OwnedFd; N]) {
    // SAFETY: between fork and exec the closure only calls fcntl, which is
    // async-signal-safe, on descriptors that it owns; it allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for descriptor in &descriptors {
                rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
            }
            Ok(())
        });
    }
}
