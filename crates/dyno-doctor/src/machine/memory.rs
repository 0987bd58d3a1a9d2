//! Memory and processors: what there is, and what this container may have of it.

use super::{number, text};
use crate::surroundings::Surroundings;
use dyno_model::{Bytes, Finding};
use std::path::{Path, PathBuf};

/// A frontend has 75 MiB resident and a mocker 113 MiB (ai-dynamo 1.4.2), a real vLLM of a tiny
/// model 1.1 GiB (2026-11); pytest and its workers are beside them.
const MEMORY: u64 = 2 << 30;

/// What engines share between their processes: vLLM and NCCL want more than the 64 MiB that a
/// container gets by default, and say so by a bus error.
const SHARED: u64 = 1 << 30;

/// What is known of memory and processors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    total: u64,
    available: u64,
    swap: u64,
    /// What the control group allows, and how much of it is taken.
    limit: Option<(u64, u64)>,
    /// `vm.overcommit_memory`.
    overcommit: Option<u64>,
    /// Size of `/dev/shm`, and what is free of it.
    shared: Option<(u64, u64)>,
    /// Processors that this process may run on.
    processors: u64,
    /// Thousandths of a processor that the control group allows.
    quota: Option<u64>,
    /// `OMP_NUM_THREADS` is set.
    has_threads: bool,
    is_container: bool,
}

impl Facts {
    pub(super) fn look(around: &Surroundings) -> Self {
        let table = text("/proc/meminfo").unwrap_or_default();
        let field = |name: &str| {
            let line = table.lines().find_map(|line| line.strip_prefix(name))?;
            Some(
                line.trim_start_matches(':')
                    .trim()
                    .trim_end_matches(" kB")
                    .parse::<u64>()
                    .ok()?
                    << 10,
            )
        };
        let limit = least("memory", &["memory.max", "memory.limit_in_bytes"]);
        let used = least("memory", &["memory.current", "memory.usage_in_bytes"]).unwrap_or(0);
        let shared = rustix::fs::statvfs("/dev/shm").ok();
        let allowed = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
        Self {
            total: field("MemTotal").unwrap_or(0),
            available: field("MemAvailable").unwrap_or(0),
            swap: field("SwapTotal").unwrap_or(0),
            limit: limit.map(|limit| (limit, used)),
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            shared: shared.map(|found| {
                (
                    found.f_blocks * found.f_frsize,
                    found.f_bavail * found.f_frsize,
                )
            }),
            processors: u64::from(allowed),
            quota: quota(),
            has_threads: around.variable("OMP_NUM_THREADS").is_some(),
            is_container: around.is_container(),
        }
    }
}

/// The folders of this process's control group and of those above it that has a controller.
fn groups(controller: &str) -> Vec<PathBuf> {
    let own = text("/proc/self/cgroup").unwrap_or_default();
    let mut folders = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let trees: &[String] = &if controllers.is_empty() {
            [
                "/sys/fs/cgroup".to_owned(),
                "/sys/fs/cgroup/unified".to_owned(),
            ]
        } else if controllers.split(',').any(|one| one == controller) {
            [
                format!("/sys/fs/cgroup/{controller}"),
                format!("/sys/fs/cgroup/{controllers}"),
            ]
        } else {
            continue;
        };
        for tree in trees {
            // A container may be told a path that only the host has; then its own is the root.
            let whole = Path::new(tree).join(path.trim_start_matches('/'));
            folders.extend(
                whole
                    .ancestors()
                    .take_while(|one| one.starts_with(tree))
                    .map(Path::to_owned),
            );
        }
    }
    folders
}

/// The least number that one of these files has, in this process's control group and those above.
pub(super) fn least(controller: &str, files: &[&str]) -> Option<u64> {
    // Version 1 writes "no limit" as the largest number of pages.
    const NONE: u64 = 1 << 60;
    let of = |folder: &PathBuf| files.iter().find_map(|file| number(folder.join(file)));
    groups(controller)
        .iter()
        .filter_map(of)
        .filter(|limit| *limit < NONE)
        .min()
}

/// Thousandths of a processor.
fn quota() -> Option<u64> {
    let of = |folder: &PathBuf| {
        let (most, period) = match text(folder.join("cpu.max")) {
            Some(both) => {
                let (most, period) = both.split_once(' ')?;
                (most.parse().ok()?, period.parse().ok()?)
            }
            None => (
                number(folder.join("cpu.cfs_quota_us"))?,
                number(folder.join("cpu.cfs_period_us"))?,
            ),
        };
        u64::checked_div(most * 1000, period)
    };
    groups("cpu").iter().filter_map(of).min()
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![memory(facts), processors(facts)];
    if facts.overcommit == Some(2) {
        let set = "sudo sysctl -w vm.overcommit_memory=0".to_owned();
        findings.push(
            Finding::costs(
                "overcommit",
                "vm.overcommit_memory = 2: memory is counted when it is asked for",
                "workers that are forked from a large process do not start, for want of memory that nobody uses",
            )
            .mended_by(Some(set)),
        );
    }
    findings.push(shared(facts));
    findings
}

