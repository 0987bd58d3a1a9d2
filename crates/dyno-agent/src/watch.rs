//! Notices the end of a process that is no child of the agent: its client.

use dyno_sandbox::Process;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Between two looks where the kernel has no pidfd. What outlives its client by so much
/// does no harm yet, and a look costs one read of `/proc`.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for the end of a process.
pub(crate) async fn end_of(process: Process) {
    match process.open() {
        Ok(fd) => end_by_pidfd(process, fd).await,
        Err(_) => end_by_looking(process).await,
    }
}

async fn end_by_pidfd(process: Process, fd: OwnedFd) {
    // SAFETY: the descriptor is owned, and the `AsyncFd` keeps it open as long as it lives.
    match unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) } {
        Ok(fd) if fd.readable().await.is_ok() => {}
        _ => end_by_looking(process).await,
    }
}

async fn end_by_looking(process: Process) {
    while Process::read(process.pid)
        .is_some_and(|now| now.started == process.started && !now.zombie)
    {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Pid;
    use std::process::Command;
    use tokio::time::timeout;

    #[test]
    fn both_ways_end_with_the_process_and_not_before() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::read(Pid::from_child(&child)).unwrap();
        let moment = Duration::from_millis(50);
        runtime.block_on(async {
            assert!(timeout(moment, end_of(process)).await.is_err());
            assert!(timeout(moment, end_by_looking(process)).await.is_err());
            child.kill().unwrap();
            // Not waited for: a zombie has ended.
            let bound = Duration::from_secs(30);
            assert!(timeout(bound, end_of(process)).await.is_ok());
            assert!(timeout(bound, end_by_looking(process)).await.is_ok());
        });
        child.wait().unwrap();
    }
}
