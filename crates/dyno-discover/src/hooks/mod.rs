//! What hooks of conftests and plugins do to collection, as far as their text tells.

mod body;
mod effect;
mod generates;
mod ignore;
mod known;
mod mention;
mod methods;
mod reach;
mod read;

pub use effect::{AnyioMode, Effect, FileHooks, Hooks, Kind};
pub(crate) use read::{conftest_hooks, plugin_hooks};

#[cfg(test)]
mod tests;
