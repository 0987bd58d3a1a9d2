//! Star imports: from which module a name comes.

use crate::evaluate::Evaluator;
use crate::world::{Found, World};
use crate::{Module, Reason, Star, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// How deeply star imports are followed.
pub(crate) const DEPTH: usize = 20;

/// One search for a name through star imports.
struct Search<'n> {
    name: &'n str,
    /// The modules whose star imports are being followed.
    path: Vec<u64>,
    /// Modules that do not have it.
    without: HashSet<u64>,
}

impl World<'_> {
    /// The module from which a star import takes a name.
    pub(crate) fn star(
        &self,
        evaluator: &mut Evaluator<'_, '_>,
        importer: &Module,
        star: &Star<'_>,
        name: &str,
    ) -> Result<Option<Arc<Module>>, Reason> {
        let mut search = Search {
            name,
            path: Vec::new(),
            without: HashSet::new(),
        };
        self.star_within(evaluator, &mut search, importer, star)
    }

    fn star_within(
        &self,
        evaluator: &mut Evaluator<'_, '_>,
        search: &mut Search<'_>,
        importer: &Module,
        star: &Star<'_>,
    ) -> Result<Option<Arc<Module>>, Reason> {
        let doubt = |why: &str| {
            let text = format!("`{}` may come from `*` of {why}", search.name);
            Err(Reason::new(text, importer, star.offset))
        };
        let from = match self.find(importer, star.level, star.module) {
            Found::Module(from) if search.path.len() < DEPTH => from,
            Found::Namespace(_) => return Ok(None),
            found => return doubt(&found.why(star.module)),
        };
        // What such an import brings depends on which of them is imported first.
        if from.id() == importer.id() || search.path.contains(&from.id()) {
            return doubt(&format!("{}, in a circle", from.file));
        }
        if !evaluator.spend(1) {
            return doubt(&format!("{}, which takes too long to work out", from.file));
        }
        if search.without.contains(&from.id()) {
            return Ok(None);
        }
        if let Some(all) = evaluator.all_of(&from) {
            return all.map(|all| all.iter().any(|one| &**one == search.name).then_some(from));
        }
        if search.name.starts_with('_') {
            return Ok(None);
        }
        if from.scope().of(search.name).next().is_some() {
            return Ok(Some(from));
        }
        search.path.push(importer.id());
        for inner in from.scope().stars() {
            if (self.star_within(evaluator, search, &from, inner)?).is_some() {
                return Ok(Some(from));
            }
        }
        search.path.pop();
        search.without.insert(from.id());
        Ok(None)
    }

    pub(crate) fn star_module(&self, importer: &Module, star: &Star<'_>) -> Found {
        self.find(importer, star.level, star.module)
    }

    pub(crate) fn star_all(&self, module: &Arc<Module>) -> Option<Result<Vec<Arc<str>>, Reason>> {
        Evaluator::new(self).all_of(module)
    }
}

impl Evaluator<'_, '_> {
    /// `__all__`, where the module has one.
    fn all_of(&mut self, module: &Arc<Module>) -> Option<Result<Vec<Arc<str>>, Reason>> {
        module.scope().of("__all__").next()?;
        let text = || Reason::new("`__all__` is not settled", module, 0);
        Some(match self.global(module, "__all__", u32::MAX, 0) {
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
}
