//! Real process trees under a real keeper. Run as `keeper keep FD COMMAND...` this
//! program is the keeper; run otherwise it is the tests.

use dyno_sandbox::keeper::{Keeper, OWNER_DIED, Orphans, keep};
use dyno_sandbox::{Group, Process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == "keep" => return be_keeper(args, Orphans::Die),
        Some(first) if first == "keep-on" => return be_keeper(args, Orphans::LiveOn),
        _ => {}
    }
    let tests: [(&str, fn()); 12] = [
        ("ends_as_the_command_does", ends_as_the_command_does),
        (
            "kills_all_when_the_owner_dies",
            kills_all_when_the_owner_dies,
        ),
        (
            "kills_what_the_command_leaves",
            kills_what_the_command_leaves,
        ),
        ("kills_a_tree_that_grows", kills_a_tree_that_grows),
        ("the_command_starts_clean", the_command_starts_clean),
        (
            "passes_descriptors_but_the_lifeline",
            passes_descriptors_but_the_lifeline,
        ),
        ("does_not_hear_signals", does_not_hear_signals),
        (
            "a_killed_keeper_takes_the_command_along",
            a_killed_keeper_takes_the_command_along,
        ),
        ("names_what_it_cannot_use", names_what_it_cannot_use),
        (
            "orphans_live_on_and_their_ends_are_told",
            orphans_live_on_and_their_ends_are_told,
        ),
        (
            "a_commands_socket_is_closed_when_it_has_ended",
            a_commands_socket_is_closed_when_it_has_ended,
        ),
        ("a_stopped_command_goes_on", a_stopped_command_goes_on),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn be_keeper(mut args: impl Iterator<Item = std::ffi::OsString>, orphans: Orphans) -> ExitCode {
    let lifeline = args.next().unwrap().to_str().unwrap().parse().unwrap();
    let keeper = Keeper {
        lifeline,
        group: Group::Own,
        orphans,
        command: args.collect(),
    };
    match keep(keeper) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(99)
        }
    }
}

/// A keeper whose owner is this process.
struct Kept {
    keeper: Child,
    lines: Lines<BufReader<ChildStdout>>,
    owner: PipeWriter,
}

impl Kept {
    fn start(script: &str) -> Self {
        Self::start_with(script, &[])
    }

    fn start_with(script: &str, passed: &[&OwnedFd]) -> Self {
        let (lifeline, owner) = pipe().unwrap();
        let mut command = keeper(&lifeline, "keep", &["sh", "-c", script], passed);
        let mut keeper = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
        Self {
            keeper,
            lines,
            owner,
        }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the command says more").unwrap()
    }

    fn pid(&mut self) -> Pid {
        Pid::from_raw(self.line().trim().parse().unwrap()).unwrap()
    }

    fn code(mut self) -> i32 {
        self.keeper.wait().unwrap().code().unwrap()
    }

    fn code_after_the_owners_death(mut self) -> i32 {
        drop(self.owner);
        self.keeper.wait().unwrap().code().unwrap()
    }
}

fn keeper(lifeline: &impl AsRawFd, how: &str, argv: &[&str], passed: &[&OwnedFd]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(how).arg(lifeline.as_raw_fd().to_string());
    command.args(argv).stdin(Stdio::null());
    let mut inherit = vec![lifeline.as_raw_fd()];
    inherit.extend(passed.iter().map(|fd| fd.as_raw_fd()));
    // SAFETY: the descriptors are open, and the call is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for &fd in &inherit {
                let fd = rustix::fd::BorrowedFd::borrow_raw(fd);
                fcntl_setfd(fd, FdFlags::empty())?;
            }
            Ok(())
        })
    };
    command
}

fn alive(pid: Pid) -> bool {
    Process::read(pid).is_some_and(|process| !process.zombie)
}

fn ends_as_the_command_does() {
    assert_eq!(Kept::start("exit 0").code(), 0);
    assert_eq!(Kept::start("exit 3").code(), 3);
    assert_eq!(Kept::start("kill -TERM $$").code(), 128 + 15);
}

