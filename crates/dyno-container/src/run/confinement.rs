//! What a container may do, and as whom.
//!
//! Sealed tests need namespaces of their own, mounts in them, and a `/proc`. Engines forbid that
//! in three places, of which each is opened as far as it must be and no further:
//!
//! - Docker's filter of system calls denies `unshare` and `mount`. [`SYSTEM_CALLS`] takes its
//!   place: it allows these and denies what reaches the kernel or the host as a whole. Podman's
//!   own filter allows them.
//! - Parts of `/proc` are covered, and who sees it so may mount no other (`mount_too_revealing` in
//!   the kernel). It is uncovered for whoever is not root outside: then what is uncovered is
//!   protected by the modes of its files. Root of the host stays in front of the covers.
//! - The profile of `AppArmor` denies mounts. There is no smaller one to ask for.

use crate::engine::{Engine, EngineKind, Users};

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerId {
    /// The user's.
    pub user: u32,
    /// The group's.
    pub group: u32,
}

/// What a container may do.
pub(super) struct Confined {
    /// Options of the engine.
    pub(super) words: Vec<String>,
    /// What the caller should know.
    pub(super) notes: Vec<String>,
    /// Whether [`SYSTEM_CALLS`] is its filter.
    pub(super) filters_calls: bool,
}

/// The options for this caller: files that the container writes belong to him.
pub(super) fn options(engine: &Engine, caller: CallerId) -> Confined {
    let mut words = Vec::new();
    let mut notes = Vec::new();
    let CallerId { user, group } = caller;
    match engine.kind {
        // Its root is the caller, outside.
        EngineKind::Docker if engine.users == Users::Callers => words.push("--user=0:0".to_owned()),
        kind => {
            if kind == EngineKind::Podman && engine.users == Users::Callers {
                words.push("--userns=keep-id".to_owned());
            } else if engine.users == Users::Remapped {
                words.push("--userns=host".to_owned());
            }
            words.push(format!("--user={user}:{group}"));
        }
    }
    let mut allow = |what: &str| words.push(format!("--security-opt={what}"));
    allow("no-new-privileges");
    if engine.users == Users::Callers || user != 0 {
        allow(match engine.kind {
            EngineKind::Docker => "systempaths=unconfined",
            EngineKind::Podman => "unmask=ALL",
        });
    } else {
        notes.push(
            "you are root, so parts of /proc stay covered: sealed tests have no wall of processes"
                .to_owned(),
        );
    }
    if engine.has_apparmor {
        allow("apparmor=unconfined");
    }
    if engine.has_labels {
        // Else the workspace would have to be given another label, on the host too.
        allow("label=disable");
    }
    Confined {
        words,
        notes,
        filters_calls: engine.kind == EngineKind::Docker && engine.has_seccomp,
    }
}

/// A filter of system calls in the form that engines read. What is denied answers `EPERM`:
///
/// - modules, another kernel, the machine's clock, swap, accounts, its log and its end;
/// - keys, which have no namespace;
/// - handles of files, which reach past what is mounted;
/// - programs in the kernel, its measuring of all, and ways into it with a history: `io_uring`,
///   page faults handled outside, ports of the machine.
pub(crate) const SYSTEM_CALLS: &str = r#"{
  "defaultAction": "SCMP_ACT_ALLOW",
  "syscalls": [
    {
      "action": "SCMP_ACT_ERRNO",
      "errnoRet": 1,
      "names": [
        "acct",
        "add_key",
        "adjtimex",
        "bpf",
        "clock_adjtime",
        "clock_settime",
        "delete_module",
        "fanotify_init",
        "finit_module",
        "init_module",
        "io_uring_enter",
        "io_uring_register",
        "io_uring_setup",
        "ioperm",
        "iopl",
        "kexec_file_load",
        "kexec_load",
        "keyctl",
        "lookup_dcookie",
        "name_to_handle_at",
        "open_by_handle_at",
        "perf_event_open",
        "quotactl",
        "quotactl_fd",
        "reboot",
        "request_key",
        "settimeofday",
        "swapoff",
        "swapon",
        "syslog",
        "userfaultfd",
        "vhangup"
      ]
    }
  ]
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_json_and_in_order() {
        let filter: serde_json::Value = serde_json::from_str(SYSTEM_CALLS).unwrap();
        let names = filter["syscalls"][0]["names"].as_array().unwrap();
        assert!(names.iter().is_sorted_by_key(|name| name.as_str()));
        for needed in [
            "clone",
            "clone3",
            "unshare",
            "setns",
            "mount",
            "umount2",
            "move_mount",
        ] {
            assert!(names.iter().all(|name| name != needed));
        }
    }
}
