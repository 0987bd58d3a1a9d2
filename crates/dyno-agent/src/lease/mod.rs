//! What one session has and no other at the same time: ports and named tokens.

mod ports;
mod tokens;

pub(crate) use ports::{Lease, PortError, Ports};
pub(crate) use tokens::{Token, TokenError, Tokens};
