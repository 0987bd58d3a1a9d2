//! Sandboxes of sealed workers: built before the fork, let go when the worker has ended.
//!
//! Each is held up by a process of its own (`dyno sandbox`, `dyno_sandbox::sandbox`), which ends
//! it when the runner lets go of the lifeline, or dies.

use crate::host::Host;
use crate::machine::Input;
use crate::spawn::inherit;
use dyno_model::{MissingWall, ProcessExit, TemplateId, WorkerId};
use dyno_sandbox::leaks::Leak;
use dyno_wire::FrameError;
use dyno_wire::template::ToTemplate;
use dyno_wire::worker::FromWorker;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, time::Duration};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::timeout;

/// How long the dead of all sandboxes may take to be gone, at the end of the run. SIGKILL takes
/// milliseconds; a process in an uninterruptible wait is not waited for.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How long a look behind the walls may take, beyond what `dyno_sandbox::leaks` waits for.
const LOOK: Duration = Duration::from_secs(10);

/// What is said of walls is a line of at most a few hundred bytes for each.
const LONGEST_WORD: usize = 16 * 1024;

/// What came of the walls of one worker.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    /// Those that cannot be built here.
    pub(crate) missing: Vec<MissingWall>,
    /// The flags of `setns(2)`, and the descriptor of the first process behind the others.
    pub(crate) inside: Option<(u32, OwnedFd)>,
}

/// A worker that is to be forked.
pub(crate) struct Fork {
    pub(crate) worker: WorkerId,
    pub(crate) template: TemplateId,
    pub(crate) message: ToTemplate,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Fork {
    pub(crate) fn perform(self, host: &Host) -> Result<(), FrameError> {
        host.tell(self.template, &self.message, self.descriptors)
    }

    /// Lets it go behind these walls.
    pub(crate) fn go_behind(&mut self, walls: u32, inside: OwnedFd) {
        if let ToTemplate::Fork { namespaces, .. } = &mut self.message {
            *namespaces = walls;
            self.descriptors.push(inside);
        }
    }
}

/// Those of a run.
#[derive(Default)]
pub(crate) struct Sandboxes {
    live: HashMap<WorkerId, Live>,
    forks: HashMap<WorkerId, Fork>,
    ends: Vec<JoinHandle<()>>,
    /// It was told which walls cannot be built.
    lacks_walls: bool,
}

/// One that stands.
struct Live {
    /// Dropping it kills all that is behind the walls.
    lifeline: StdUnixStream,
    /// Ends when all behind the walls are dead.
    end: JoinHandle<()>,
    folder: PathBuf,
    /// A test failed there.
    failed: bool,
}

impl Sandboxes {
    /// Builds walls for a worker, which is forked when [`Input::Sandbox`] says how they stand.
    pub(crate) fn build(
        &mut self,
        dyno: &Path,
        folder: &Path,
        visible: &[String],
        fork: Fork,
        inbox: &mpsc::Sender<Input>,
    ) -> io::Result<()> {
        let worker = fork.worker;
        let folder = folder.join(worker.to_string());
        fs::create_dir_all(&folder)?;
        let (lifeline, theirs) = StdUnixStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        let mut command = Command::new(dyno);
        command.arg("sandbox").arg("--lifeline");
        command.arg(theirs.as_raw_fd().to_string());
        command.arg("--folder").arg(&folder).arg("--").args(visible);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        inherit(&mut command, [theirs]);
        let child = command.spawn()?;
        drop(command);
        let told = lifeline.try_clone()?;
        told.set_nonblocking(true)?;
        let told = UnixStream::from_std(told)?;
        let inbox = inbox.clone();
        spawn_local(async move {
            let sandbox = listen(&told)
                .await
                .unwrap_or_else(|error| nothing_stands(&error));
            // Whoever is not there any more does not want it.
            let _ = inbox.send(Input::Sandbox(worker, sandbox)).await;
        });
        let live = Live {
            lifeline,
            end: spawn_local(wait(child)),
            folder,
            failed: false,
        };
        self.live.insert(worker, live);
        self.forks.insert(worker, fork);
        Ok(())
    }

    /// The worker that waited for these walls.
    pub(crate) fn take_fork(&mut self, worker: WorkerId) -> Option<Fork> {
        self.forks.remove(&worker)
    }

    /// These walls, if there are any and it was not told before.
    pub(crate) fn news(&mut self, missing: Vec<MissingWall>) -> Option<Vec<MissingWall>> {
        let is_news = !missing.is_empty() && !self.lacks_walls;
        self.lacks_walls |= is_news;
        is_news.then_some(missing)
    }

