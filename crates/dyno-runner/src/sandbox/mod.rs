//! Sandboxes of sealed workers: built before the fork, let go when the worker has ended.
//!
//! Each is held up by a process of its own (`dyno sandbox`, `dyno_sandbox::sandbox`), which ends
//! it when the runner lets go of the lifeline, or dies.

mod folder;
mod groups;
mod told;

pub(crate) use told::Sandbox;

use crate::RunRequest;
use crate::host::Host;
use crate::machine::Input;
use crate::spawn::inherit;
use dyno_model::{Limits, MissingLimit, MissingWall, ProcessExit, TemplateId, WorkerId};
use dyno_sandbox::cgroup::Group;
use dyno_sandbox::leaks::Leak;
use dyno_sandbox::sandbox::Request;
use dyno_wire::FrameError;
use dyno_wire::template::ToTemplate;
use dyno_wire::worker::FromWorker;
use folder::put_away;
use groups::Groups;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::process::Pid;
use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, time::Duration};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
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

    /// Lets it go into what stands of its sandbox.
    fn go_into(&mut self, sandbox: Sandbox) {
        let ToTemplate::Fork { namespaces, .. } = &mut self.message else {
            return;
        };
        if let Some((walls, inside)) = sandbox.inside {
            *namespaces = walls;
            self.descriptors.push(inside);
        }
    }
}

/// Those of a run.
pub(crate) struct Sandboxes {
    run: String,
    groups: Groups,
    live: HashMap<WorkerId, Live>,
    forks: HashMap<WorkerId, Fork>,
    ends: Vec<End>,
    /// It was told which walls cannot be built.
    lacks_walls: bool,
}

/// One that is being taken away.
struct End {
    holder: Option<Pid>,
    done: JoinHandle<()>,
}

/// One that stands.
struct Live {
    /// Who holds it up.
    holder: Option<Pid>,
    /// Dropping it kills all that is behind the walls.
    lifeline: StdUnixStream,
    /// Ends when all behind the walls are dead.
    end: JoinHandle<()>,
    /// `dyno sandbox` removes it too, if it can.
    group: Option<Group>,
    /// What it limits.
    limits: Limits,
    /// While its worker is let into the group.
    admission: Option<JoinHandle<()>>,
    folder: PathBuf,
    /// A test failed there.
    failed: bool,
}

