//! Which files pytest would collect, in which order, with which conftests.
//!
//! Follows `Session.perform_collect`, `Session.collect`, `Dir.collect` and
//! `Package.collect` of pytest 8.0 to 9.2, and the loading of conftests in
//! `PytestPluginManager`. Nothing is parsed here: what a conftest says of
//! `collect_ignore` is asked of the caller.

mod arguments;
mod conftests;
mod identity;
mod imported;
mod imports;
mod patterns;
mod rules;
mod session;
mod tree;
mod types;

pub use types::{
    CollectIgnore, FileRole, FolderNode, IgnoreList, Layout, LayoutFile, ModuleName, Problem,
    Wanted,
};

use dyno_model::{Doubt, Files, PytestConfig, Unknown};
use session::Session;
use std::path::Path;

/// Lays out what pytest would collect by `config`.
///
/// `ignored` says what the conftest at a path gives as `collect_ignore` and
/// `collect_ignore_glob`; it is asked once for each conftest that is looked at.
pub fn layout(
    config: &PytestConfig,
    files: &dyn Files,
    ignored: &dyn Fn(&Path) -> CollectIgnore,
) -> Layout {
    Session::new(config, files, ignored).collect()
}

/// A doubt whether what is at a place is collected.
fn existence(reason: &str, place: &str) -> Unknown {
    Unknown {
        at: place.to_owned(),
        ..Unknown::new(Doubt::Existence, reason)
    }
}
