//! What the files of a group tell of what its processes used.

use dyno_model::{Bytes, Usage};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads the files of a group's folders. What none of them has is absent.
pub(super) fn usage(folders: &[PathBuf]) -> Usage {
    let files = Files(folders);
    let size = |names: &[&str]| names.iter().find_map(|name| files.number(name));
    // In version 1 only those count what is in groups below.
    let cache = ["total_", ""].into_iter().find_map(|kind| {
        let part = |state: &str| files.keyed("memory.stat", &format!("{kind}{state}_file"));
        Some(part("active")? + part("inactive")?)
    });
    let event = |names: &[(&str, &str)]| {
        let count = |(file, key): &(&str, &str)| files.keyed(file, key);
        names.iter().find_map(count).unwrap_or(0)
    };
    let time = |state: &str| {
        let micros = files.keyed("cpu.stat", &format!("{state}_usec"));
        // Of version 1, in nanoseconds.
        let file = format!(
            "cpuacct.usage_{}",
            if state == "user" { "user" } else { "sys" }
        );
        let nanos = || files.number(&file).map(Duration::from_nanos);
        micros.map(Duration::from_micros).or_else(nanos)
    };
    Usage {
        peak: size(&["memory.peak", "memory.max_usage_in_bytes"]).map(Bytes),
        cache: cache.map(Bytes),
        user: time("user"),
        system: time("system"),
        oom_kills: event(&[
            ("memory.events", "oom_kill"),
            ("memory.oom_control", "oom_kill"),
        ]),
        shortages: event(&[("memory.events", "oom")]) + size(&["memory.failcnt"]).unwrap_or(0),
        refused_forks: event(&[("pids.events", "max")]),
    }
}

/// The files of several folders.
struct Files<'a>(&'a [PathBuf]);

impl Files<'_> {
    /// The first file of this name.
    fn text(&self, name: &str) -> Option<String> {
        let read = |folder: &PathBuf| fs::read_to_string(Path::join(folder, name)).ok();
        self.0.iter().find_map(read)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// The number behind a key of a file of lines `KEY NUMBER`.
    fn keyed(&self, name: &str, key: &str) -> Option<u64> {
        let text = self.text(name)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, number) = lines.find(|(one, _)| *one == key)?;
        number.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of folders with these files, as Linux writes them.
    fn told(folders: &[&[(&str, &str)]]) -> Usage {
        let root = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (number, files) in folders.iter().enumerate() {
            let folder = root.path().join(number.to_string());
            fs::create_dir(&folder).unwrap();
            for (name, text) in *files {
                fs::write(folder.join(name), text).unwrap();
            }
            paths.push(folder);
        }
        usage(&paths)
    }

    const CPU: (&str, &str) = (
        "cpu.stat",
        "usage_usec 3500\nuser_usec 2500\nsystem_usec 1000\nnice_usec 0\n",
    );

    #[test]
    fn version_2_is_read() {
        let events = "low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 0\n";
        let stat = "anon 500\nfile 700\nkernel 3\ninactive_file 600\nactive_file 50\n";
        let usage = told(&[&[
            ("memory.peak", "536870912\n"),
            ("memory.events", events),
            ("memory.stat", stat),
            CPU,
            ("pids.events", "max 7\n"),
        ]]);
        let expected = Usage {
            peak: Some(Bytes(512 << 20)),
            cache: Some(Bytes(650)),
            user: Some(Duration::from_micros(2500)),
            system: Some(Duration::from_millis(1)),
            oom_kills: 2,
            shortages: 3,
            refused_forks: 7,
        };
        assert_eq!(usage, expected);
    }

    #[test]
    fn version_1_is_read_and_so_are_both_together() {
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
        let stat = "cache 1\ninactive_file 1\nactive_file 1\ntotal_inactive_file 30\n\
                    total_active_file 4\n";
        let memory: &[(&str, &str)] = &[
            ("memory.max_usage_in_bytes", "4096\n"),
            ("memory.oom_control", control),
            ("memory.failcnt", "12\n"),
            ("memory.stat", stat),
        ];
        let time: &[(&str, &str)] = &[
            ("cpuacct.usage_user", "2500000\n"),
            ("cpuacct.usage_sys", "1000000\n"),
        ];
        let usage = told(&[memory, time]);
        assert_eq!(usage.peak, Some(Bytes(4096)));
        assert_eq!((usage.oom_kills, usage.shortages), (1, 12));
        assert_eq!(usage.user, Some(Duration::from_micros(2500)));
        assert_eq!(told(&[&[CPU], memory]), usage, "a hybrid machine");
    }

    #[test]
    fn a_kernel_that_tells_less_is_believed() {
        // `memory.peak` is of Linux 5.19.
        let usage = told(&[&[("memory.events", "oom 0\n"), ("cpu.stat", "odd")]]);
        assert_eq!(usage, Usage::default());
    }
}
