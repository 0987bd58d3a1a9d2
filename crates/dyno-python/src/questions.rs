//! Questions that are asked from outside.

use crate::evaluate::Evaluator;
use crate::{Module, SyntaxProblem, Value, World};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// A module that the world keeps only as long as it is looked at, unless it is imported.
///
/// Values that hold the module (its functions, its classes) keep its text alive beyond
/// that; what the world settled about it is gone, and would be settled anew.
#[derive(Debug)]
pub struct Reading<'w, 'f> {
    world: &'w World<'f>,
    module: Arc<Module>,
    is_kept: bool,
}

impl Deref for Reading<'_, '_> {
    type Target = Arc<Module>;
    fn deref(&self) -> &Arc<Module> {
        &self.module
    }
}

impl Drop for Reading<'_, '_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.world.memory.forget(self.module.id());
        }
    }
}

impl<'f> World<'f> {
    /// Reads a module without keeping it, if it was not loaded before. A module that
    /// imports it afterwards sees another reading of the same text, which is equal.
    pub fn read(&self, path: &Path) -> Result<Reading<'_, 'f>, SyntaxProblem> {
        let (loaded, is_kept) = match self.loaded_already(path) {
            Some(loaded) => (loaded, true),
            None => (self.parse(path), false),
        };
        Ok(Reading {
            world: self,
            module: loaded?,
            is_kept,
        })
    }

    /// What calling something of the project, or a function that everyone knows, gives.
    pub fn call(&self, function: &Value, arguments: &[Value]) -> Value {
        Evaluator::new(self).apply(function, arguments)
    }
}
