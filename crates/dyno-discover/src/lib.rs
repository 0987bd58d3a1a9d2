//! Python text to test tree, by pytest's rules.
//!
//! [`Project::open`] lays a project out and reads its conftests and hooks;
//! [`Project::tell`] says what the text of one file tells. Nothing is imported and nothing
//! is guessed: what the text does not settle is a [`dyno_model::Unknown`] with its reason.

mod apart;
mod elsewhere;
pub mod fixture;
mod further_plugins;
pub mod hooks;
mod ignores;
mod import_trouble;
mod installed;
pub mod layout;
pub mod mark;
mod module;
mod objects;
pub mod order;
pub mod parametrize;
mod project;
pub mod rules;

pub use apart::Apart;
pub use elsewhere::crossings;
pub use project::{CHECKED, Project, Told};

pub mod changed;
