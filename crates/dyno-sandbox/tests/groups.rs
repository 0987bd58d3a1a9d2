//! Real control groups. Run as `groups test NAME` this program is one test, in whatever groups it
//! finds itself in and as whoever it is; as `groups leave RUN` it is a run that makes a group, says
//! where, and waits to be killed. Run otherwise it is all tests: as root in root's groups, and as
//! nobody in groups that were given to nobody.

use dyno_model::{Bytes, Limits};
use dyno_sandbox::cgroup::{Group, Lack, Maker, Need, Site};
use rustix::process::{Pid, geteuid};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

const NOBODY: u32 = 65534;

const TESTS: [(&str, fn()); 5] = [
    ("limits_are_held_and_counted", limits_are_held_and_counted),
    ("time_is_counted", time_is_counted),
    ("all_end_with_their_group", all_end_with_their_group),
    (
        "what_dead_runs_left_is_removed",
        what_dead_runs_left_is_removed,
    ),
    ("a_run_leaves_no_trace", a_run_leaves_no_trace),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test", name] => {
            // Whoever started it has put it where it belongs by then.
            std::io::stdin().read_line(&mut String::new()).unwrap();
            let test = TESTS.iter().find(|(known, _)| *known == name).unwrap().1;
            test();
            return ExitCode::SUCCESS;
        }
        ["leave", run] => {
            leave(run);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let probe = Site::find(Maker::this("probe"), &Need::ALL);
    let lacks: Vec<String> = probe.lacks().iter().map(said).collect();
    let is_without = !Need::ALL.iter().all(|need| probe.serves(*need));
    let own: Vec<PathBuf> = probe
        .folders()
        .map(|(folder, _)| folder.to_owned())
        .collect();
    probe.close();
    if is_without {
        println!(
            "not tested, because this machine lacks\n{}",
            lacks.join("\n")
        );
        return ExitCode::SUCCESS;
    }
    for (name, _) in TESTS {
        run_as(None, &[], name);
        println!("test {name} (own) ... ok");
        if geteuid().is_root() {
            let given = Given::to_nobody(&own, name);
            if given.has_controllers() {
                run_as(Some(NOBODY), &given.0, name);
                println!("test {name} (nobody) ... ok");
            } else {
                println!("test {name} (nobody) ... not tested: our group passes nothing on");
            }
        }
    }
    ExitCode::SUCCESS
}

fn said(lack: &Lack) -> String {
    format!("  {}: {}", lack.need, lack.why)
}

/// Groups that are somebody's to make others in.
struct Given(Vec<PathBuf>);

