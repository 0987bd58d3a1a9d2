//! The services that the tests of a run share, such as one etcd for all.
//!
//! An agent has them (`dyno agent --listener`), under a keeper of its own, so that they end with
//! the run by whatever road. It is started when the first test asks for a service: until then
//! there is only the socket that tests find in the run's folder.

use crate::RunRequest;
use crate::spawn::inherit;
use dyno_sandbox::SocketPath;
use rustix::fd::{AsRawFd, OwnedFd};
use std::fs::{self, File};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

/// How long services may take to end by themselves. The agent gives each its own, shorter time.
const GRACE: Duration = Duration::from_secs(15);

/// The offer of one run, taken or not.
#[derive(Debug)]
pub(crate) struct Services {
    run_ended: oneshot::Sender<()>,
    served: JoinHandle<()>,
    folder: PathBuf,
}

impl Services {
    /// Puts the socket into the run's folder. None where that cannot be done: then each process
    /// of the run has services of its own, as under plain pytest.
    pub(crate) fn offer(request: &RunRequest) -> Option<Self> {
        let folder = request.run_folder.join("services");
        let listener = listen(&folder).ok()?;
        let (run_ended, mut is_ended) = oneshot::channel();
        let dyno = request.dyno.clone();
        let log = request.run_folder.join("logs").join("services.log");
        let sockets = folder.clone();
        let served = spawn_local(async move {
            let started = tokio::select! {
                wanted = first_comes(listener) => {
                    wanted.and_then(|listener| start(&dyno, listener, &sockets, &log))
                }
                _ = &mut is_ended => return,
            };
            // Where none could be started, whoever asks finds the socket closed, and is told.
            if let Ok(agent) = started {
                agent.live(is_ended).await;
            }
        });
        Some(Self {
            run_ended,
            served,
            folder,
        })
    }

    /// Ends the services, if there are any, and waits until they are dead.
    pub(crate) async fn close(self) {
        drop(self.run_ended);
        let _ = self.served.await;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn listen(folder: &Path) -> io::Result<UnixListener> {
    fs::create_dir_all(folder)?;
    let path = SocketPath::of(&folder.join("agent"))?;
    let listener = UnixListener::bind(path.as_path())?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits until somebody wants to connect, and leaves that to whoever listens next.
async fn first_comes(listener: UnixListener) -> io::Result<UnixListener> {
    // SAFETY: the descriptor is owned, and the `AsyncFd` keeps it open as long as it lives.
    let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE)? };
    listener.readable().await?.retain_ready();
    Ok(listener.into_inner())
}

/// An agent that serves, and the keeper above it.
struct RunAgent {
    keeper: Child,
    /// Dropping it tells the agent that the run has ended.
    farewell: UnixStream,
    /// Dropping it kills everything under the keeper.
    lifeline: UnixStream,
}

fn start(dyno: &Path, listener: UnixListener, sockets: &Path, log: &Path) -> io::Result<RunAgent> {
    let (farewell, their_farewell) = UnixStream::pair()?;
    let (lifeline, their_lifeline) = UnixStream::pair()?;
    let ends = [
        OwnedFd::from(listener),
        OwnedFd::from(their_farewell),
        OwnedFd::from(their_lifeline),
    ];
    let [listener_number, farewell_number, lifeline_number] =
        ends.each_ref().map(|end| end.as_raw_fd().to_string());
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let said = File::create(log)?;
    let mut command = Command::new(dyno);
    command.args(["keeper", "--lifeline", &lifeline_number, "--"]);
    command.arg(dyno).arg("agent");
    command.args([
        "--listener",
        &listener_number,
        "--lifeline",
        &farewell_number,
    ]);
    command.arg("--services").arg(sockets);
    command.stdin(Stdio::null());
    command.stdout(said.try_clone()?).stderr(said);
    inherit(&mut command, ends);
    let keeper = command.spawn()?;
    Ok(RunAgent {
        keeper,
        farewell,
        lifeline,
    })
}

impl RunAgent {
    async fn live(mut self, is_ended: oneshot::Receiver<()>) {
        tokio::select! {
            // Nobody sends: what comes is that the other end is dropped.
            _ = is_ended => {}
            // It has been killed. Who asks for a service is told so.
            _ = self.keeper.wait() => {}
        }
        drop(self.farewell);
        let _ = timeout(GRACE, self.keeper.wait()).await;
        drop(self.lifeline);
        let _ = self.keeper.wait().await;
    }
}
