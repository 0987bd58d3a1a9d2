//! What can be found out about the end of a worker.

use crate::crash_log;
use crate::oom::OomCounts;
use crate::server_logs;
use crate::workers::{Killed, Noted, Remains};
use dyno_model::{Phase, ProcessExit, Secrets, WorkerId};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};

/// Looks at what workers leave behind.
#[derive(Debug)]
pub(crate) struct Deaths {
    logs: PathBuf,
    secrets: Secrets,
    oom_counts: OomCounts,
}

impl Deaths {
    /// `logs` is the folder of the run's logs; what they hold of `secrets` is not told.
    pub(crate) fn new(logs: PathBuf, secrets: Secrets) -> Self {
        Self {
            logs,
            secrets,
            oom_counts: OomCounts::find(),
        }
    }

    /// What is to be known before it is said that a worker ended. Who killed it is looked for
    /// where it was killed, and not by this process (`is_ours`).
    pub(crate) fn of(
        &mut self,
        worker: WorkerId,
        exit: ProcessExit,
        peak_kib: u64,
        is_ours: bool,
    ) -> Remains {
        let file = |kind: &str| self.logs.join(format!("{worker}.{kind}"));
        // Those of a fatal signal, else those of a test that took too long.
        let last_words = ["crash", "stacks"].map(|kind| crash_log::take(&file(kind)));
        // Looked at for each, so that a count is this one's.
        let out_of_memory = self.oom_counts.rose();
        let by_kill = !is_ours && exit == ProcessExit::Signal(Signal::KILL.as_raw());
        Remains {
            last_words: last_words.into_iter().flatten().next(),
            noted: noted_in(&file("phase")),
            killed: by_kill.then_some(Killed {
                out_of_memory,
                peak_kib,
            }),
            server_logs: server_logs::take(&file("servers"), &self.secrets),
        }
    }
}

/// What a worker noted in a file before its end: the first letter of a phase, and how many
/// tests it had started, counted round a byte.
fn noted_in(path: &Path) -> Option<Noted> {
    let noted = fs::read(path).ok()?;
    let _ = fs::remove_file(path);
    let &[letter, starts] = noted.as_slice() else {
        return None;
    };
    let phase = match letter {
        b's' => Phase::Setup,
        b'c' => Phase::Call,
        b't' => Phase::Teardown,
        _ => return None,
    };
    Some(Noted { phase, starts })
}
