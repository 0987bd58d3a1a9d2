//! What is said of dyno's own processes: those that ended before their work did, those that
//! were not forked, and what they had of the machine.

use crate::canvas::{Canvas, Ink};
use crate::fresh_workers::FreshWorkers;
use crate::leaks;
use crate::limits::LimitNews;
use crate::losses;
use crate::memory;
use crate::walls;
use dyno_model::{Event, Leaked, Memory, MissingWall, ProcessExit, WorkerFailure, WorkerId};

/// The templates and workers of a run.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    lost: Vec<(WorkerId, ProcessExit, WorkerFailure)>,
    lost_templates: Vec<String>,
    fresh: FreshWorkers,
    memory: Vec<Memory>,
    missing_walls: Vec<MissingWall>,
    leaks: Vec<Leaked>,
    limits: LimitNews,
}

impl Processes {
    /// Takes an event of one. What is lost is said at once.
    pub(crate) fn take(&mut self, event: &Event, canvas: &mut Canvas) {
        match event {
            Event::WorkerStarted {
                worker, hazards, ..
            } => self.fresh.started(*worker, hazards),
            Event::WorkerEnded {
                worker,
                exit,
                failure,
                memory,
            } => {
                self.memory.extend(memory);
                if let Some(failure @ WorkerFailure { test: None, .. }) = failure {
                    canvas.start_line();
                    let line = format!("[{worker}] worker ended by {exit} between two tests");
                    canvas.line(&line, &[Ink::Red]);
                    self.lost.push((*worker, *exit, failure.clone()));
                }
            }
            Event::TemplateLost { exit, suspects } => {
                let text = losses::template(*exit, suspects);
                canvas.start_line();
                canvas.line(&format!("dyno: {text}"), &[Ink::Yellow]);
                self.lost_templates.push(text);
            }
            Event::Leaked { leaks, .. } => self.leaks.extend(leaks.iter().cloned()),
            Event::LimitsMissing { limits } => self.limits.miss(limits),
            Event::Used {
                tests,
                limits,
                usage,
                ..
            } => self.limits.used(tests, *limits, usage),
            Event::WallsMissing { walls } => self.missing_walls.clone_from(walls),
            _ => {}
        }
    }

    /// The sections about them.
    pub(crate) fn show(&self, verbosity: i32, canvas: &mut Canvas) {
        losses::workers(&self.lost, canvas);
        losses::templates(&self.lost_templates, canvas);
        self.fresh.show(canvas);
        walls::show(&self.missing_walls, canvas);
        self.limits.show(canvas);
        leaks::show(&self.leaks, canvas);
        if verbosity > 0 {
            memory::show(&self.memory, canvas);
        }
    }
}
