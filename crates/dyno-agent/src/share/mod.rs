//! Services that several clients share, and the way to them through walls.

mod forward;
mod services;

pub(crate) use forward::{Forwards, lead_to};
pub(crate) use services::{Claim, Published, Services};
