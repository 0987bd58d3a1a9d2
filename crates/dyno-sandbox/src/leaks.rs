//! What is left behind the walls of a sandbox when its work is over.

use crate::cgroup::Group;
use crate::{Marks, Process, Snapshot};
use rustix::process::Pid;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long what is about to end may take: an agent ends its servers when its test has ended.
const GRACE: Duration = Duration::from_secs(2);

/// More of a kind are not listed.
const MOST: usize = 20;

/// A command line is shown up to here, in characters.
const LONGEST: usize = 200;

/// Something that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub kind: LeakKind,
    /// How long ago it came to be; absent where that is not known.
    pub age: Option<Duration>,
    /// A command line, or a file's name. One line.
    pub what: String,
}

/// What can be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakKind {
    /// A process that runs.
    Process,
    /// A file in `/dev/shm`.
    Shm,
    /// Something in `/tmp`.
    File,
}

impl LeakKind {
    const ALL: [Self; 3] = [Self::Process, Self::Shm, Self::File];

    fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Shm => "shm",
            Self::File => "file",
        }
    }
}

impl fmt::Display for LeakKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// `KIND AGE WHAT`, with the age in milliseconds or `-`.
impl fmt::Display for Leak {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = self.age.map(|age| age.as_millis().to_string());
        let age = age.as_deref().unwrap_or("-");
        write!(out, "{} {age} {}", self.kind, self.what)
    }
}

impl Leak {
    /// Reads what [`fmt::Display`] writes; `None` for what it does not.
    pub fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        let (age, what) = rest.split_once(' ')?;
        let is_named = |one: &LeakKind| one.name() == kind;
        Some(Self {
            kind: LeakKind::ALL.into_iter().find(is_named)?,
            age: age.parse().ok().map(Duration::from_millis),
            what: what.to_owned(),
        })
    }
}

/// What is round the processes that are looked for.
pub(crate) enum Round<'a> {
    /// A wall of processes, with this first one.
    Wall(Pid),
    /// A control group, in which the first one is too.
    Group(&'a Group, Option<Pid>),
    /// Nothing: they are known by their marks.
    Nothing(&'a Marks),
}

impl Round<'_> {
    /// Those within that live, without the first, the oldest first.
    fn processes(&self) -> Vec<Process> {
        let mut found = match self {
            Self::Wall(first) => inside(*first),
            Self::Group(group, first) => {
                let pids = group.processes();
                let others = pids.into_iter().filter(|pid| Some(*pid) != *first);
                let live = others.filter_map(Process::read);
                live.filter(|process| !process.zombie).collect()
            }
            Self::Nothing(marks) => marks.bearers(&Snapshot::take().unwrap_or_default()),
        };
        found.sort_unstable_by_key(|process| (process.started, process.pid.as_raw_nonzero()));
        found
    }
}

/// Looks behind the walls around `first`, if there are any, whose `/tmp` is `tmp` outside.
pub(crate) fn look(first: Option<Pid>, tmp: &Path, round: &Round<'_>) -> Vec<Leak> {
    let left = wait_for_ends(|| round.processes());
    let ports = left
        .first()
        .map(|process| listening(first.unwrap_or(process.pid)));
    let ports = ports.unwrap_or_default();
    let shown = left.iter().take(MOST);
    let mut leaks: Vec<Leak> = shown.map(|process| running(process, &ports)).collect();
    let Some(first) = first else {
        return leaks;
    };
    let root = root_of(first);
    let shm = root.join("dev/shm");
    if is_another_folder(&shm, Path::new("/dev/shm")) {
        leaks.extend(files(&shm, LeakKind::Shm));
    }
    leaks.extend(files(tmp, LeakKind::File));
    leaks
}

/// The processes of the namespace that `first` is in, without itself.
fn inside(first: Pid) -> Vec<Process> {
    let Some(own) = namespace(first) else {
        return Vec::new();
    };
    // Nearly always: then nobody has to look at all processes of the machine.
    if is_alone(first, &own) {
        return Vec::new();
    }
    let snapshot = Snapshot::take().unwrap_or_default();
    let is_inside = |process: &&Process| {
        process.pid != first && !process.zombie && namespace(process.pid).as_ref() == Some(&own)
    };
    snapshot.all().filter(is_inside).copied().collect()
}

/// What a process has for `/`.
fn root_of(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", pid.as_raw_nonzero()))
}

/// The namespace of processes that a process is in.
fn namespace(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{}/ns/pid", pid.as_raw_nonzero())).ok()
}

/// Whether both are there and in one namespace of processes.
pub(crate) fn shares_namespace(one: Pid, other: Pid) -> bool {
    namespace(one).is_some_and(|namespace_of_one| namespace(other) == Some(namespace_of_one))
}

/// Whether nobody else is in the namespace of `first`, by the `/proc` behind the walls; false where
/// that is another one's.
fn is_alone(first: Pid, namespace: &Path) -> bool {
    let proc = root_of(first).join("proc");
    let Ok(entries) = fs::read_dir(&proc) else {
        return false;
    };
    let is_number = |name: &OsString| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let names = entries.flatten().map(|entry| entry.file_name());
    let inside: Vec<OsString> = names.filter(is_number).collect();
    inside == ["1"] && fs::read_link(proc.join("1/ns/pid")).is_ok_and(|own| own == namespace)
}

