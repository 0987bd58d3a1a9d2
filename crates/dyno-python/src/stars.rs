//! Star imports: from which module a name comes.

use crate::world::{Found, World};
use crate::{Module, Reason, Star, Value};
use std::sync::Arc;

/// How deeply star imports are followed.
pub(crate) const DEPTH: u32 = 20;

impl World<'_> {
    /// The module from which a star import takes a name.
    pub(crate) fn star(
        &self,
        importer: &Module,
        star: &Star<'_>,
        name: &str,
    ) -> Result<Option<Arc<Module>>, Reason> {
        self.star_within(importer, star, name, DEPTH)
    }

    fn star_within(
        &self,
        importer: &Module,
        star: &Star<'_>,
        name: &str,
        left: u32,
    ) -> Result<Option<Arc<Module>>, Reason> {
        let from = match self.find(importer, star.level, star.module) {
            Found::Module(from) if left > 0 => from,
            Found::Namespace(_) => return Ok(None),
            found => {
                let text = format!("`{name}` may come from `*` of {}", found.why(star.module));
                return Err(Reason::new(text, importer, star.offset));
            }
        };
        if let Some(all) = self.all_of(&from) {
            return all.map(|all| all.iter().any(|one| &**one == name).then_some(from));
        }
        if name.starts_with('_') {
            return Ok(None);
        }
        if from.scope().of(name).next().is_some() {
            return Ok(Some(from));
        }
        for inner in from.scope().stars() {
            if self.star_within(&from, inner, name, left - 1)?.is_some() {
                return Ok(Some(from));
            }
        }
        Ok(None)
    }

    /// `__all__`, where the module has one.
    fn all_of(&self, module: &Arc<Module>) -> Option<Result<Vec<Arc<str>>, Reason>> {
        module.scope().of("__all__").next()?;
        let text = || Reason::new("`__all__` is not settled", module, 0);
        Some(match self.resolve(module, "__all__") {
            Value::List(items) | Value::Tuple(items) => items
                .iter()
                .map(|item| match item {
                    Value::Str(name) => Ok(name.clone()),
                    _ => Err(text()),
                })
                .collect(),
            Value::Unknown(reason) => Err(reason),
            _ => Err(text()),
        })
    }

    pub(crate) fn star_module(&self, importer: &Module, star: &Star<'_>) -> Found {
        self.find(importer, star.level, star.module)
    }

    pub(crate) fn star_all(&self, module: &Arc<Module>) -> Option<Result<Vec<Arc<str>>, Reason>> {
        self.all_of(module)
    }
}
