//! The tests of one module, as `Module.collect` and `Class.collect` find them.

mod classes;
mod decorators;
mod fixtures;
mod function;
mod import_errors;
mod lineage;
mod names;
mod object;
mod skips;
mod test_case;
mod walk;

pub(crate) use fixtures::plugin_module_fixtures;
pub(crate) use import_errors::import_error;
pub(crate) use names::matches;
pub(crate) use object::{Object, of_module};
pub(crate) use skips::Skips;
pub(crate) use walk::{Suite, collect, relative, unknown};
