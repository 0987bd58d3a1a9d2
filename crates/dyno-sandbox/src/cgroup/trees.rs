//! Which trees of control groups a process is in, and where (`cgroups(7)`).
//!
//! Read off two files: `/proc/self/mountinfo` tells which trees are mounted where, and
//! `/proc/self/cgroup` the place of the process in each. A machine has one tree of version 2, or
//! one of version 1 for each controller, or both kinds side by side (*hybrid*).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A tree of groups that is mounted here, and this process's place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) version: Version,
    /// Where it is mounted.
    pub(super) top: PathBuf,
    /// The folder of the group that this process is in.
    pub(super) own: PathBuf,
}

/// The two kinds of trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Of one or several controllers.
    One(Vec<String>),
    /// Of all controllers that are in no tree of version 1.
    Two,
}

impl Tree {
    pub(super) fn has(&self, controller: &str) -> bool {
        matches!(&self.version, Version::One(all) if all.iter().any(|one| one == controller))
    }
}

/// The trees in which this process has a place that can be seen, by the text of the two files.
pub(super) fn parse(mountinfo: &str, own: &str) -> Vec<Tree> {
    let places: Vec<Place> = own.lines().filter_map(Place::parse).collect();
    let mut trees: Vec<Tree> = Vec::new();
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        let is_of = |place: &&Place| match &mount.version {
            Version::Two => place.controllers.is_empty(),
            Version::One(all) => place.controllers.iter().any(|one| all.contains(one)),
        };
        let place = places.iter().find(is_of);
        let Some(own) = place.and_then(|place| mount.folder(&place.path)) else {
            continue;
        };
        // A tree can be mounted several times, also over another.
        trees.retain(|tree| tree.version != mount.version);
        trees.push(Tree {
            version: mount.version,
            top: mount.point,
            own,
        });
    }
    trees
}

/// A line of `/proc/self/cgroup`: `NUMBER:CONTROLLERS:PATH`. Version 2 names no controllers.
struct Place {
    controllers: Vec<String>,
    path: String,
}

impl Place {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let controllers: Vec<String> = controllers
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        // `name=systemd` is a tree without a controller.
        let is_known = number == "0" || !controllers.is_empty();
        is_known.then(|| Self {
            controllers,
            path: path.to_owned(),
        })
    }
}

/// A line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`) that is about such a tree.
struct Mount {
    version: Version,
    /// The group that is to be seen at the mount point.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, source) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut source = source.split(' ');
        let version = match source.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => {
                let options = source.nth(1).unwrap_or_default();
                Version::One(options.split(',').map(str::to_owned).collect())
            }
            _ => return None,
        };
        Some(Self {
            version,
            root: unescaped(root),
            point: unescaped(point),
        })
    }

    /// The folder of a group, where it can be seen through this mount.
    fn folder(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        // A group above the root of a namespace of groups is `/..`.
        let is_above = path.components().any(|part| part.as_os_str() == "..");
        let rest = path.strip_prefix(&self.root).ok().filter(|_| !is_above)?;
        // Without a slash at its end.
        Some(self.point.join(rest).components().collect())
    }
}

/// A path of mountinfo, in which blanks and the like are octal numbers: `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let code = code.filter(|_| byte == b'\\');
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controllers (`-` for version 2), mount point and own folder of each tree.
    fn found(mountinfo: &str, own: &str) -> Vec<String> {
        let text = |tree: &Tree| {
            let kind = match &tree.version {
                Version::Two => "-".to_owned(),
                Version::One(all) => all.join("+"),
            };
            format!("{kind} {} {}", tree.top.display(), tree.own.display())
        };
        parse(mountinfo, own).iter().map(text).collect()
    }

    #[test]
    fn version_2_alone() {
        // Debian 12, a session of an ordinary user.
        let mounts = "29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - \
                      cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n\
                      30 22 0:27 / /sys/fs/pstore rw shared:5 - pstore pstore rw\n";
        let own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n";
        let scope = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope";
        assert_eq!(found(mounts, own), [format!("- /sys/fs/cgroup {scope}")]);
        // A container with a namespace of groups of its own.
        assert_eq!(found(mounts, "0::/\n"), ["- /sys/fs/cgroup /sys/fs/cgroup"]);
        assert_eq!(
            found(mounts, "0::/../other\n"),
            [""; 0],
            "it is out of sight"
        );
        assert_eq!(found("", own), [""; 0]);
    }

    #[test]
    fn version_1_in_a_container_that_sees_its_own_group_alone() {
        let mounts = "710 709 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - \
                      cgroup cgroup rw,cpu,cpuacct\n\
                      711 709 0:30 /docker/ab /sys/fs/cgroup/memory ro master:12 - cgroup cgroup \
                      rw,memory\n\
                      712 709 0:31 /elsewhere /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let own = "12:memory:/docker/ab\n5:cpu,cpuacct:/docker/ab/in\n4:pids:/docker/ab\n\
                   1:name=systemd:/docker/ab\n0::/docker/ab\n";
        assert_eq!(
            found(mounts, own),
            [
                "rw+cpu+cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/in",
                "rw+memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory",
            ]
        );
        let trees = parse(mounts, own);
        assert!(trees[0].has("cpuacct") && !trees[0].has("memory"));
    }

    #[test]
    fn both_versions_side_by_side() {
        let mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/a\\040b rw - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/job/7\n0::/\nodd\n";
        assert_eq!(
            found(mounts, own),
            [
                "rw+memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory/job/7",
                "- /sys/fs/cgroup/a b /sys/fs/cgroup/a b",
            ]
        );
    }

    #[test]
    fn a_tree_that_is_mounted_twice_is_taken_once() {
        let mount = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let again = mount.replace("/sys/fs/cgroup ", "/mnt ");
        assert_eq!(found(&format!("{mount}{again}"), "0::/\n"), ["- /mnt /mnt"]);
    }
}
