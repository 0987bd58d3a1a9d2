//! Which control groups can be made.

use super::machine::Machine;
use crate::cgroup::{Lack, Maker, Need, Site};
use dyno_model::Finding;

/// Looks for a place as a run does.
pub(super) fn look(machine: &Machine) -> Vec<Finding> {
    let site = Site::find(Maker::this("doctor"), &Need::ALL);
    let findings = Need::ALL.map(|need| {
        let name = format!("cgroup {}", label(need));
        let place = site.folders().find(|(_, needs)| needs.contains(&need));
        if let Some((folder, _)) = place {
            let version = if folder.join("cgroup.controllers").exists() {
                2
            } else {
                1
            };
            let found = format!("version {version}, in {}", folder.display());
            return Finding::good(name, found);
        }
        let lack = site.lacks().iter().find(|lack| lack.need == need);
        let why = lack.map_or("", |Lack { why, .. }| why.as_str());
        Finding::costs(name, why, lost_with(need)).mended_by(Some(remedy(why, machine)))
    });
    site.close();
    findings.to_vec()
}

fn label(need: Need) -> &'static str {
    match need {
        Need::Memory => "memory",
        Need::Processes => "processes",
        Need::Time => "time",
    }
}

fn lost_with(need: Need) -> &'static str {
    match need {
        Need::Memory => "memory-limit does not hold, and memory of sealed tests is not counted",
        Need::Processes => "process-limit does not hold",
        Need::Time => "processor time of a sealed test's servers is not counted",
    }
}

fn remedy(why: &str, machine: &Machine) -> String {
    let is_read_only = why.contains("Read-only file system");
    let text = if machine.is_container && is_read_only {
        "run the container with --privileged, or with --cgroupns=private and \
         -v /sys/fs/cgroup:/sys/fs/cgroup:rw"
    } else if why.contains("Permission denied") && !machine.is_unified {
        "boot with systemd.unified_cgroup_hierarchy=1, or run dyno as root"
    } else if why.contains("Permission denied") || why.contains("has processes of others") {
        "systemd-run --user --scope -p Delegate=yes dyno test ..."
    } else if is_read_only {
        "sudo mount -o remount,rw /sys/fs/cgroup"
    } else {
        "boot with systemd.unified_cgroup_hierarchy=1 (and cgroup_enable=memory, where the kernel \
         leaves it out)"
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_for_what_the_kernel_said() {
        let outside = Machine::default();
        let unified = Machine {
            is_unified: true,
            ..Machine::default()
        };
        let inside = Machine {
            is_container: true,
            ..Machine::default()
        };
        for (why, machine, words) in [
            (
                "cannot make x: Read-only file system (os error 30)",
                &inside,
                "--privileged",
            ),
            (
                "cannot make x: Read-only file system (os error 30)",
                &outside,
                "remount,rw",
            ),
            (
                "cannot make x: Permission denied (os error 13)",
                &unified,
                "Delegate=yes",
            ),
            (
                "cannot make x: Permission denied (os error 13)",
                &outside,
                "as root",
            ),
            (
                "no group here has the controller memory",
                &outside,
                "cgroup_enable",
            ),
        ] {
            let text = remedy(why, machine);
            assert!(text.contains(words) && !text.contains("  "), "{text}");
        }
    }
}
