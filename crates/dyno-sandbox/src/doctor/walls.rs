//! Which walls stand.

use super::machine::{Machine, Users};
use crate::walls::{Blueprint, Missing, Wall, build_what_can_be, try_users};
use dyno_model::Finding;
use rustix::process::{WaitOptions, waitpid};
use rustix::thread::UnshareFlags;
use std::fs;
use std::path::Path;

/// Builds a sandbox in this folder and lets it end.
pub(super) fn look(folder: &Path, machine: &Machine) -> (Vec<Finding>, Users) {
    let blueprint = Blueprint {
        walls: Wall::ALL.to_vec(),
        folder: folder.to_owned(),
        shared: Vec::new(),
    };
    let (init, missing) = build_what_can_be(&blueprint, || 0);
    if let Some(init) = &init {
        let _ = waitpid(Some(init.pid), WaitOptions::empty());
    }
    let (users, finding) = match &init {
        Some(init) if init.namespaces.contains(UnshareFlags::NEWUSER) => {
            (Users::Made, Finding::good("wall user", "stands"))
        }
        Some(_) => (
            Users::NotNeeded,
            Finding::good("wall user", "not needed: you are root"),
        ),
        None => refused_users(machine),
    };
    let wall = |wall: Wall| match missing.iter().find(|missing| missing.wall == wall) {
        None => Finding::good(format!("wall {wall}"), "stands"),
        Some(Missing { why, .. }) => {
            let of_users = || match users {
                Users::Refused => machine.allows_users(),
                Users::Made | Users::NotNeeded => None,
            };
            Finding::costs(format!("wall {wall}"), in_words(why), lost_with(wall)).mended_by(
                remedy(wall, why, machine)
                    .or_else(of_users)
                    .or_else(|| Some(machine.any_wall())),
            )
        }
    };
    let findings = std::iter::once(finding).chain(Wall::ALL.map(wall));
    (findings.collect(), users)
}

/// No wall stands at all: is it for want of this one?
fn refused_users(machine: &Machine) -> (Users, Finding) {
    match try_users() {
        Ok(()) => (Users::Made, Finding::good("wall user", "stands")),
        Err(error) => {
            let costs = "whoever is not root builds all others behind it";
            let found = format!("make a process in a namespace of users: {error}");
            let finding = Finding::costs("wall user", in_words(&found), costs);
            (
                Users::Refused,
                finding.mended_by(Some(
                    machine.allows_users().unwrap_or_else(|| machine.any_wall()),
                )),
            )
        }
    }
}

/// What the kernel says, where its words mislead: it has one error for a full disk and for a
/// limit of namespaces (`user_namespaces(7)`).
fn in_words(why: &str) -> String {
    let limit = "their limit is reached, or is 0";
    why.replace("No space left on device (os error 28)", limit)
}

/// What two sealed tests can do to each other without it.
fn lost_with(wall: Wall) -> &'static str {
    match wall {
        Wall::Net => "sealed tests would share ports, so they run one at a time",
        Wall::Mount => "sealed tests would share /tmp and /dev/shm, so they run one at a time",
        Wall::Pid => "sealed tests see each other's processes",
        Wall::Ipc => "sealed tests share System V memory and POSIX queues",
        Wall::Uts => "sealed tests share the hostname",
    }
}

fn remedy(wall: Wall, why: &str, machine: &Machine) -> Option<String> {
    let kind = match wall {
        Wall::Mount => "mnt".to_owned(),
        other => other.to_string(),
    };
    let setting = format!("user.max_{kind}_namespaces");
    let file = Path::new("/proc/sys").join(setting.replace('.', "/"));
    if fs::read_to_string(file).is_ok_and(|value| value.trim() == "0") {
        return Some(format!("sudo sysctl -w {setting}=28633"));
    }
    if why.contains("veth") && why.contains("not supported") {
        return Some("sudo modprobe veth".to_owned());
    }
    // What a container hides of /proc may not be shown again by what is in it.
    if machine.is_container && why.starts_with("mount /proc") {
        let how = "--security-opt systempaths=unconfined (podman: unmask=ALL)";
        return Some(format!("run the container with {how}"));
    }
    // `user_namespaces(7)`: since Linux 5.12 root's id may be given by who has CAP_SETFCAP alone.
    if why.starts_with("give its ids") {
        let how = "of a container: --cap-add=SETFCAP";
        return Some(format!(
            "run dyno as an ordinary user, or with CAP_SETFCAP ({how})"
        ));
    }
    None
}
