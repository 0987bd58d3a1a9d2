//! The templates that share the import with the first.

use super::{Effect, Leave, Machine, State};
use dyno_model::{ExitCode, Item, ProcessExit, TemplateId, WorkerId};
use dyno_wire::template::{Part, TestPlace, ToTemplate};
use std::collections::{BTreeMap, BTreeSet};

/// What has come of each template's part. Empty where one template imports everything.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    first: Option<Part>,
    others: BTreeMap<TemplateId, Sibling>,
    told: bool,
}

#[derive(Debug)]
enum Sibling {
    Collecting,
    Collected(Part),
    /// It ended before its time, with the exit code that it gave.
    Lost(Option<u8>),
}

impl Siblings {
    /// This many may be forked.
    pub(super) fn expect(&mut self, count: u32) {
        let ids = (1..=count).map(TemplateId);
        self.others = ids.map(|id| (id, Sibling::Collecting)).collect();
    }

    /// Siblings that are there.
    pub(super) fn live(&self) -> impl Iterator<Item = TemplateId> + use<'_> {
        let is_live = |sibling: &Sibling| !matches!(sibling, Sibling::Lost(_));
        let others = self.others.iter();
        others
            .filter(move |(_, sibling)| is_live(sibling))
            .map(|(id, _)| *id)
    }

    /// How a sibling was lost, if one was.
    fn lost(&self) -> Option<(TemplateId, Option<u8>)> {
        self.others.iter().find_map(|(id, sibling)| match sibling {
            Sibling::Lost(code) => Some((*id, *code)),
            _ => None,
        })
    }

    /// Whether each has come to an end of its collection.
    fn is_complete(&self) -> bool {
        let collecting = |sibling: &Sibling| matches!(sibling, Sibling::Collecting);
        self.first.is_some() && !self.others.values().any(collecting)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.others.values().filter_map(|sibling| match sibling {
            Sibling::Collected(part) => Some(part),
            _ => None,
        })
    }

    /// The siblings' tests, in the order of their ids, and how many they deselected.
    pub(super) fn take_items(&mut self) -> (Vec<Vec<Item>>, u64) {
        let mut items = Vec::new();
        let mut deselected = 0;
        for sibling in self.others.values_mut() {
            if let Sibling::Collected(part) = sibling {
                deselected += part.deselected;
                items.push(std::mem::take(&mut part.items));
            } else {
                items.push(Vec::new());
            }
        }
        (items, deselected)
    }

    /// What each template is told of the others.
    fn others(&self) -> Vec<(TemplateId, ToTemplate)> {
        let mut modules = Vec::new();
        let mut seen = BTreeSet::new();
        for part in self.first.iter().chain(self.parts()) {
            modules.extend(
                part.modules
                    .iter()
                    .filter(|name| seen.insert(*name))
                    .cloned(),
            );
        }
        let place = |item: &Item| TestPlace {
            id: item.id.clone(),
            location: item.location.clone(),
        };
        let first = ToTemplate::Others {
            modules: modules.clone(),
            tests: self
                .parts()
                .flat_map(|part| part.items.iter().map(place))
                .collect(),
            deselected: self.parts().map(|part| part.deselected).sum(),
            reports: self
                .parts()
                .flat_map(|part| part.reports.iter().cloned())
                .collect(),
        };
        let others = self.live().map(|id| {
            let message = ToTemplate::Others {
                modules: modules.clone(),
                tests: Vec::new(),
                deselected: 0,
                reports: Vec::new(),
            };
            (id, message)
        });
        [(TemplateId::FIRST, first)]
            .into_iter()
            .chain(others)
            .collect()
    }
}

impl Machine {
    /// Siblings will be offered to the template.
    pub(crate) fn expect_siblings(&mut self, count: u32) {
        self.siblings.expect(count);
    }

    pub(super) fn alone(&mut self) {
        self.siblings = Siblings::default();
    }

    pub(super) fn part(&mut self, template: TemplateId, part: Part, effects: &mut Vec<Effect>) {
        if template == TemplateId::FIRST {
            self.siblings.first = Some(part);
        } else if let Some(sibling) = self.siblings.others.get_mut(&template) {
            *sibling = Sibling::Collected(part);
        }
        self.tell_others(effects);
    }

    fn tell_others(&mut self, effects: &mut Vec<Effect>) {
        if self.siblings.is_complete() && !self.siblings.told {
            self.siblings.told = true;
            let others = self.siblings.others().into_iter();
            effects.extend(others.map(|(id, message)| Effect::ToTemplate(id, message)));
        }
    }

    /// A sibling ended, or its socket did, which may be heard twice. The first template is
    /// told of what is there: it may have met the same trouble, and words for it.
    pub(super) fn sibling_ended(
        &mut self,
        template: TemplateId,
        code: Option<u8>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(sibling) = self.siblings.others.get_mut(&template) else {
            return;
        };
        if matches!(sibling, Sibling::Lost(_)) || self.state == State::Ending {
            return;
        }
        *sibling = Sibling::Lost(code);
        if self.state == State::Running {
            // One takes the place of all. The keeper says how its workers end.
            self.siblings = Siblings::default();
            effects.push(Effect::KillTemplate);
        } else {
            self.tell_others(effects);
        }
    }

    /// Nobody will say how a worker ended; what it said before is still read.
    pub(super) fn orphaned(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        if let Some(state) = self.workers.get_mut(worker) {
            state.exit.get_or_insert(ProcessExit::Unknown);
        }
        self.settle(worker, effects);
    }

    /// Ends the run if a sibling was lost while it collected.
    pub(super) fn is_whole(&mut self, effects: &mut Vec<Effect>) -> bool {
        if self.siblings.lost().is_none() {
            return true;
        }
        self.say_lost(effects);
        self.end(Leave::Killed, effects);
        false
    }

    fn say_lost(&mut self, effects: &mut Vec<Effect>) {
        let Some((TemplateId(number), code)) = self.siblings.lost() else {
            return;
        };
        let how = match code {
            Some(code) => format!("ended with exit code {code}"),
            None => "died".to_owned(),
        };
        let message = format!(
            "template {number}, which shares the import of the test files, {how}\n\
             hint: what it said last stands above; --import-all imports in one process"
        );
        let code = code.map_or(ExitCode::InternalError, ExitCode::from);
        let code = match code {
            ExitCode::Ok => ExitCode::InternalError,
            code => code,
        };
        self.fail(message, code, effects);
    }
}
