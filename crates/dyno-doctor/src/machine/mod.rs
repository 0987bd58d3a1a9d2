//! What the machine allows: limits, memory, processors, disk, network, the clock.

mod disk;
mod limits;
mod memory;
mod network;

pub(crate) use disk::{Mount, Space, mounts, space};

use crate::surroundings::Surroundings;
use dyno_model::Finding;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is known of the machine.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) limits: limits::Facts,
    pub(crate) memory: memory::Facts,
    pub(crate) disk: disk::Facts,
    pub(crate) network: network::Facts,
    pub(crate) clock: Clock,
}

/// The clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Seconds since 1970.
    now: u64,
    /// What the kernel counts time with.
    source: Option<String>,
}

impl Facts {
    pub(crate) fn look(around: &Surroundings) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        Self {
            limits: limits::Facts::look(),
            memory: memory::Facts::look(around),
            disk: disk::Facts::look(around),
            network: network::Facts::look(),
            clock: Clock {
                now: now.map_or(0, |now| now.as_secs()),
                source: text(source),
            },
        }
    }
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = limits::judge(&facts.limits);
    findings.extend(memory::judge(&facts.memory));
    findings.extend(disk::judge(&facts.disk));
    findings.extend(network::judge(&facts.network));
    findings.push(clock(&facts.clock));
    findings
}

/// 2026-01-01: no clock that is right shows less.
const BEFORE_DYNO: u64 = 1_767_225_600;

/// Clocks that a process reads without a system call, each in tens of nanoseconds; with others
/// a reading takes a microsecond.
const QUICK: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
    "xen",
    "arch_sys_counter",
];

fn clock(clock: &Clock) -> Finding {
    let name = "clock";
    if clock.now < BEFORE_DYNO {
        return Finding::costs(
            name,
            "it shows a time before 2026",
            "certificates are refused, so nothing can be downloaded, and caches take old files for new",
        )
        .mended_by(Some("sudo date -s \"$(curl -sI http://debian.org | sed -n 's/^Date: //p')\"".to_owned()));
    }
    match clock.source.as_deref() {
        Some(source) if !QUICK.contains(&source) => Finding::note(
            name,
            format!(
                "counted by {source}, which is slow to read: times of microseconds are not measured well"
            ),
        ),
        Some(source) => Finding::good(name, format!("counted by {source}")),
        None => Finding::good(name, "it shows a time of today"),
    }
}

/// A small file of the kernel's, without its last newline.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// A number in such a file.
fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::FindingState::{Costs, Good, Note};

    #[test]
    fn a_clock_is_of_today_and_quick() {
        for (now, source, state) in [
            (0, Some("tsc"), Costs),
            (BEFORE_DYNO, Some("kvm-clock"), Good),
            (BEFORE_DYNO, Some("acpi_pm"), Note),
            (BEFORE_DYNO, None, Good),
        ] {
            let source = source.map(str::to_owned);
            assert_eq!(clock(&Clock { now, source }).state, state);
        }
    }
}
