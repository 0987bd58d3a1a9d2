//! What can go wrong here.

use std::io;

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
    /// Names what was being done when a system call failed.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}
