//! How long a worker may take to end.

use crate::machine::Input;
use crate::orphans;
use dyno_model::WorkerId;
use std::fs;
use std::time::Duration;

/// How long a worker may take to end once it has said its last word, and how long a
/// socket may stay open once its worker has ended: the time of an interpreter's exit.
const PERIOD: Duration = Duration::from_secs(10);

/// A worker that computes is not stuck: the last garbage collections of a session that holds
/// 30,000 items took longer than a period with eight processes to a core. After so many
/// periods it is ended all the same.
const MOST_PERIODS: u32 = 12;

/// Clock ticks of CPU in a period, a hundredth of a second each: more than a thread that
/// wakes to look for something uses, a fraction of what a process gets that wants to run.
const AT_WORK: u64 = 10;

/// Waits until the grace of this worker is over, or until it has ended where that is nobody's to
/// tell but the runner's.
pub(crate) async fn of(worker: WorkerId, process: Option<u32>) -> Input {
    tokio::select! {
        () = over(process) => Input::GraceOver(worker),
        ended = orphans::end_of(process) => ended,
    }
}

/// Waits until the grace of this process is over: at once for one that idles, later for one
/// that computes.
pub(crate) async fn over(process: Option<u32>) {
    let mut used = process.and_then(ticks);
    for _ in 0..MOST_PERIODS {
        tokio::time::sleep(PERIOD).await;
        let now = process.and_then(ticks);
        match (used, now) {
            (Some(before), Some(now)) if now.saturating_sub(before) > AT_WORK => {}
            _ => return,
        }
        used = now;
    }
}

/// The CPU that the process has used, in clock ticks (`utime` and `stime` in proc(5));
/// absent once it is gone.
fn ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn ticks_grow_with_work_and_end_with_the_process() {
        let own = std::process::id();
        let before = ticks(own).unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        while ticks(own).unwrap() <= before + AT_WORK {
            assert!(Instant::now() < limit, "busy and no tick");
        }
        assert_eq!(ticks(u32::MAX), None);
    }
}
