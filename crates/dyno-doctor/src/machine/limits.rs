//! Limits of this user and this container: files, processes, cores, locked memory, watches.

use super::memory::least;
use super::{number, text};
use crate::surroundings::Surroundings;
use dyno_model::{Bytes, Finding};
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// A frontend has 28 files open when it is idle and a mocker 52 (ai-dynamo 1.4.2, 2026-11), and
/// each connection is one more: 1024, the usual soft limit, is enough for all but stress tests.
const FILES: u64 = 1024;
const FILES_FOR_STRESS: u64 = 8192;

/// A frontend has 9 threads on 2 cores and a mocker 10 (ai-dynamo 1.4.2, 2026-11), of which one a
/// core; so eight sealed deployments of three processes on 64 cores have 1700, beside workers.
const TASKS: u64 = 4096;

/// Each frontend that discovers by files has one of these (seen in its `/proc/PID/fd`, 2026-11),
/// and 128 a user is the kernel's default.
const INSTANCES: u64 = 128;
const WATCHES: u64 = 8192;

/// RDMA pins the memory that it moves; 64 MiB is less than one block of a KV cache's pool.
const PINNED: u64 = 64 << 20;

/// What is known of the limits. `None` is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    files: (Option<u64>, Option<u64>),
    /// The limit of the user, and of this container.
    tasks: (Option<u64>, Option<u64>),
    /// How many the machine can have, and has.
    all_tasks: Option<(u64, u64)>,
    core: Option<u64>,
    core_pattern: Option<String>,
    locked: Option<u64>,
    has_rdma: bool,
    instances: Option<u64>,
    watches: Option<u64>,
}

impl Facts {
    pub(super) fn look() -> Self {
        let files = getrlimit(Resource::Nofile);
        // `1.05 0.70 0.66 2/345 6789`: those that run, and all.
        let load = text("/proc/loadavg").unwrap_or_default();
        let now = load
            .split_whitespace()
            .nth(3)
            .and_then(|tasks| tasks.split_once('/')?.1.parse().ok());
        let most =
            ["threads-max", "pid_max"].map(|name| number(Path::new("/proc/sys/kernel").join(name)));
        let most = most.into_iter().flatten().min();
        // The kernel counts no processes of root's.
        let is_root = Surroundings::is_root();
        let user = getrlimit(Resource::Nproc).current.filter(|_| !is_root);
        Self {
            files: (files.current, files.maximum),
            tasks: (user, least("pids", &["pids.max"])),
            all_tasks: most.zip(now),
            core: getrlimit(Resource::Core).current,
            core_pattern: text("/proc/sys/kernel/core_pattern"),
            locked: getrlimit(Resource::Memlock).current,
            has_rdma: Path::new("/dev/infiniband").exists(),
            instances: number("/proc/sys/fs/inotify/max_user_instances"),
            watches: number("/proc/sys/fs/inotify/max_user_watches"),
        }
    }
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![files(facts), processes(facts)];
    findings.push(cores(facts));
    if facts.has_rdma && facts.locked.is_some_and(|locked| locked < PINNED) {
        let locked = Bytes(facts.locked.unwrap_or(0));
        findings.push(
            Finding::costs(
                "locked memory",
                format!("at most {locked}, and there is RDMA"),
                "transfers of KV caches over RDMA fail",
            )
            .mended_by(Some(
                "sudo prlimit --pid $$ --memlock=unlimited:unlimited".to_owned(),
            )),
        );
    } else {
        let locked = facts.locked.map_or("no limit".to_owned(), |locked| {
            format!("at most {}", Bytes(locked))
        });
        findings.push(Finding::good("locked memory", locked));
    }
    findings.extend(inotify(facts));
    findings
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or("no limit".to_owned(), |limit| limit.to_string())
}

fn files(facts: &Facts) -> Finding {
    let name = "open files";
    let (soft, hard) = facts.files;
    let found = format!(
        "{} a process, which may raise it to {}",
        shown(soft),
        shown(hard)
    );
    let within = |most: u64| soft.is_some_and(|soft| soft < most);
    let raise = |to: u64| {
        if hard.is_none_or(|hard| hard >= to) {
            format!("ulimit -n {to}")
        } else {
            format!("sudo prlimit --pid $$ --nofile={to}:{to}")
        }
    };
    if within(FILES) {
        Finding::costs(name, found, "servers run out of connections")
            .mended_by(Some(raise(FILES_FOR_STRESS)))
    } else if within(FILES_FOR_STRESS) {
        Finding::note(
            name,
            format!("{found}; each connection is one, and stress tests open thousands"),
        )
        .mended_by(Some(raise(FILES_FOR_STRESS)))
    } else {
        Finding::good(name, found)
    }
}

