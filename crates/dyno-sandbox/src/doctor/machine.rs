//! What the kernel says of itself, and what of it forbids walls.

use dyno_model::Finding;
use rustix::system::uname;
use std::fs;
use std::path::Path;

/// `setns(2)` takes the descriptor of a process.
const NEEDED: (u32, u32) = (5, 8);

/// `cgroup.kill` (5.14) and `memory.peak` (5.19).
const WANTED: (u32, u32) = (5, 19);

/// The settings that forbid namespaces of users, with the value that does, and one that does not.
const FORBIDS_USERS: [(&str, &str, &str); 3] = [
    ("user.max_user_namespaces", "0", "28633"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Whether a namespace of users was wanted, and could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    /// Root does without.
    NotNeeded,
    /// There is one.
    Made,
    /// There is none, and so no wall.
    Refused,
}

/// The kernel, and what round this process may forbid something.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) release: String,
    /// Settings by name; those that there are.
    pub(super) settings: Vec<(&'static str, String)>,
    /// System calls are filtered.
    pub(super) is_filtered: bool,
    pub(super) is_container: bool,
    /// The tree of control groups is of version 2 alone.
    pub(super) is_unified: bool,
}

impl Machine {
    pub(super) fn read() -> Self {
        let setting = |(name, ..): &(&'static str, &str, &str)| {
            let file = Path::new("/proc/sys").join(name.replace('.', "/"));
            let value = fs::read_to_string(file).ok()?;
            Some((*name, value.trim().to_owned()))
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let marks = ["/.dockerenv", "/run/.containerenv"];
        Self {
            release: uname().release().to_string_lossy().into_owned(),
            settings: FORBIDS_USERS.iter().filter_map(setting).collect(),
            is_filtered: status.lines().any(|line| line.starts_with("Seccomp:\t2")),
            is_unified: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
            is_container: marks.iter().any(|mark| Path::new(mark).exists()),
        }
    }

    pub(super) fn kernel(&self) -> Finding {
        let found = format!("Linux {}", self.release);
        let (major, minor) = NEEDED;
        match version(&self.release) {
            Some(version) if version < NEEDED => {
                Finding::costs("kernel", found, "sealed tests have no walls at all")
                    .mended_by(Some(format!("use Linux {major}.{minor} or newer")))
            }
            Some(version) if version < WANTED => {
                let (major, minor) = WANTED;
                Finding::good(
                    "kernel",
                    format!(
                        "{found}; the peak of a unit's memory is counted from {major}.{minor} on"
                    ),
                )
            }
            _ => Finding::good("kernel", found),
        }
    }

    /// Each setting that is there, and the filter of system calls.
    pub(super) fn what_forbids_users(&self, users: Users) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for (name, value) in &self.settings {
            let known = FORBIDS_USERS.iter().find(|(known, ..)| known == name);
            let Some((_, bad, good)) = known else {
                continue;
            };
            let found = format!("= {value}");
            findings.push(if value != bad {
                Finding::good(*name, found)
            } else if users == Users::Refused {
                Finding::costs(*name, found, "whoever is not root can build no wall")
                    .mended_by(Some(format!("sudo sysctl -w {name}={good}")))
            } else {
                Finding::good(*name, format!("{found}, which forbids nothing to you"))
            });
        }
        if !self.is_filtered {
            findings.push(Finding::good("seccomp", "no system call is filtered"));
        } else if users == Users::Refused && !findings.iter().any(|found| found.costs.is_some()) {
            let costs = "namespaces are refused, so sealed tests have no walls";
            findings.push(
                Finding::costs("seccomp", "system calls are filtered", costs)
                    .mended_by(Some(self.without_filter())),
            );
        } else {
            findings.push(Finding::good(
                "seccomp",
                "system calls are filtered, none that is needed",
            ));
        }
        findings
    }

    /// What lets namespaces of users be made again: of what forbids them the first.
    pub(super) fn allows_users(&self) -> Option<String> {
        let forbids = self.what_forbids_users(Users::Refused);
        forbids.into_iter().find_map(|finding| finding.remedy)
    }

    /// What helps where it is not known what is in the way.
    pub(super) fn any_wall(&self) -> String {
        if self.is_container {
            "run the container with --privileged".to_owned()
        } else {
            "run dyno as root: sudo env \"PATH=$PATH\" dyno doctor sealed".to_owned()
        }
    }

    fn without_filter(&self) -> String {
        if self.is_container {
            "run the container with --security-opt seccomp=unconfined".to_owned()
        } else {
            "start dyno outside of what filters it (a systemd unit's SystemCallFilter=, a jail)"
                .to_owned()
        }
    }
}

/// Major and minor of a release such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::FindingState;

    fn of_release(release: &str) -> Finding {
        let release = release.to_owned();
        let machine = Machine {
            release,
            ..Machine::default()
        };
        machine.kernel()
    }

    #[test]
    fn a_kernel_is_new_enough_or_not() {
        for (release, state, words) in [
            ("6.1.0-18-amd64", FindingState::Good, "Linux 6.1.0-18-amd64"),
            ("5.15.0-1.el9", FindingState::Good, "from 5.19 on"),
            ("5.4.0", FindingState::Costs, "Linux 5.4.0"),
            ("4.18.0-553.el8", FindingState::Costs, "4.18"),
            ("odd", FindingState::Good, "odd"),
        ] {
            let finding = of_release(release);
            assert_eq!(finding.state, state, "{release}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn a_setting_is_blamed_only_for_what_it_does() {
        let setting = "kernel.apparmor_restrict_unprivileged_userns";
        let machine = |value: &str| Machine {
            settings: vec![(setting, value.to_owned())],
            is_filtered: true,
            is_container: true,
            ..Machine::default()
        };
        let told = |value: &str, users| machine(value).what_forbids_users(users);
        let blamed = told("1", Users::Refused);
        let remedy = format!("sudo sysctl -w {setting}=0");
        assert_eq!(blamed[0].remedy.as_deref(), Some(remedy.as_str()));
        assert_eq!(blamed[1].state, FindingState::Good, "one reason is enough");
        let filter = told("0", Users::Refused);
        assert_eq!(filter[0].state, FindingState::Good);
        let remedy = filter[1].remedy.as_deref().unwrap();
        assert!(remedy.contains("seccomp=unconfined"), "{remedy}");
        for users in [Users::Made, Users::NotNeeded] {
            let costs = |finding: &Finding| finding.state == FindingState::Costs;
            assert!(!told("1", users).iter().any(costs));
        }
    }
}
