//! Modules that change what others made: see [`dyno_python::Change`].
//!
//! What a file sees is changed by its conftests, by what these import and by what the file
//! imports. What another test file changes on import counts only if both are collected, in
//! that order; a suite that depends on it cannot run its files alone, and is not followed.

use crate::module::{Suite, unknown};
use dyno_model::{Doubt, Unknown};
use dyno_python::{Closure, Module};
use std::sync::Arc;

/// What a conftest or an imported module changes of a third one, if the file, or another
/// module that it sees, has to do with it.
pub(crate) fn changed_elsewhere(
    suite: &Suite<'_>,
    file: &Arc<Module>,
    closure: &Closure,
) -> Option<Unknown> {
    let others = || {
        let paths = closure.present.iter().filter(|path| **path != file.path);
        paths.filter_map(|path| suite.world.load(path).ok())
    };
    for changer in others() {
        for change in suite.world.changes(&changer).iter() {
            let mut beside = others().filter(|other| other.path != changer.path);
            if change.concerns(file) || beside.any(|other| change.concerns(&other)) {
                let doubt = Doubt::Existence;
                return Some(unknown(suite.config, doubt, &change.reason));
            }
        }
    }
    None
}