fn processes(facts: &Facts) -> Finding {
    let name = "processes";
    let (user, group) = facts.tasks;
    let lost = "servers with a thread a processor cannot start, and say EAGAIN";
    if let Some(limit) = user.filter(|limit| *limit < TASKS) {
        return Finding::costs(
            name,
            format!("{limit} processes and threads for this user"),
            lost,
        )
        .mended_by(Some(format!(
            "sudo prlimit --pid $$ --nproc={0}:{0}",
            TASKS * 8
        )));
    }
    if let Some(limit) = group.filter(|limit| *limit < TASKS) {
        return Finding::costs(name, format!("{limit} processes and threads in this control group"), lost)
            .mended_by(Some(
                "start the container with --pids-limit=-1, or: sudo systemctl set-property user.slice TasksMax=infinity".to_owned(),
            ));
    }
    match facts.all_tasks {
        Some((most, now)) if most.saturating_sub(now) < TASKS => Finding::costs(
            name,
            format!("{now} of {most} that the machine can have"),
            lost,
        )
        .mended_by(Some(
            "sudo sysctl -w kernel.threads-max=200000 kernel.pid_max=4194304".to_owned(),
        )),
        Some((most, now)) => {
            let least = [user, group, Some(most)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(most);
            Finding::good(name, format!("room for {least}, {now} on this machine"))
        }
        None => Finding::good(name, shown(user)),
    }
}

fn cores(facts: &Facts) -> Finding {
    let name = "core dumps";
    let pattern = facts.core_pattern.as_deref().unwrap_or("core");
    match facts.core {
        Some(0) if !pattern.starts_with('|') => Finding::good(
            name,
            "off: a server that crashes leaves its log and no core (ulimit -c unlimited)",
        ),
        _ if pattern.starts_with('|') => Finding::good(
            name,
            format!("handed to {}", pattern.trim_start_matches('|')),
        ),
        limit => Finding::note(
            name,
            format!(
                "{}; a server that crashes writes one as large as its memory, to {pattern}",
                limit.map_or("on".to_owned(), |limit| format!("up to {}", Bytes(limit)))
            ),
        )
        .mended_by(Some("ulimit -c 0".to_owned())),
    }
}

fn inotify(facts: &Facts) -> Option<Finding> {
    let (instances, watches) = (facts.instances?, facts.watches?);
    let name = "inotify";
    let found = format!("{instances} watchers a user, {watches} watches");
    Some(if instances < INSTANCES || watches < WATCHES {
        Finding::costs(
            name,
            found,
            "servers that find each other by files do not start, and say EMFILE",
        )
        .mended_by(Some(
            "sudo sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288"
                .to_owned(),
        ))
    } else {
        Finding::good(name, found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::{assert_mends, assert_on_the_page, named};
    use dyno_model::FindingState::{Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Machine, &findings);
        findings
    }

    fn usual() -> Facts {
        Facts {
            files: (Some(1 << 20), Some(1 << 20)),
            tasks: (Some(95_000), None),
            all_tasks: Some((190_000, 300)),
            core: Some(0),
            core_pattern: Some("core".to_owned()),
            locked: Some(8 << 20),
            has_rdma: false,
            instances: Some(128),
            watches: Some(1 << 19),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn a_limit_costs_where_servers_meet_it() {
        let none: Option<u64> = None;
        for (facts, name, state, command) in [
            (usual(), "open files", Good, ""),
            (
                Facts {
                    files: (Some(256), none),
                    ..usual()
                },
                "open files",
                Costs,
                "ulimit -n 8192",
            ),
            (
                Facts {
                    files: (Some(1024), Some(4096)),
                    ..usual()
                },
                "open files",
                Note,
                "sudo prlimit --pid $$ --nofile=8192:8192",
            ),
            (
                Facts {
                    files: (none, none),
                    ..usual()
                },
                "open files",
                Good,
                "",
            ),
            (
                Facts {
                    tasks: (Some(1000), none),
                    ..usual()
                },
                "processes",
                Costs,
                "--nproc=32768:32768",
            ),
            (
                Facts {
                    tasks: (none, Some(100)),
                    ..usual()
                },
                "processes",
                Costs,
                "--pids-limit=-1",
            ),
            (
                Facts {
                    all_tasks: Some((32_768, 30_000)),
                    ..usual()
                },
                "processes",
                Costs,
                "kernel.threads-max",
            ),
            (usual(), "processes", Good, ""),
            (usual(), "core dumps", Good, ""),
            (
                Facts {
                    core: none,
                    ..usual()
                },
                "core dumps",
                Note,
                "ulimit -c 0",
            ),
            (
                Facts {
                    core: none,
                    core_pattern: Some("|/usr/lib/coredump".to_owned()),
                    ..usual()
                },
                "core dumps",
                Good,
                "",
            ),
            (usual(), "locked memory", Good, ""),
            (
                Facts {
                    has_rdma: true,
                    ..usual()
                },
                "locked memory",
                Costs,
                "--memlock=unlimited",
            ),
            (
                Facts {
                    instances: Some(64),
                    ..usual()
                },
                "inotify",
                Costs,
                "max_user_instances=1024",
            ),
        ] {
            let findings = judged(&facts);
            let found = named(&findings, name);
            assert_mends(found, state, command);
        }
    }
}
