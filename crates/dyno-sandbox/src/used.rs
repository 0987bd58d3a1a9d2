//! What processes use: processor time, memory, threads.

use crate::Process;
use rustix::param::{clock_ticks_per_second, page_size};
use std::fs;
use std::ops::AddAssign;
use std::time::Duration;

/// What a process uses, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Processor time in user mode, that of children that were waited for included.
    pub user: Duration,
    /// The same in the kernel.
    pub system: Duration,
    /// Resident memory now, in bytes. Pages that processes share count once for each.
    pub memory: u64,
    /// The most resident memory of any one process, in bytes.
    pub peak_memory: u64,
    /// Processes that run.
    pub processes: u32,
    /// Their threads.
    pub threads: u32,
}

impl Used {
    /// Reads what a process uses; `None` where it is gone.
    pub fn read(process: &Process) -> Option<Self> {
        let pid = process.pid.as_raw_nonzero();
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let used = Self::parse(&stat)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // It may have ended, and its id been given away, between the two.
        process.exists().then(|| Self {
            peak_memory: peak(&status).unwrap_or(used.memory),
            ..used
        })
    }

    /// Reads a line of `/proc/PID/stat` (`proc_pid_stat(5)`).
    fn parse(stat: &[u8]) -> Option<Self> {
        let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of the manual is the first after the name.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let zombie = matches!(*fields.first()?, "Z" | "X");
        let memory = field(24)?.saturating_mul(page_size() as u64);
        Some(Self {
            user: ticks(field(14)?.saturating_add(field(16)?)),
            system: ticks(field(15)?.saturating_add(field(17)?)),
            memory,
            peak_memory: memory,
            processes: u32::from(!zombie),
            threads: u32::try_from(field(20)?).unwrap_or(u32::MAX),
        })
    }
}

impl From<&libc::rusage> for Used {
    /// Of a process that has ended.
    fn from(spent: &libc::rusage) -> Self {
        Self {
            user: time(spent.ru_utime),
            system: time(spent.ru_stime),
            // In KiB, `getrusage(2)`.
            peak_memory: u64::try_from(spent.ru_maxrss).unwrap_or(0) * 1024,
            ..Self::default()
        }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.memory += other.memory;
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.processes += other.processes;
        self.threads += other.threads;
    }
}

fn time(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

fn ticks(count: u64) -> Duration {
    let micros = u128::from(count) * 1_000_000 / u128::from(clock_ticks_per_second().max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// `VmHWM` of `/proc/PID/status`, in bytes. A process of the kernel, or a dead one, has none.
fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_of_proc_is_read() {
        let line = b"42 (a) b) S 7 41 42 0 -1 4194304 1 2 3 4 50 6 70 8 20 0 3 0 99 1000 5\n";
        let used = Used::parse(line).unwrap();
        assert_eq!(used.user, ticks(120));
        assert_eq!(used.system, ticks(14));
        assert_eq!((used.processes, used.threads), (1, 3));
        assert_eq!(used.memory, 5 * page_size() as u64);
        assert_eq!(
            peak("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t 4 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(peak("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let own = Process::read(rustix::process::getpid()).unwrap();
        let used = Used::read(&own).unwrap();
        assert!(used.memory > 0 && used.peak_memory >= used.memory / 2);
        assert!(used.threads >= 1);
    }

    #[test]
    fn sums_add_up_and_a_peak_is_the_highest() {
        let one = Used {
            memory: 3,
            peak_memory: 9,
            processes: 1,
            ..Used::default()
        };
        let mut sum = Used {
            memory: 4,
            peak_memory: 5,
            processes: 2,
            ..Used::default()
        };
        sum += one;
        assert_eq!((sum.memory, sum.peak_memory, sum.processes), (7, 9, 3));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Used::parse(&line);
        }
    }
}
