//! What can go wrong here.

use std::io;
use std::path::{Path, PathBuf};

/// Why a process tree could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A descriptor that was named on the command line is not open.
    #[error("file descriptor {0} is not open: it must be inherited from the starting process")]
    NotOpen(i32),
    /// The command could not be started.
    #[error("cannot start {program:?}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file or folder of a control group refused.
    #[error("cannot {verb} {path}: {source}", path = path.display())]
    Group {
        /// What was to be done.
        verb: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no control group at all.
    #[error("there is no control group")]
    NoGroup,
    /// A process that was to be stopped.
    #[error("process {0} was sent SIGSTOP and goes on")]
    GoesOn(i32),
    /// A process that was to be let in.
    #[error("process {0} is not behind the walls")]
    Outside(i32),
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SandboxError {
    /// Names what could not be done with a file of a control group.
    pub(crate) fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Group { verb, path, source }
    }

    /// Names what was being done when a system call failed.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}