/// Says the ids of: itself; a child that ignores SIGTERM; a daemon that left the session,
/// was orphaned and lost its environment; a stopped child.
const FAMILY: &str = "
    echo $$
    sh -c 'trap \"\" TERM INT HUP; echo $$; exec sleep 1000' & wait_for=$!
    (setsid env -i sh -c 'echo $$; exec sleep 1000' &)
    sh -c 'echo $$; kill -STOP $$; exec sleep 1000' &
";

fn kills_all_when_the_owner_dies() {
    let mut kept = Kept::start(&format!("{FAMILY} wait $wait_for"));
    let pids: Vec<Pid> = (0..4).map(|_| kept.pid()).collect();
    assert!(pids.iter().all(|&pid| alive(pid)));
    assert_eq!(kept.code_after_the_owners_death(), i32::from(OWNER_DIED));
    for pid in pids {
        assert!(Process::read(pid).is_none(), "{pid:?} is left");
    }
}

fn kills_what_the_command_leaves() {
    let mut kept = Kept::start(&format!("{FAMILY} read answer; exit 7"));
    // Its stdin is empty, so the command ends at once; what it started may or may not
    // have spoken by then.
    let first = kept.pid();
    let mut rest = Vec::new();
    for line in kept.lines.by_ref() {
        rest.push(Pid::from_raw(line.unwrap().parse().unwrap()).unwrap());
    }
    assert_eq!(kept.keeper.wait().unwrap().code(), Some(7));
    for pid in rest.into_iter().chain([first]) {
        assert!(Process::read(pid).is_none(), "{pid:?} is left");
    }
}

fn kills_a_tree_that_grows() {
    let mut kept = Kept::start(
        "i=0; while [ $i -lt 300 ]; do i=$((i+1));
         (setsid sh -c 'echo $$; exec sleep 1000' &); done; wait; sleep 1000",
    );
    let mut pids: Vec<Pid> = (0..20).map(|_| kept.pid()).collect();
    drop(kept.owner);
    assert_eq!(
        kept.keeper.wait().unwrap().code(),
        Some(i32::from(OWNER_DIED))
    );
    // The pipe's end of file says that no process holds it any more.
    for line in kept.lines.by_ref() {
        pids.push(Pid::from_raw(line.unwrap().parse().unwrap()).unwrap());
    }
    for pid in pids {
        assert!(Process::read(pid).is_none(), "{pid:?} is left");
    }
}

fn the_command_starts_clean() {
    let mut kept = Kept::start("exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
    for _ in 0..2 {
        let line = kept.line();
        let (_, bits) = line.split_once('\t').unwrap();
        // Signals 32 and 33 are libc's own: it lets nobody change them.
        let bits = u64::from_str_radix(bits, 16).unwrap() & !(0b11 << 31);
        assert_eq!(bits, 0, "{line}");
    }
    assert_eq!(kept.code(), 0);
}

fn passes_descriptors_but_the_lifeline() {
    let (mut reader, writer) = pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let number = writer.as_raw_fd();
    let script = format!("readlink /proc/self/fd/* 2>&1; echo hello > /proc/self/fd/{number}");
    let mut kept = Kept::start_with(&script, &[&writer]);
    let open: Vec<String> = kept.lines.by_ref().map(Result::unwrap).collect();
    let name = |fd: RawFd| std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    let has = |fd| open.iter().any(|one| Path::new(one) == name(fd));
    assert!(has(number), "{open:?}");
    assert!(!has(kept.owner.as_raw_fd()), "the lifeline is in {open:?}");
    assert_eq!(kept.code(), 0);
    drop(writer);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
}

fn does_not_hear_signals() {
    let mut kept = Kept::start("echo $$; exec sleep 1000");
    let pid = kept.pid();
    let keeper = Pid::from_child(&kept.keeper);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(keeper, signal).unwrap();
    }
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(kept.code(), 128 + 15, "the command's end, not the keeper's");
}