/// Those that have not ended after the grace.
fn wait_for_ends(left: impl Fn() -> Vec<Process>) -> Vec<Process> {
    let deadline = Instant::now() + GRACE;
    loop {
        let processes = left();
        let remaining = deadline.saturating_duration_since(Instant::now());
        let Some(first) = processes.first() else {
            return processes;
        };
        if remaining.is_zero() {
            return processes;
        }
        // One after the other: each is either gone, or holds the rest up to the deadline.
        first.wait(remaining);
    }
}

fn running(process: &Process, ports: &HashMap<u64, u16>) -> Leak {
    let pid = process.pid.as_raw_nonzero();
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let mut what: String = one_line(line.trim_end()).chars().take(LONGEST).collect();
    if what.is_empty() {
        what = fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(
            |_| "a process that has ended since".to_owned(),
            |name| one_line(name.trim_end()),
        );
    }
    let own: BTreeSet<u16> = sockets(process)
        .iter()
        .filter_map(|inode| ports.get(inode).copied())
        .collect();
    if !own.is_empty() {
        let own: Vec<String> = own.iter().map(u16::to_string).collect();
        what = format!("{what} (listens on {})", own.join(", "));
    }
    Leak {
        kind: LeakKind::Process,
        age: age_of(process),
        what,
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// How long ago a process was started.
fn age_of(process: &Process) -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second();
    let started = Duration::from_millis(process.started.saturating_mul(1000) / ticks.max(1));
    Some(Duration::from_secs_f64(uptime).saturating_sub(started))
}

/// The inodes of a process's sockets.
fn sockets(process: &Process) -> Vec<u64> {
    let folder = format!("/proc/{}/fd", process.pid.as_raw_nonzero());
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        })
        .collect()
}

/// Listening TCP sockets of the network that `first` is in, by inode.
fn listening(first: Pid) -> HashMap<u64, u16> {
    let tables = ["tcp", "tcp6"].map(|table| {
        let path = format!("/proc/{}/net/{table}", first.as_raw_nonzero());
        fs::read_to_string(path).unwrap_or_default()
    });
    (tables.iter().flat_map(|table| table.lines()))
        .filter_map(listener)
        .collect()
}

/// Inode and port of a line of `/proc/net/tcp` (`proc_pid_net(5)`) that is about a listener.
fn listener(line: &str) -> Option<(u64, u16)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    let is_listening = *fields.get(3)? == "0A";
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    is_listening.then_some((inode, port))
}

fn is_another_folder(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) != (other.dev(), other.ino()),
        _ => false,
    }
}

/// What is in a folder of the sandbox's own, without what is only mounted there, and without
/// the empty files and folders on which it is.
fn files(folder: &Path, kind: LeakKind) -> Vec<Leak> {
    let (Ok(own), Ok(entries)) = (fs::metadata(folder), fs::read_dir(folder)) else {
        return Vec::new();
    };
    let mut found: Vec<Leak> = entries
        .flatten()
        .filter_map(|entry| {
            let data = entry.metadata().ok()?;
            if data.dev() != own.dev() || is_empty(&entry.path(), &data) {
                return None;
            }
            let made = data.created().or_else(|_| data.modified()).ok();
            Some(Leak {
                kind,
                age: made.and_then(|made| SystemTime::now().duration_since(made).ok()),
                what: one_line(&entry.file_name().to_string_lossy()),
            })
        })
        .collect();
    found.sort_unstable_by(|one, other| one.what.cmp(&other.what));
    found.truncate(MOST);
    found
}

fn is_empty(path: &Path, data: &Metadata) -> bool {
    if !data.is_dir() {
        return data.is_file() && data.len() == 0;
    }
    let Ok(entries) = fs::read_dir(path) else {
        return false;
    };
    entries.flatten().all(|entry| {
        entry
            .metadata()
            .is_ok_and(|data| is_empty(&entry.path(), &data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_read_as_it_is_written() {
        for (kind, age) in LeakKind::ALL.into_iter().zip([Some(1500), None, Some(0)]) {
            let leak = Leak {
                kind,
                age: age.map(Duration::from_millis),
                what: "sleep 1000 (listens on 1, 2)".to_owned(),
            };
            assert_eq!(Leak::parse(&leak.to_string()), Some(leak));
        }
        for line in ["", "process", "process 1", "mount 1 x"] {
            assert_eq!(Leak::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let line = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listener(line), Some((4711, 8000)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(
            listener("  sl  local_address rem_address   st tx_queue"),
            None
        );
    }

    #[test]
    fn empty_places_are_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/empty"), "").unwrap();
        assert_eq!(files(folder.path(), LeakKind::File), []);
        fs::write(folder.path().join("left"), "x").unwrap();
        let left = files(folder.path(), LeakKind::File);
        assert_eq!(left[0].what, "left");
        assert!(left[0].age.is_some_and(|age| age < Duration::from_secs(60)));
    }

    #[test]
    fn this_process_has_an_age() {
        let own = Process::read(rustix::process::getpid()).unwrap();
        assert!(age_of(&own).is_some_and(|age| age < Duration::from_secs(3600)));
    }
}
