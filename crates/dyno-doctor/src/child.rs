//! Programs that are asked something, and given so much time for it.
//!
//! A program on a sick machine may never answer, and one that waits for a device does not
//! even die. So each is in a process group of its own, is killed with it when its time is
//! over, and is left where it is if that does not end it.

use dyno_sandbox::{Group, bind_to_parent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// More than this of what a program says is not kept, in bytes.
const MOST: usize = 1 << 20;

/// How long a killed program may take to be gone.
const BURIAL: Duration = Duration::from_millis(500);

/// What became of a program that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It ended with this code; a signal is its number and 128.
    Ended {
        /// The exit code.
        code: i32,
        /// Its standard output.
        out: String,
        /// Its standard error.
        err: String,
    },
    /// It said nothing in so much time.
    Late(Duration),
    /// It could not be started.
    NotStarted(String),
}

impl Answer {
    /// What it said, where it ended well.
    pub(crate) fn said(&self) -> Option<&str> {
        match self {
            Self::Ended { code: 0, out, .. } => Some(out),
            _ => None,
        }
    }

    /// Why there is no answer, in one line; what the program itself said comes first.
    pub(crate) fn why_not(&self) -> String {
        match self {
            Self::Ended { code, out, err } => {
                let last = |text: &str| {
                    text.lines()
                        .rfind(|line| !line.trim().is_empty())
                        .map(one_line)
                };
                last(err)
                    .or_else(|| last(out))
                    .unwrap_or_else(|| format!("it ends with exit code {code}"))
            }
            Self::Late(limit) => format!("it does not answer within {} s", limit.as_secs()),
            Self::NotStarted(why) => format!("it cannot be started: {why}"),
        }
    }
}

/// Runs a program to its end, or until `limit` is over. Call it from a thread that waits for
/// the answer: the program dies with the thread.
pub(crate) fn ask(command: &mut Command, limit: Duration) -> Answer {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    bind_to_parent(command, Group::Own);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Answer::NotStarted(error.to_string()),
    };
    let leader = Pid::from_child(&child);
    let heard = hear(&mut child, leader, Instant::now() + limit);
    // What it started and left is ended with it.
    let _ = kill_process_group(leader, Signal::KILL);
    match heard {
        Ok(Some((out, err))) => match child.wait() {
            Ok(status) => {
                use std::os::unix::process::ExitStatusExt;
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                Answer::Ended {
                    code: code.unwrap_or(-1),
                    out,
                    err,
                }
            }
            Err(error) => Answer::NotStarted(error.to_string()),
        },
        Ok(None) => {
            bury(&mut child);
            Answer::Late(limit)
        }
        Err(error) => {
            bury(&mut child);
            Answer::NotStarted(error.to_string())
        }
    }
}

/// Reads until the program has ended; `None` where the time was over before.
fn hear(child: &mut Child, leader: Pid, end: Instant) -> io::Result<Option<(String, String)>> {
    let ended = pidfd_open(leader, PidfdFlags::empty())?;
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Ok(None);
    };
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let (mut is_out_open, mut is_err_open) = (true, true);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let mut places = vec![PollFd::new(&ended, PollFlags::IN)];
        let (reads_out, reads_err) = (is_out_open, is_err_open);
        if reads_out {
            places.push(PollFd::new(&out, PollFlags::IN));
        }
        if reads_err {
            places.push(PollFd::new(&err, PollFlags::IN));
        }
        let left = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        match poll(&mut places, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = places
            .iter()
            .map(|place| !place.revents().is_empty())
            .collect();
        drop(places);
        let mut pipes = ready.iter().skip(1);
        if reads_out && pipes.next() == Some(&true) {
            is_out_open = take(&mut out, &mut said)?;
        }
        if reads_err && pipes.next() == Some(&true) {
            is_err_open = take(&mut err, &mut complained)?;
        }
        // A pipe that a process below it holds open is not waited for: what was there when
        // it ended has been read by now.
        let nothing_more = !ready.iter().skip(1).any(|ready| *ready);
        if ready.first() == Some(&true) && nothing_more {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Some((text(said), text(complained))));
        }
    }
}

/// Reads once; whether there can be more.
fn take(from: &mut impl Read, whole: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; 1 << 14];
    match from.read(&mut bytes)? {
        0 => Ok(false),
        read => {
            let room = MOST.saturating_sub(whole.len()).min(read);
            whole.extend_from_slice(&bytes[..room]);
            Ok(true)
        }
    }
}

/// Waits a moment for a killed program. One that waits for a device is left to the kernel.
fn bury(child: &mut Child) {
    if let Ok(ended) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) {
        let left = Timespec::try_from(BURIAL).ok();
        let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], left.as_ref());
    }
    let _ = child.try_wait();
}

/// Somebody else's text as one line of ours: no control characters, and not too long.
pub(crate) fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let clean: String = text
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match clean.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &clean[..end]),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Answer {
        ask(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn a_program_is_heard_to_its_end() {
        let answer = sh(
            "head -c 300000 /dev/zero | tr '\\0' x; echo no >&2; exit 3",
            Duration::from_secs(20),
        );
        let Answer::Ended { code, out, err } = &answer else {
            panic!("{answer:?}");
        };
        assert_eq!((*code, out.len(), err.as_str()), (3, 300_000, "no\n"));
        assert_eq!(answer.said(), None);
        assert_eq!(answer.why_not(), "no");
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        assert_eq!(
            sh(&script, Duration::from_millis(300)),
            Answer::Late(Duration::from_millis(300))
        );
        let pid: i32 = std::fs::read_to_string(pid)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // Killed, and perhaps not yet buried by whoever inherited it.
        assert!(
            !status.lines().any(|line| line.starts_with("State:\tS")),
            "{status}"
        );
    }

    #[test]
    fn what_holds_its_pipe_open_is_not_waited_for() {
        let began = Instant::now();
        assert_eq!(
            sh("sleep 600 & echo yes", Duration::from_secs(60)).said(),
            Some("yes\n")
        );
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn others_texts_are_one_line() {
        assert_eq!(one_line(" a\tb\u{1b}[31m "), "a b [31m");
        assert_eq!(one_line(&"é".repeat(500)).chars().count(), 203);
        let none = ask(&mut Command::new("/nowhere/at/all"), Duration::from_secs(1));
        assert!(none.why_not().contains("No such file"), "{none:?}");
    }
}
