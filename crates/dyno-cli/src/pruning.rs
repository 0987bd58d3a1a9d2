//! What `dyno test` leaves out of the import, and what it keeps for the next run.

use crate::pytest::RealPytest;
use dyno_collect::{Disk, Imports, Request, Settle, imports, keep};
use dyno_config::Settings;
use dyno_model::RealCollection;
use dyno_runner::PrunedFile;
use std::path::Path;
use std::time::SystemTime;

/// The plan of a run's imports.
#[derive(Default)]
pub(crate) struct Pruning {
    planned: Option<Planned>,
}

struct Planned {
    pytest: RealPytest,
    request: Request,
    imports: Imports,
    at: SystemTime,
}

impl Pruning {
    /// Finds out what need not be imported, if the run selects. Where that cannot be told,
    /// everything is imported: pytest then says what is wrong in its own words.
    pub(crate) fn plan(settings: &Settings, python: &Path, folder: &Path) -> anyhow::Result<Self> {
        if !settings.prune {
            return Ok(Self::default());
        }
        let at = SystemTime::now();
        let pytest = RealPytest::of(python.to_path_buf(), folder.to_path_buf())?;
        let request = pytest.request(&settings.pytest_args, Settle::Nothing, true);
        let planned = imports(&request, &pytest, &Disk::new()).ok();
        Ok(Self {
            planned: planned.map(|imports| Planned {
                pytest,
                request,
                imports,
                at,
            }),
        })
    }

    /// The files that pytest need not import.
    pub(crate) fn files(&self) -> Vec<PrunedFile> {
        let planned = self.planned.iter();
        let files = planned.flat_map(|planned| &planned.imports.unneeded);
        files
            .filter_map(|(path, deselected)| {
                // One whose name is not UTF-8 is imported.
                let path = path.to_str()?.to_owned();
                let deselected = *deselected;
                Some(PrunedFile { path, deselected })
            })
            .collect()
    }

    /// Whether the run's own collection is to be kept.
    pub(crate) fn records(&self) -> bool {
        let planned = self.planned.as_ref();
        planned.is_some_and(|planned| planned.imports.worth_keeping)
    }

    /// Keeps what pytest collected. A cache that cannot be written costs time later, and
    /// nothing now.
    pub(crate) fn keep(&self, collection: RealCollection) {
        if let Some(planned) = &self.planned {
            let Planned {
                pytest,
                request,
                at,
                ..
            } = planned;
            let _ = keep(request, pytest, &Disk::new(), collection, *at);
        }
    }
}
