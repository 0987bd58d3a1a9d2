//! Mounts of its own: `/tmp`, `/dev/shm`, `/proc`, and a name for its address.

use super::network::{ADDRESS, Failed, doing};
use super::{Blueprint, Wall};
use rustix::fs::{Mode, chmod};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move,
};
use rustix::system::uname;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Readable and writable by all, and what is in it removable by its owner alone.
const OPEN_TO_ALL: Mode = Mode::from_raw_mode(0o1777);

/// Sets up the mounts of a mount namespace that has just been made.
pub(super) fn set_up(blueprint: &Blueprint) -> Result<(), Failed> {
    // What is mounted outside later is seen here, and nothing the other way round.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave).map_err(doing("keep mounts from the outside"))?;
    own_shm(blueprint).map_err(doing("mount a /dev/shm of its own"))?;
    if blueprint.has(Wall::Net) {
        own_hosts(blueprint).map_err(doing("mount an /etc/hosts of its own"))?;
    }
    // Last, because the folder may lie in what it covers.
    own_tmp(blueprint).map_err(doing("mount a /tmp of its own"))
}

/// Shows the processes of the process namespace that this one is in.
pub(super) fn show_processes() -> Result<(), Failed> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(doing("mount /proc"))
}

fn own_tmp(blueprint: &Blueprint) -> io::Result<()> {
    let tmp = blueprint.folder.join("tmp");
    fs::create_dir_all(&tmp)?;
    chmod(&tmp, OPEN_TO_ALL)?;
    share(blueprint, Path::new("/tmp"), &tmp)?;
    mount_bind_recursive(&tmp, "/tmp")?;
    Ok(())
}

fn own_shm(blueprint: &Blueprint) -> io::Result<()> {
    let place = Path::new("/dev/shm");
    if !place.is_dir() {
        return Ok(());
    }
    // Filled beside, because what is shared cannot be seen any more once it lies above.
    let shm = blueprint.folder.join("shm");
    fs::create_dir_all(&shm)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("dyno", &shm, "tmpfs", flags, Some(c"mode=1777"))?;
    share(blueprint, place, &shm)?;
    mount_move(&shm, place)?;
    fs::remove_dir(&shm)
}

/// Mounts what is shared of `place` at the same place below `own`, which will cover it.
fn share(blueprint: &Blueprint, place: &Path, own: &Path) -> io::Result<()> {
    for path in outermost(&blueprint.shared) {
        let Ok(rest) = path.strip_prefix(place) else {
            continue;
        };
        let Ok(kind) = fs::metadata(path) else {
            continue;
        };
        let target = own.join(rest);
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            OpenOptions::new().create(true).append(true).open(&target)?;
        }
        mount_bind_recursive(path, &target)?;
    }
    Ok(())
}

/// Those of `paths` that lie below no other of them.
fn outermost(paths: &[PathBuf]) -> Vec<&Path> {
    let mut sorted: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    sorted.sort();
    let mut kept: Vec<&Path> = Vec::new();
    for path in sorted {
        if !kept.last().is_some_and(|last| path.starts_with(last)) {
            kept.push(path);
        }
    }
    kept
}

/// Whoever looks the hostname up finds an address, as outside, where a server of names may have
/// told it.
fn own_hosts(blueprint: &Blueprint) -> io::Result<()> {
    let place = Path::new("/etc/hosts");
    let Ok(hosts) = fs::read_to_string(place) else {
        return Ok(());
    };
    let name = uname();
    let Ok(name) = name.nodename().to_str() else {
        return Ok(());
    };
    let Some(own) = with_name(&hosts, name) else {
        return Ok(());
    };
    let file = blueprint.folder.join("hosts");
    fs::write(&file, own)?;
    mount_bind(&file, place)?;
    Ok(())
}

/// The text of a `hosts(5)` with `name` in it; `None` where it has it already.
fn with_name(hosts: &str, name: &str) -> Option<String> {
    let known = hosts
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .any(|line| line.split_whitespace().skip(1).any(|one| one == name));
    if known || name.is_empty() {
        return None;
    }
    let end = if hosts.is_empty() || hosts.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Some(format!("{hosts}{end}{ADDRESS} {name}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostname_that_is_known_is_left_alone() {
        assert_eq!(
            with_name("127.0.0.1 localhost\n127.0.1.1\thost h\n", "h"),
            None
        );
        assert_eq!(with_name("127.0.0.1 localhost\n", ""), None);
        assert_eq!(
            with_name("127.0.0.1 localhost # h", "h").unwrap(),
            "127.0.0.1 localhost # h\n198.18.0.1 h\n"
        );
    }

    #[test]
    fn what_lies_below_something_shared_is_not_shared_twice() {
        let paths: Vec<PathBuf> = ["/tmp/ab", "/tmp/a/b", "/tmp/a", "/tmp/a", "/tmp/c/d"]
            .map(PathBuf::from)
            .to_vec();
        let kept: Vec<_> = outermost(&paths)
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect();
        assert_eq!(kept, ["/tmp/a", "/tmp/ab", "/tmp/c/d"]);
    }
}
