//! The control groups of a run's sandboxes.

use dyno_model::{LimitKind, Limits, MissingLimit, RunId, WorkerId};
use dyno_sandbox::cgroup::{Group, Maker, Need, Site};

/// Where they are made, which is looked for when the first is wanted.
pub(crate) struct Groups {
    maker: Maker,
    needs: Vec<Need>,
    site: Option<Site>,
    /// What the kernel said when one could not be made.
    why_none: Option<String>,
    /// Limits that are known not to hold.
    told: Vec<LimitKind>,
}

impl Groups {
    /// Those of a run in which numbers of processes are limited, or not.
    pub(crate) fn of_run(run: &RunId, limit_processes: bool) -> Self {
        let mut needs = vec![Need::Memory, Need::Time];
        // Each tree costs a move of each process that goes there.
        if limit_processes {
            needs.push(Need::Processes);
        }
        Self {
            maker: Maker::this(run.as_str()),
            needs,
            site: None,
            why_none: None,
            told: Vec::new(),
        }
    }

    /// The group of a worker, which is not made yet; `None` where there can be none.
    pub(super) fn of(&mut self, worker: WorkerId) -> Option<Group> {
        if self.why_none.is_some() {
            return None;
        }
        let find = || Site::find(self.maker.clone(), &self.needs);
        let site = self.site.get_or_insert_with(find);
        site.group(&worker.to_string())
    }

    /// None could be made, which will not change.
    pub(super) fn cannot_be_made(&mut self, why: String) {
        self.why_none.get_or_insert(why);
    }

    /// Sets limits. Gives those that cannot be held, if that was not told before.
    pub(super) fn limit(&mut self, group: Option<&Group>, limits: &Limits) -> Vec<MissingLimit> {
        let nowhere = Group::at(Vec::new());
        let mut missing = group.unwrap_or(&nowhere).limit(limits);
        missing.retain(|missing| !self.told.contains(&missing.limit));
        self.told
            .extend(missing.iter().map(|missing| missing.limit));
        for MissingLimit { limit, why } in &mut missing {
            let need = match limit {
                LimitKind::Memory => Need::Memory,
                LimitKind::Processes => Need::Processes,
            };
            let mut lacks = self.site.iter().flat_map(Site::lacks);
            let lack = lacks.find(|lack| lack.need == need);
            if let Some(known) = self.why_none.as_ref().or(lack.map(|lack| &lack.why)) {
                why.clone_from(known);
            }
        }
        missing
    }

    /// Removes all that are left.
    pub(super) fn close(self) {
        if let Some(site) = self.site {
            site.close();
        }
    }
}
