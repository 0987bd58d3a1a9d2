//! Serves one test session: processes, readiness, logs and port leases.
//!
//! The conversation is [`dyno_wire::agent`]'s. The agent is one process with one thread
//! that matters, the main one, from which it starts everything: `PR_SET_PDEATHSIG` goes
//! by thread. It is the subreaper of all that it starts, so nothing can leave its tree,
//! and when the session ends by whatever road, the tree is killed.
//!
//! When to call a process ready (`ready::machine`), which line matches (`log::scan`), which
//! port comes next (`lease::ports`) and who starts a shared service (`share::services`) is
//! decided by code that does no I/O.

mod error;
mod lease;
mod log;
mod probe;
mod process;
mod ready;
mod serve;
mod serve_run;
mod session;
mod share;
mod watch;

pub use error::AgentError;
pub use serve::serve;
pub use serve_run::{RunSockets, serve_run};
