//! What templates are told before they collect.

use super::Driver;
use crate::host::Host;
use crate::{Imports, RunError, spawn};
use dyno_model::{Stamped, TemplateId};
use dyno_wire::template::ToTemplate;

impl<F: FnMut(&Stamped)> Driver<'_, F> {
    /// Tells the first template how to collect, and hands it the sockets of its siblings.
    /// Gives their number.
    pub(super) fn collect(&mut self, imports: Imports) -> Result<u32, RunError> {
        let Imports {
            prune,
            record,
            share,
        } = imports;
        let siblings = share.as_ref().map_or(0, |share| share.siblings);
        self.prune.clone_from(&prune);
        let collect = ToTemplate::Collect {
            prune,
            record,
            share,
            input: self.input,
        };
        self.host.tell(TemplateId::FIRST, &collect, Vec::new())?;
        self.host.add_siblings(siblings, &self.inbox)?;
        Ok(siblings)
    }

    /// Starts another template, which imports all that the first ones shared.
    pub(super) fn replace_template(&mut self) -> Result<(), RunError> {
        let template = spawn::template(self.request)?;
        let host = Host::connect(template, &self.inbox).map_err(RunError::Runtime)?;
        let mut lost = std::mem::replace(&mut self.host, host);
        lost.drop_siblings();
        self.lost_hosts.push(lost);
        let collect = ToTemplate::Collect {
            prune: self.prune.clone(),
            record: false,
            share: None,
            input: self.input,
        };
        Ok(self.host.tell(TemplateId::FIRST, &collect, Vec::new())?)
    }
}