    /// That a worker has ended comes after what it left behind its walls, which is named and
    /// killed; until then, nothing.
    pub(crate) fn in_its_place(
        &mut self,
        input: Input,
        inbox: &mpsc::Sender<Input>,
    ) -> Option<Input> {
        let (worker, exit) = match &input {
            Input::WorkerExited { worker, exit, .. } => (*worker, *exit),
            Input::Worker(worker, FromWorker::Report { report, .. }) => {
                if let Some(live) = self.live.get_mut(worker) {
                    live.failed |= report.is_failure();
                }
                return Some(input);
            }
            _ => return Some(input),
        };
        let Some(live) = self.live.remove(&worker) else {
            return Some(input);
        };
        let Live {
            lifeline,
            end,
            folder,
            failed,
        } = live;
        let keeps = failed || exit != ProcessExit::Code(0);
        self.ends.retain(|end| !end.is_finished());
        let inbox = inbox.clone();
        self.ends.push(spawn_local(async move {
            let leaks = timeout(LOOK, ask(lifeline)).await;
            if let Ok(Ok(leaks)) = leaks
                && !leaks.is_empty()
            {
                let _ = inbox.send(Input::Leaks(worker, leaks)).await;
            }
            let _ = timeout(LAST_WAIT, end).await;
            // It can be large.
            let _ = spawn_blocking(move || put_away(&folder, keeps)).await;
            let _ = inbox.send(input).await;
        }));
        None
    }

    /// Kills what is left behind all walls and waits until it is dead.
    pub(crate) async fn close(self) {
        let all = async {
            for live in self.live.into_values() {
                drop(live.lifeline);
                let _ = live.end.await;
                put_away(&live.folder, true);
            }
            for end in self.ends {
                let _ = end.await;
            }
        };
        let _ = timeout(LAST_WAIT, all).await;
    }
}

/// Asks what is left behind the walls, and lets go of them.
async fn ask(lifeline: StdUnixStream) -> io::Result<Vec<Leak>> {
    let mut lifeline = UnixStream::from_std(lifeline)?;
    lifeline.write_all(b"?").await?;
    let mut lines = BufReader::new(lifeline).lines();
    let mut leaks = Vec::new();
    while let Some(line) = lines.next_line().await? {
        match line.strip_prefix("leak ") {
            Some(leak) => leaks.extend(Leak::parse(leak)),
            None => break,
        }
    }
    Ok(leaks)
}

/// Waits until the process that held the walls has ended, and with it all behind them.
async fn wait(mut child: Child) {
    let _ = child.wait().await;
}

/// Removes what was left in `/tmp`, or keeps it for somebody to look at, without the places
/// where something shared was mounted.
fn put_away(folder: &Path, keeps: bool) {
    if keeps {
        remove_empty(folder);
    } else {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Removes empty files and folders; a folder is empty if it holds nothing but such.
fn remove_empty(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(kind) if kind.is_dir() => remove_empty(&entry.path()),
            Ok(kind) if kind.is_file() && kind.len() == 0 => {
                let _ = fs::remove_file(entry.path());
            }
            _ => {}
        }
    }
    // It stays if something is in it.
    let _ = fs::remove_dir(folder);
}

fn nothing_stands(error: &io::Error) -> Sandbox {
    let wall = "all".to_owned();
    let why = format!("the process that builds them said nothing: {error}");
    Sandbox {
        missing: vec![MissingWall { wall, why }],
        inside: None,
    }
}

/// Reads what is said of the walls, which comes in one piece.
async fn listen(lifeline: &UnixStream) -> io::Result<Sandbox> {
    loop {
        lifeline.readable().await?;
        match lifeline.try_io(Interest::READABLE, || receive(lifeline)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

fn receive(lifeline: &UnixStream) -> io::Result<Sandbox> {
    let mut bytes = vec![0; LONGEST_WORD];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(lifeline, &mut into, &mut ancillary, flags)?.bytes;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let inside = descriptors.next().and_then(|mut all| all.next());
    if received == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let said = String::from_utf8_lossy(&bytes[..received]);
    Ok(parse(&said, inside))
}

/// Takes the lines of `dyno_sandbox::sandbox` apart.
fn parse(said: &str, inside: Option<OwnedFd>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    let mut namespaces = 0;
    for line in said.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split_once(' ')) {
            ("missing", Some((wall, why))) => sandbox.missing.push(MissingWall {
                wall: wall.to_owned(),
                why: why.to_owned(),
            }),
            ("built", _) => namespaces = rest.parse().unwrap_or(0),
            _ => {}
        }
    }
    sandbox.inside = inside.map(|inside| (namespaces, inside));
    sandbox
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_sandbox_writes_them() {
        let said = "missing net make a process: no\nbuilt 42\n";
        let nothing = parse(said, None);
        assert_eq!(nothing.missing[0].wall, "net");
        assert_eq!(nothing.missing[0].why, "make a process: no");
        assert!(nothing.inside.is_none());
        let any = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        assert_eq!(parse(said, Some(any)).inside.unwrap().0, 42);
    }

    #[test]
    fn what_is_left_in_a_folder_stays_and_mount_points_go() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("gw0");
        fs::create_dir_all(own.join("tmp/a/b")).unwrap();
        fs::write(own.join("tmp/a/empty"), "").unwrap();
        remove_empty(&own);
        assert!(!own.exists());
        fs::create_dir_all(own.join("tmp/a")).unwrap();
        fs::write(own.join("tmp/left"), "x").unwrap();
        remove_empty(&own);
        assert!(own.join("tmp/left").exists() && !own.join("tmp/a").exists());
    }
}