fn memory(facts: &Facts) -> Finding {
    let name = "memory";
    let (total, available) = match facts.limit {
        Some((limit, used)) if limit < facts.total => {
            (limit, facts.available.min(limit.saturating_sub(used)))
        }
        _ => (facts.total, facts.available),
    };
    let whose = if total < facts.total {
        " that this control group allows"
    } else {
        ""
    };
    let swap = if facts.swap == 0 {
        "no swap".to_owned()
    } else {
        format!("{} of swap", Bytes(facts.swap))
    };
    let found = format!(
        "{} of {}{whose} free, {swap}",
        Bytes(available),
        Bytes(total)
    );
    if total >= MEMORY && available >= MEMORY {
        return Finding::good(name, found);
    }
    let remedy = if total >= MEMORY {
        "ps -eo rss,pid,user,args --sort=-rss | head   # then end what is not needed"
    } else if facts.is_container {
        "start the container with --memory=8g or more"
    } else {
        "dyno test -n 1 -m 'not e2e'"
    };
    Finding::costs(
        name,
        found,
        "the kernel ends servers in the middle of a test",
    )
    .mended_by(Some(remedy.to_owned()))
}

fn processors(facts: &Facts) -> Finding {
    let name = "processors";
    let Facts {
        processors, quota, ..
    } = facts;
    match quota {
        // Whole processors are what thread pools are made of.
        Some(quota) if quota.div_ceil(1000) < *processors => {
            let (whole, tenths) = (quota / 1000, quota % 1000 / 100);
            let threads = quota.div_ceil(1000).max(1);
            let found = format!("{whole}.{tenths} of {processors} that this control group allows");
            if facts.has_threads {
                return Finding::good(name, found);
            }
            Finding::costs(
                name,
                found,
                format!("numpy, torch and their kin start {processors} threads each and are stopped for most of the time"),
            )
            .mended_by(Some(format!("export OMP_NUM_THREADS={threads}")))
        }
        _ => Finding::good(name, processors.to_string()),
    }
}

fn shared(facts: &Facts) -> Finding {
    let name = "/dev/shm";
    let Some((size, free)) = facts.shared else {
        let mount = "sudo sh -c 'mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 shm /dev/shm'";
        return Finding::costs(
            name,
            "there is none",
            "Python's multiprocessing and engines fail",
        )
        .mended_by(Some(mount.to_owned()));
    };
    let found = format!("{} of {} free", Bytes(free), Bytes(size));
    if free >= SHARED {
        return Finding::good(name, found);
    }
    let remedy = if facts.is_container {
        "./container/run.sh --shm-size 8g -it -- dyno doctor machine".to_owned()
    } else if size >= SHARED {
        "ls -lS /dev/shm | head   # then remove what is left of servers that ended".to_owned()
    } else {
        "sudo mount -o remount,size=8G /dev/shm".to_owned()
    };
    let costs = "engines of several processes end with a bus error, unless their tests are sealed";
    Finding::costs(name, found, costs).mended_by(Some(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::{assert_mends, assert_on_the_page, named};
    use dyno_model::FindingState::{Costs, Good};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Machine, &findings);
        findings
    }

    const GIB: u64 = 1 << 30;

    fn usual() -> Facts {
        Facts {
            total: 64 * GIB,
            available: 60 * GIB,
            shared: Some((32 * GIB, 32 * GIB)),
            processors: 64,
            overcommit: Some(0),
            ..Facts::default()
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_a_control_group_allows_is_what_counts() {
        for (facts, name, state, says, command) in [
            (usual(), "memory", Good, "60 GiB of 64 GiB free", ""),
            (
                Facts {
                    limit: Some((4 * GIB, GIB)),
                    ..usual()
                },
                "memory",
                Good,
                "3 GiB of 4 GiB that this control group allows",
                "",
            ),
            (
                Facts {
                    limit: Some((4 * GIB, 3 * GIB)),
                    ..usual()
                },
                "memory",
                Costs,
                "1 GiB of 4",
                "ps -eo rss",
            ),
            (
                Facts {
                    limit: Some((GIB, 0)),
                    is_container: true,
                    ..usual()
                },
                "memory",
                Costs,
                "1 GiB of 1",
                "--memory=8g",
            ),
            (
                Facts {
                    limit: Some((1 << 50, 0)),
                    ..usual()
                },
                "memory",
                Good,
                "60 GiB of 64",
                "",
            ),
            (usual(), "processors", Good, "64", ""),
            (
                Facts {
                    quota: Some(1500),
                    ..usual()
                },
                "processors",
                Costs,
                "1.5 of 64",
                "export OMP_NUM_THREADS=2",
            ),
            (
                Facts {
                    quota: Some(1500),
                    has_threads: true,
                    ..usual()
                },
                "processors",
                Good,
                "1.5 of 64",
                "",
            ),
            (
                Facts {
                    quota: Some(64_000),
                    ..usual()
                },
                "processors",
                Good,
                "64",
                "",
            ),
            (
                Facts {
                    overcommit: Some(2),
                    ..usual()
                },
                "overcommit",
                Costs,
                "= 2",
                "sudo sysctl -w vm.overcommit_memory=0",
            ),
            (
                Facts {
                    shared: Some((64 << 20, 64 << 20)),
                    is_container: true,
                    ..usual()
                },
                "/dev/shm",
                Costs,
                "64 MiB",
                "--shm-size 8g",
            ),
            (
                Facts {
                    shared: Some((64 << 20, 64 << 20)),
                    ..usual()
                },
                "/dev/shm",
                Costs,
                "64 MiB",
                "sudo mount -o remount,size=8G",
            ),
            (
                Facts {
                    shared: Some((8 * GIB, 0)),
                    ..usual()
                },
                "/dev/shm",
                Costs,
                "0 bytes of 8 GiB",
                "ls -lS",
            ),
            (
                Facts {
                    shared: None,
                    ..usual()
                },
                "/dev/shm",
                Costs,
                "none",
                "mount -t tmpfs",
            ),
        ] {
            let findings = judged(&facts);
            let found = named(&findings, name);
            assert_mends(found, state, command);
            assert!(found.found.contains(says), "{found:?}");
        }
    }
}
