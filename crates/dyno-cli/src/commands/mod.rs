//! One file a command.

pub(crate) mod agent;
pub(crate) mod keeper;
pub(crate) mod models;
