//! What `dyno test` imports, in how many processes, and what it keeps for the next run.

use crate::pytest::RealPytest;
use dyno_collect::{Disk, Imports, Request, Settle, Wanted, imports, keep};
use dyno_config::Settings;
use dyno_model::RealCollection;
use dyno_runner::{PrunedFile, Share};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// So many files a template that takes part: fewer are imported in the time that another
/// process takes to get there. Measured with trivial files, 2026-11-22.
const FILES_PER_TEMPLATE: usize = 12;

/// Each template holds what it imports. Beyond this number what they all import weighs more
/// than what they share.
const MOST_TEMPLATES: u32 = 8;

/// The plan of a run's imports.
#[derive(Default)]
pub(crate) struct ImportPlan {
    planned: Option<Planned>,
    templates: u32,
}

struct Planned {
    pytest: RealPytest,
    request: Request,
    imports: Imports,
    at: SystemTime,
}

impl ImportPlan {
    /// Finds out what need not be imported, if the run selects, and what several templates
    /// can share, if there are processors for several. Where that cannot be told, one
    /// imports everything: pytest then says what is wrong in its own words.
    pub(crate) fn make(
        settings: &Settings,
        processors: NonZeroU32,
        python: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let templates = settings.templates(processors).min(MOST_TEMPLATES);
        let wanted = Wanted {
            unneeded: settings.prune,
            shared: templates > 1,
        };
        if !wanted.unneeded && !wanted.shared {
            return Ok(Self::default());
        }
        let at = SystemTime::now();
        let pytest = RealPytest::of(python.to_path_buf(), folder.to_path_buf())?;
        let request = pytest.request(&settings.pytest_args, Settle::Nothing, true);
        let planned = imports(&request, &pytest, &Disk::new(), wanted).ok();
        Ok(Self {
            templates,
            planned: planned.map(|imports| Planned {
                pytest,
                request,
                imports,
                at,
            }),
        })
    }

    /// What the runner is to import.
    pub(crate) fn imports(&self) -> dyno_runner::Imports {
        let Some(planned) = &self.planned else {
            return dyno_runner::Imports::default();
        };
        let unneeded = planned.imports.unneeded.iter();
        dyno_runner::Imports {
            prune: unneeded
                .filter_map(|(path, deselected)| {
                    // One whose name is not UTF-8 is imported.
                    let path = path.to_str()?.to_owned();
                    let deselected = *deselected;
                    Some(PrunedFile { path, deselected })
                })
                .collect(),
            record: planned.imports.worth_keeping,
            share: self.share(&planned.imports),
        }
    }

    fn share(&self, imports: &Imports) -> Option<Share> {
        let worth = u32::try_from(imports.shared.len() / FILES_PER_TEMPLATE).unwrap_or(u32::MAX);
        let siblings = worth.min(self.templates).saturating_sub(1);
        let texts = |paths: &[PathBuf]| {
            let texts = paths.iter().filter_map(|path| path.to_str());
            texts.map(str::to_owned).collect()
        };
        (siblings > 0).then(|| Share {
            siblings,
            files: texts(&imports.shared),
            everywhere: texts(&imports.everywhere),
        })
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
