//! Workers that were interpreters of their own.

use crate::canvas::{Canvas, Ink};
use dyno_model::{Hazard, WorkerId};
use std::collections::BTreeSet;

/// Workers that were not forked, and why.
#[derive(Debug, Default)]
pub(crate) struct FreshWorkers {
    workers: BTreeSet<WorkerId>,
    hazards: BTreeSet<Hazard>,
}

impl FreshWorkers {
    /// A worker was started, whose template held this.
    pub(crate) fn started(&mut self, worker: WorkerId, hazards: &[Hazard]) {
        if !hazards.is_empty() {
            self.workers.insert(worker);
            self.hazards.extend(hazards.iter().cloned());
        }
    }

    /// The section about them.
    pub(crate) fn show(&self, canvas: &mut Canvas) {
        let intro = match self.workers.len() {
            0 => return,
            1 => "one worker was not forked but collected the tests anew".to_owned(),
            workers => format!("{workers} workers were not forked but collected the tests anew"),
        };
        canvas.sep('=', "FRESH INTERPRETERS", &[Ink::Yellow]);
        let why = "after the collection these were there, which a fork does not survive:";
        canvas.line(&format!("{intro}: {why}"), &[]);
        for Hazard { what, why } in &self.hazards {
            canvas.line(&format!("  {what}: {why}"), &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    fn shown(fresh: &FreshWorkers) -> String {
        let mut canvas = Canvas::new(Style::new(80, false));
        fresh.show(&mut canvas);
        canvas.take()
    }

    #[test]
    fn each_reason_is_named_once_and_forks_are_not() {
        let hazard = |what: &str| Hazard {
            what: what.to_owned(),
            why: "it is lost".to_owned(),
        };
        let mut fresh = FreshWorkers::default();
        fresh.started(WorkerId(0), &[]);
        assert_eq!(shown(&fresh), "");
        fresh.started(WorkerId(1), &[hazard("b"), hazard("a")]);
        assert!(shown(&fresh).contains("one worker was not forked"));
        fresh.started(WorkerId(2), &[hazard("a")]);
        let text = shown(&fresh);
        assert!(text.contains("2 workers were not forked"));
        assert!(
            text.ends_with("  a: it is lost\n  b: it is lost\n"),
            "{text}"
        );
    }
}
