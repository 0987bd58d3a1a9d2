//! Serves one test session: processes, readiness, logs and port leases.
//!
//! The conversation is [`dyno_wire::agent`]'s. The agent is one process with one thread
//! that matters, the main one, from which it starts everything: `PR_SET_PDEATHSIG` goes
//! by thread. It is the subreaper of all that it starts, so nothing can leave its tree,
//! and when the session ends by whatever road, the tree is killed.
//!
//! When to call a process ready (`readiness`), which line matches (`scan`) and which
//! port comes next (`ports`) is decided by code that does no I/O.

mod check;
mod error;
mod http;
mod log_file;
mod ports;
mod process;
mod readiness;
mod scan;
mod serve;
mod session;
mod stop;
mod wait;
mod watch;

pub use error::AgentError;
pub use serve::serve;
