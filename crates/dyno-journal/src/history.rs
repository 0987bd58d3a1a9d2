//! What tests took in earlier runs: one small file a project, written anew after each run.
//!
//! It is advice for the plan. One that is missing or broken is an empty one.

use crate::error::JournalError;
use crate::runs::Runs;
use dyno_model::{Bytes, Past, TestId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The version of the file's form.
const VERSION: u32 = 2;

/// More tests than this are kept only if the last run had them: 20 MB of text.
const KEPT_TESTS: usize = 200_000;

/// What earlier runs of a project tell.
#[derive(Debug)]
pub struct History {
    file: PathBuf,
    tests: HashMap<TestId, Past>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    /// By node id: elapsed time and processor time, in microseconds, and memory, in bytes.
    tests: HashMap<TestId, (u64, u64, u64)>,
}

impl History {
    /// What is there of the project whose runs these are.
    pub fn of(runs: &Runs) -> Self {
        let file = runs.history_file();
        let written = fs::read(&file).ok();
        let written = written.and_then(|text| serde_json::from_slice::<Written>(&text).ok());
        let written = written.filter(|written| written.version == VERSION);
        let past = |(test, (elapsed, cpu, memory))| {
            let past = Past {
                elapsed: Duration::from_micros(elapsed),
                cpu: Duration::from_micros(cpu),
                memory: Bytes(memory),
            };
            (test, past)
        };
        Self {
            file,
            tests: written
                .map(|written| written.tests.into_iter().map(past).collect())
                .unwrap_or_default(),
        }
    }

    /// By test.
    pub fn tests(&self) -> &HashMap<TestId, Past> {
        &self.tests
    }

    /// Takes in what a run's tests took, and writes the file. What is new counts as much as
    /// all that was before, so that a test that has become slow is soon known as such.
    pub fn learn(mut self, run: HashMap<TestId, Past>) -> Result<(), JournalError> {
        if run.is_empty() {
            return Ok(());
        }
        if self.tests.len() + run.len() > KEPT_TESTS {
            self.tests.retain(|test, _| run.contains_key(test));
        }
        for (test, new) in run {
            let past = self.tests.entry(test).or_insert(new);
            past.elapsed = (past.elapsed + new.elapsed) / 2;
            past.cpu = (past.cpu + new.cpu) / 2;
            past.memory = Bytes(past.memory.0.midpoint(new.memory.0));
        }
        self.write()
    }

    fn write(&self) -> Result<(), JournalError> {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let row = |(test, past): (&TestId, &Past)| {
            let past = (micros(past.elapsed), micros(past.cpu), past.memory.0);
            (test.clone(), past)
        };
        let written = Written {
            version: VERSION,
            tests: self.tests.iter().map(row).collect(),
        };
        let failed = |source: std::io::Error| JournalError::Io {
            verb: "write",
            path: self.file.clone(),
            source,
        };
        let text = serde_json::to_vec(&written).map_err(|error| failed(error.into()))?;
        let folder = self.file.parent().unwrap_or(&self.file);
        let mut partial = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        partial.write_all(&text).map_err(failed)?;
        partial
            .persist(&self.file)
            .map_err(|error| failed(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(millis: u64) -> Past {
        Past {
            elapsed: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis / 2),
            memory: Bytes(millis * 1000),
        }
    }

    #[test]
    fn what_is_new_counts_as_much_as_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::of(folder.path());
        drop(runs.start().unwrap());
        let test = TestId::new("t.py::a").unwrap();
        for millis in [100, 300] {
            let took = [(test.clone(), took(millis))].into();
            History::of(&runs).learn(took).unwrap();
        }
        let past = History::of(&runs).tests()[&test];
        assert_eq!(past.elapsed, Duration::from_millis(200));
        assert_eq!(past.cpu, Duration::from_millis(100));
        assert_eq!(past.memory, Bytes(200_000));
    }

    #[test]
    fn a_broken_file_is_an_empty_history_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::of(folder.path());
        drop(runs.start().unwrap());
        for text in ["", "{", "{\"version\":99,\"tests\":{}}", "[1]"] {
            fs::write(runs.history_file(), text).unwrap();
            assert!(History::of(&runs).tests().is_empty(), "{text}");
        }
        let test = TestId::new("t.py::a").unwrap();
        History::of(&runs).learn([(test, took(1))].into()).unwrap();
        assert_eq!(History::of(&runs).tests().len(), 1);
    }
}