fn a_killed_keeper_takes_the_command_along() {
    let mut kept = Kept::start("echo $$; exec sleep 1000");
    let command = Process::read(kept.pid()).unwrap().open().unwrap();
    kill_process(Pid::from_child(&kept.keeper), Signal::KILL).unwrap();
    kept.keeper.wait().unwrap();
    let mut polled = [PollFd::new(&command, PollFlags::IN)];
    let bound = Timespec {
        tv_sec: 30,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut polled, Some(&bound)), Ok(1), "it is alive");
}

fn names_what_it_cannot_use() {
    let (lifeline, _owner) = pipe().unwrap();
    let missing = keeper(&lifeline, "keep", &["/nowhere/at-all"], &[])
        .output()
        .unwrap();
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(
        said.starts_with("cannot start \"/nowhere/at-all\": "),
        "{said}"
    );

    let mut command = Command::new(std::env::current_exe().unwrap());
    let closed = command.args(["keep", "987", "true"]).output().unwrap();
    let said = String::from_utf8(closed.stderr).unwrap();
    assert!(
        said.starts_with("file descriptor 987 is not open"),
        "{said}"
    );
}

/// A keeper that lets orphans live, with what it says over the lifeline and what the command
/// says. The command is a shell that has started another, which waits for a line from here.
fn start_keeping_on(
    script: &str,
) -> (Child, UnixStream, ChildStdin, Lines<BufReader<ChildStdout>>) {
    let (lifeline, owner) = UnixStream::pair().unwrap();
    let mut command = keeper(&lifeline, "keep-on", &["sh", "-c", script], &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut keeper = command.spawn().unwrap();
    drop(command);
    let stdin = keeper.stdin.take().unwrap();
    let lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    (keeper, owner, stdin, lines)
}

fn orphans_live_on_and_their_ends_are_told() {
    let script = "exec 3<&0; sh -c 'read answer <&3; exit 7' & echo $!; kill -KILL $$";
    let (mut keeper, owner, mut stdin, mut lines) = start_keeping_on(script);
    let orphan = lines.next().unwrap().unwrap();
    let mut told = BufReader::new(owner).lines();
    assert_eq!(told.next().unwrap().unwrap(), "command 9");
    assert!(alive(Pid::from_raw(orphan.parse().unwrap()).unwrap()));
    stdin.write_all(b"go\n").unwrap();
    assert_eq!(
        told.next().unwrap().unwrap(),
        format!("orphan {orphan} {}", 7 << 8)
    );
    // With the last of them it ends, as the command did.
    assert_eq!(keeper.wait().unwrap().code(), Some(128 + 9));
    assert!(told.next().is_none());

    let (mut keeper, owner, _stdin, mut lines) = start_keeping_on(script);
    let orphan = Pid::from_raw(lines.next().unwrap().unwrap().parse().unwrap()).unwrap();
    let mut told = BufReader::new(owner.try_clone().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "command 9");
    owner.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(keeper.wait().unwrap().code(), Some(i32::from(OWNER_DIED)));
    assert!(Process::read(orphan).is_none(), "{orphan:?} is left");
}

fn a_commands_socket_is_closed_when_it_has_ended() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (lifeline, owner) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let script = "sleep 1000 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & kill -KILL $$";
    let passed = [&theirs];
    let mut command = keeper(&lifeline, "keep-on", &["sh", "-c", script], &passed);
    let mut keeper = command.spawn().unwrap();
    drop((command, lifeline, theirs));
    // The keeper lives as long as the orphan does.
    assert_eq!((&ours).read(&mut [0]).unwrap(), 0);
    drop(owner);
    keeper.wait().unwrap();
}

fn a_stopped_command_goes_on() {
    assert_eq!(Kept::start("kill -STOP $$; exit 5").code(), 5);
    assert_eq!(Kept::start("kill -TSTP $$; exit 6").code(), 6);
}
