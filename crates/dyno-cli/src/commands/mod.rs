//! One file a command.

pub(crate) mod agent;
pub(crate) mod keeper;
pub(crate) mod models;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod test;
