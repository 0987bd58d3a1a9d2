//! Whether the kernel's out-of-memory killer was at work.
//!
//! It sends SIGKILL as anybody may, and leaves a count: for each memory cgroup
//! (`memory.events` in version 2, `memory.oom_control` in version 1, both `oom_kill N`), and
//! for the machine (`/proc/vmstat`, Linux 4.13 and newer). A count that rose since the last
//! look is the best evidence that an unprivileged process can have.

use std::fs;
use std::path::{Path, PathBuf};

/// The counts, as they were at the last look.
#[derive(Debug)]
pub(crate) struct OomCounts {
    counts: Vec<Count>,
}

#[derive(Debug)]
struct Count {
    file: PathBuf,
    seen: u64,
}

impl OomCounts {
    /// Looks for the counts of this process's cgroups, nearest first, and of the machine.
    pub(crate) fn find() -> Self {
        Self::below(Path::new("/"))
    }

    fn below(root: &Path) -> Self {
        let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mut files: Vec<PathBuf> = own.lines().flat_map(|line| files(root, line)).collect();
        files.push(root.join("proc/vmstat"));
        let counts = files.into_iter().filter_map(|file| {
            let seen = read(&file)?;
            Some(Count { file, seen })
        });
        Self {
            counts: counts.collect(),
        }
    }

    /// What rose since the last look, in words; `None` where nothing did.
    pub(crate) fn rose(&mut self) -> Option<String> {
        let mut rose = None;
        for count in &mut self.counts {
            let now = read(&count.file).unwrap_or(count.seen);
            let seen = std::mem::replace(&mut count.seen, now);
            if now > seen {
                let file = count.file.display();
                rose.get_or_insert_with(|| format!("oom_kill of {file} rose from {seen} to {now}"));
            }
        }
        rose
    }
}

/// The files of one line of `/proc/self/cgroup` (`cgroups(7)`), upwards. In a container the
/// path is the host's and only the root of the tree is to be seen.
fn files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (Some(number), Some(controllers), Some(path)) =
        (fields.next(), fields.next(), fields.next())
    else {
        return Vec::new();
    };
    let (trees, file) = if number == "0" {
        (
            ["sys/fs/cgroup", "sys/fs/cgroup/unified"].as_slice(),
            "memory.events",
        )
    } else if controllers.split(',').any(|name| name == "memory") {
        (["sys/fs/cgroup/memory"].as_slice(), "memory.oom_control")
    } else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for tree in trees {
        for up in Path::new(path.trim_start_matches('/')).ancestors() {
            places.push(root.join(tree).join(up).join(file));
        }
    }
    places
}

fn read(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files, and what rises in it once they hold the others.
    fn rises(before: &[(&str, &str)], after: &[(&str, &str)]) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        let write = |files: &[(&str, &str)]| {
            for (name, text) in files {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        };
        write(before);
        let mut counts = OomCounts::below(root.path());
        assert_eq!(counts.rose(), None, "nothing has happened yet");
        write(after);
        let rose = counts.rose();
        assert_eq!(counts.rose(), None, "told once");
        rose.map(|text| text.replace(&*root.path().to_string_lossy(), ""))
    }

    const V2: (&str, &str) = ("proc/self/cgroup", "0::/user/run\n");
    const V1: (&str, &str) = ("proc/self/cgroup", "4:cpu:/\n5:memory:/job/7\n0::/\n");
    const MACHINE: (&str, &str) = ("proc/vmstat", "nr_free_pages 3\noom_kill 5\n");

    #[test]
    fn the_nearest_count_that_rose_is_named() {
        let events = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n";
        let risen = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n";
        let own = "sys/fs/cgroup/user/run/memory.events";
        let above = "sys/fs/cgroup/user/memory.events";
        let machine = (MACHINE.0, "nr_free_pages 1\noom_kill 6\n");
        assert_eq!(
            rises(
                &[V2, (own, events), (above, events), MACHINE],
                &[(own, risen), machine]
            ),
            Some(format!("oom_kill of /{own} rose from 1 to 2"))
        );
        assert_eq!(
            rises(&[V2, (own, events), (above, events)], &[(above, risen)]),
            Some(format!("oom_kill of /{above} rose from 1 to 2"))
        );
        assert_eq!(
            rises(&[V2, MACHINE], &[machine]),
            Some("oom_kill of /proc/vmstat rose from 5 to 6".to_owned())
        );
        assert_eq!(rises(&[V2, (own, events)], &[(own, events)]), None);
    }

    #[test]
    fn version_1_is_read_where_only_the_trees_root_is_to_be_seen() {
        let before = "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n";
        let after = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
        let file = "sys/fs/cgroup/memory/memory.oom_control";
        assert_eq!(
            rises(&[V1, (file, before)], &[(file, after)]),
            Some(format!("oom_kill of /{file} rose from 0 to 1"))
        );
    }

    #[test]
    fn a_machine_without_counts_tells_nothing() {
        assert_eq!(rises(&[("proc/self/cgroup", "odd\n")], &[]), None);
    }
}