impl Sandboxes {
    /// Those of this run, of which there is none yet.
    pub(crate) fn of(request: &RunRequest) -> Self {
        let limit_processes = request.settings.rules.limit_processes();
        Self {
            run: request.run.to_string(),
            groups: Groups::of_run(&request.run, limit_processes),
            live: HashMap::new(),
            forks: HashMap::new(),
            ends: Vec::new(),
            lacks_walls: false,
        }
    }

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
        // Where there is none (a full disk), the wall of mounts is missing, and is told.
        let _ = fs::create_dir_all(&folder);
        let (lifeline, theirs) = StdUnixStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        let mut command = Command::new(dyno);
        command.arg("sandbox").arg("--lifeline");
        command.arg(theirs.as_raw_fd().to_string());
        let group = self.groups.of(worker);
        for place in group.iter().flat_map(Group::folders) {
            command.arg("--group").arg(place);
        }
        // By the environment that pytest-xdist gives a worker, and dyno too.
        for (name, value) in [("TESTRUNUID", &self.run), ("WORKER", &worker.to_string())] {
            command
                .arg("--mark")
                .arg(format!("PYTEST_XDIST_{name}={value}"));
        }
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
            let sandbox = told::listen(&told).await;
            // Whoever is not there any more does not want it.
            let _ = inbox.send(Input::Sandbox(worker, sandbox)).await;
        });
        let live = Live {
            holder: child.id().and_then(as_pid),
            lifeline,
            end: spawn_local(wait(child)),
            group,
            limits: Limits::default(),
            admission: None,
            folder,
            failed: false,
        };
        self.live.insert(worker, live);
        self.forks.insert(worker, fork);
        Ok(())
    }

    /// Forks the worker that waited for this sandbox. Gives the walls that cannot be built, if
    /// that was not told before.
    pub(crate) fn fork_into(
        &mut self,
        worker: WorkerId,
        mut sandbox: Sandbox,
        host: &Host,
    ) -> Result<Option<Vec<MissingWall>>, FrameError> {
        let Some(mut fork) = self.forks.remove(&worker) else {
            return Ok(None);
        };
        if let Some(why) = sandbox.ungrouped.take() {
            self.groups.cannot_be_made(why);
            if let Some(live) = self.live.get_mut(&worker) {
                live.group = None;
            }
        }
        let missing = std::mem::take(&mut sandbox.missing);
        fork.go_into(sandbox);
        fork.perform(host)?;
        let is_news = !missing.is_empty() && !self.lacks_walls;
        self.lacks_walls |= is_news;
        Ok(is_news.then_some(missing))
    }

    /// Lets a worker that has been forked into its control group. Gives whether it has one: then
    /// nothing is to run there before [`Input::Admitted`].
    pub(crate) fn admit(
        &mut self,
        worker: WorkerId,
        pid: u32,
        inbox: &mpsc::Sender<Input>,
    ) -> bool {
        let live = self.live.get_mut(&worker);
        let Some((live, pid)) = live.filter(|live| live.group.is_some()).zip(as_pid(pid)) else {
            return false;
        };
        let Ok(lifeline) = live.lifeline.try_clone() else {
            return false;
        };
        let inbox = inbox.clone();
        live.admission = Some(spawn_local(async move {
            let answer = ask(&lifeline, Request::Admit(pid)).await;
            let why = answer.map_or_else(|error| Some(error.to_string()), |lines| refusal(&lines));
            let _ = inbox.send(Input::Admitted(worker, why)).await;
        }));
        true
    }

    /// A worker is in its group, or cannot get there. Gives the limits that are not held for want
    /// of it, if that was not told before.
    pub(crate) fn admitted(&mut self, worker: WorkerId, why: Option<String>) -> Vec<MissingLimit> {
        let Some((live, why)) = self.live.get_mut(&worker).zip(why) else {
            return Vec::new();
        };
        self.groups.cannot_be_made(why);
        live.group = None;
        self.groups.limit(None, &live.limits)
    }

    /// Limits what a worker and all that it starts may have. Gives the limits that cannot be
    /// held, if that was not told before.
    pub(crate) fn limit(&mut self, worker: WorkerId, limits: Limits) -> Vec<MissingLimit> {
        let live = self.live.get_mut(&worker);
        let group = live.and_then(|live| {
            live.limits = limits;
            live.group.as_ref()
        });
        self.groups.limit(group, &limits)
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
            holder,
            lifeline,
            end,
            group,
            limits: _,
            admission,
            folder,
            failed,
        } = live;
        let keeps = failed || exit != ProcessExit::Code(0);
        self.ends.retain(|end| !end.done.is_finished());
        let inbox = inbox.clone();
        let done = spawn_local(async move {
            let look = async {
                if let Some(admission) = admission {
                    let _ = admission.await;
                }
                ask(&lifeline, Request::Look).await
            };
            let left = timeout(LOOK, look).await;
            // As long as the sandbox is held up, or whoever held it up was killed.
            if let Some(usage) = group.as_ref().map(Group::usage) {
                let _ = inbox.send(Input::Used(worker, usage)).await;
            }
            drop(lifeline);
            let leaks = left.ok().and_then(Result::ok).unwrap_or_default();
            let leaks = leaks.iter().filter_map(|line| line.strip_prefix("leak "));
            let leaks: Vec<Leak> = leaks.filter_map(Leak::parse).collect();
            if !leaks.is_empty() {
                let _ = inbox.send(Input::Leaks(worker, leaks)).await;
            }
            let _ = timeout(LAST_WAIT, end).await;
            // It can be large.
            let cleared = spawn_blocking(move || {
                group.iter().for_each(Group::clear);
                put_away(&folder, keeps);
            });
            let _ = cleared.await;
            let _ = inbox.send(input).await;
        });
        self.ends.push(End { holder, done });
        None
    }

    /// Who holds sandboxes up, or takes them away.
    pub(crate) fn holders(&self) -> Vec<Pid> {
        let live = self.live.values().map(|live| live.holder);
        let ending = self.ends.iter().map(|end| end.holder);
        live.chain(ending).flatten().collect()
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
                let _ = end.done.await;
            }
        };
        let _ = timeout(LAST_WAIT, all).await;
        self.groups.close();
    }
}

/// Asks whoever holds up a sandbox for something. Gives the lines of the answer, the last of which
/// says that it was that.
async fn ask(lifeline: &StdUnixStream, request: Request) -> io::Result<Vec<String>> {
    let mut lifeline = UnixStream::from_std(lifeline.try_clone()?)?;
    lifeline.write_all(request.to_string().as_bytes()).await?;
    let mut lines = BufReader::new(lifeline).lines();
    let mut answer = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let is_last = !line.starts_with("leak ");
        answer.push(line);
        if is_last {
            return Ok(answer);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Why a worker was not let into its group.
fn refusal(answer: &[String]) -> Option<String> {
    let last = answer.last()?;
    last.strip_prefix("ungrouped ").map(str::to_owned)
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Waits until the process that held the walls has ended, and with it all behind them.
async fn wait(mut child: Child) {
    let _ = child.wait().await;
}