impl Given {
    fn to_nobody(above: &[PathBuf], name: &str) -> Self {
        let folders = above.iter().map(|above| {
            let folder = above.join(format!("groups-test-{}-{name}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            for file in ["", "cgroup.procs", "cgroup.subtree_control"] {
                let path = folder.join(file);
                if path.exists() {
                    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
            folder
        });
        Self(folders.collect())
    }

    fn has_controllers(&self) -> bool {
        ["memory", "pids"].iter().all(|name| {
            let is_one = |folder: &PathBuf| folder.join(format!("{name}.max")).exists();
            let limit = |folder: &PathBuf| folder.join(format!("{name}.limit_in_bytes")).exists();
            self.0.iter().any(|folder| is_one(folder) || limit(folder))
        })
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        Group::at(self.0.clone()).clear();
    }
}

/// Runs a test as a user, in these groups.
fn run_as(user: Option<u32>, groups: &[PathBuf], name: &str) {
    let mut command = Command::new("/proc/self/exe");
    command.args(["test", name]).current_dir("/");
    command.stdin(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
    for group in groups {
        fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success(), "{name}");
}

fn site() -> Site {
    let site = Site::find(Maker::this("test"), &Need::ALL);
    assert_eq!(site.lacks(), []);
    site
}

/// A shell in a group, which runs the script once it is there.
fn start(group: &Group, script: &str) -> Child {
    let script = format!("read x; {script}");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    group.admit(Pid::from_raw(pid).unwrap()).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child
}

fn limits_are_held_and_counted() {
    let site = site();
    let group = site.group("memory").unwrap();
    group.create().unwrap();
    let memory = Some(Bytes(32 << 20));
    let limits = Limits {
        memory,
        processes: Some(8),
    };
    assert_eq!(group.limit(&limits), []);
    // Without a line's end `tail` keeps all of it.
    let eats = "head -c 200000000 /dev/zero | tail -n 1 | wc -c";
    let output = start(&group, eats).wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
    let usage = group.usage();
    assert!(usage.oom_kills >= 1 && usage.shortages >= 1, "{usage:?}");
    if let Some(peak) = usage.peak {
        assert!((16 << 20..=32 << 20).contains(&peak.0), "{usage:?}");
    }
    assert_eq!(usage.refused_forks, 0);
    let forks = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done";
    let mut shell = start(&group, forks);
    // Some shells try again for seconds.
    while group.usage().refused_forks == 0 && shell.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    assert!(group.usage().refused_forks >= 1);
    group.clear();
    shell.wait().unwrap();
    site.close();
}

fn time_is_counted() {
    let site = site();
    let group = site.group("time").unwrap();
    group.create().unwrap();
    // Of one that nobody waits for, too.
    let spins = "(setsid sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo' &)";
    start(&group, spins).wait_with_output().unwrap();
    let cpu = group.usage().cpu().unwrap();
    assert!(cpu.as_millis() >= 10, "{cpu:?}");
    site.close();
}

fn all_end_with_their_group() {
    let site = site();
    let group = site.group("end").unwrap();
    group.create().unwrap();
    let script = "(setsid env -i sleep 1000 &); (setsid sh -c 'trap \"\" TERM INT HUP; sleep 1000' &)
         sh -c 'kill -STOP $$' & i=0; while [ $i -lt 100 ]; do i=$((i+1)); sleep 1000 & done; echo up; wait";
    let mut child = start(&group, script);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    assert!(group.processes().len() > 100);
    // A test may make groups of its own.
    for folder in group.folders() {
        fs::create_dir(folder.join("inner")).unwrap();
    }
    group.clear();
    // They held it open.
    assert_eq!(out.read_line(&mut line).unwrap(), 0);
    child.wait().unwrap();
    assert!(group.folders().iter().all(|folder| !folder.exists()));
    group.clear();
    site.close();
}

/// What a run does that is killed.
fn leave(run: &str) {
    let site = Site::find(Maker::this(run), &Need::ALL);
    let group = site.group("gw0").unwrap();
    group.create().unwrap();
    let mut sleeper = start(&group, "exec sleep 1000");
    let folders: Vec<String> = group
        .folders()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    println!("{} {}", sleeper.id(), folders.join(" "));
    sleeper.wait().unwrap();
}

fn what_dead_runs_left_is_removed() {
    let mut dead = Command::new("/proc/self/exe")
        .args(["leave", "killed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(dead.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (sleeper, folders) = line.trim_end().split_once(' ').unwrap();
    let folders: Vec<&Path> = folders.split(' ').map(Path::new).collect();
    let is_there = || folders.iter().all(|folder| folder.is_dir());
    assert!(is_there());
    site().close();
    assert!(is_there(), "its run is alive");
    dead.kill().unwrap();
    dead.wait().unwrap();
    assert!(is_there(), "nobody could have removed it");
    site().close();
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    let state = fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

fn a_run_leaves_no_trace() {
    let own = || fs::read_to_string("/proc/self/cgroup").unwrap();
    let before = own();
    let site = site();
    let parents: Vec<PathBuf> = site
        .folders()
        .map(|(folder, _)| folder.to_owned())
        .collect();
    for name in ["gw0", "gw1"] {
        site.group(name).unwrap().create().unwrap();
    }
    site.close();
    assert_eq!(own(), before);
    for parent in parents {
        let left = fs::read_dir(&parent).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        let is_ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("dyno.test.");
        assert!(!left.iter().any(is_ours), "{left:?}");
    }
}
