//! Waits for readiness: the machine's attempts, their times, the verdict.

mod machine;

use crate::error::CallError;
use crate::probe::Check;
use crate::process::Running;
use machine::{Action, Event, Readiness, Verdict};
pub(crate) use machine::{OnExit, Sight};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// The longest wait that can be asked for: some clients say "for ever" with numbers that
/// no clock can hold.
const MOST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time so far from now.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(MOST_WAIT)
}

/// Waits until every check is met; what each of them saw.
pub(crate) async fn wait_for(
    process: &Rc<Running>,
    checks: &[Rc<Check>],
    timeout: Duration,
    on_exit: OnExit,
) -> Result<Vec<String>, CallError> {
    let deadline = deadline(timeout);
    let mut drive = Drive {
        attempts: JoinSet::new(),
        latest: vec![0; checks.len()],
        checks: checks.to_vec(),
    };
    let mut machine = Readiness::new(drive.checks.len(), deadline, on_exit);
    let mut events = vec![];
    if let Some(exit) = process.exit() {
        events.push(Event::Exited(exit));
    }
    events.push(Event::Begin);
    let mut told = process.exit().is_some();
    loop {
        for event in std::mem::take(&mut events) {
            for action in machine.step(Instant::now(), event) {
                match action {
                    Action::Attempt(probe, at) => drive.attempt(probe, at),
                    Action::End(verdict) => {
                        return conclude(process, &drive.checks, timeout, verdict);
                    }
                }
            }
        }
        tokio::select! {
            biased;
            exit = process.ended(), if !told => {
                told = true;
                events.push(Event::Exited(exit));
            }
            Some(ended) = drive.attempts.join_next(), if !drive.attempts.is_empty() => {
                // What a dead process's port or log shows is seen after its death.
                if let (false, Some(exit)) = (told, process.exit()) {
                    told = true;
                    events.push(Event::Exited(exit));
                }
                // An attempt that a newer one replaced says nothing.
                if let Ok((probe, number, sight)) = ended
                    && drive.latest[probe] == number
                {
                    events.push(Event::Seen(probe, sight));
                }
            }
            () = sleep_until(deadline.into()) => events.push(Event::Woke),
        }
    }
}

/// The attempts that are on the way.
struct Drive {
    checks: Vec<Rc<Check>>,
    attempts: JoinSet<(usize, u64, Sight)>,
    latest: Vec<u64>,
}

impl Drive {
    fn attempt(&mut self, probe: usize, at: Instant) {
        self.latest[probe] += 1;
        let (check, number) = (Rc::clone(&self.checks[probe]), self.latest[probe]);
        self.attempts.spawn_local(async move {
            sleep_until(at.into()).await;
            (probe, number, check.attempt().await)
        });
    }
}

fn conclude(
    process: &Running,
    checks: &[Rc<Check>],
    timeout: Duration,
    verdict: Verdict,
) -> Result<Vec<String>, CallError> {
    let name = process.name();
    let tail = Some(process.error_tail());
    match verdict {
        Verdict::Ready(seen) => Ok(seen),
        Verdict::Exited(exit) => Err(CallError::Process {
            message: format!("{name:?} ended before it was ready: {exit}"),
            exit: Some(exit),
            tail,
        }),
        Verdict::TimedOut(unmet) => {
            let unmet = unmet.into_iter().map(|(probe, last)| {
                let last = last.unwrap_or_else(|| "its first try has not ended".to_owned());
                format!("{} is not met ({last})", checks[probe].name())
            });
            let message = format!(
                "{name:?} is not ready after {} s: {}",
                timeout.as_secs_f64(),
                unmet.collect::<Vec<_>>().join("; ")
            );
            Err(CallError::Timeout { message, tail })
        }
    }
}
