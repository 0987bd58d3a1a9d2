//! The agent of a whole run: it has the services that the run's tests share.
//!
//! The runner starts it when somebody first connects to the socket in the run's folder. Its
//! clients come and go; what one has open is closed when it goes, and what it has published
//! stays till the run's end.

use crate::AgentError;
use crate::process::stop::sweep;
use crate::serve::{look_after, open_socket, run, serve_client};
use crate::session::{ClientId, Session};
use dyno_sandbox::{Process, adopt};
use rustix::process::Pid;
use std::os::fd::RawFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

/// Before the next try to take a client, where none can be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// What the agent of a run is born with.
#[derive(Debug)]
pub struct RunSockets {
    /// An inherited Unix stream socket that listens.
    pub listener: RawFd,
    /// An inherited Unix stream socket. When its other end is closed, the run ends.
    pub lifeline: RawFd,
    /// A folder for the sockets that lead to services.
    pub services: PathBuf,
}

/// Serves all who connect, until the run ends. Then every process below this one is ended.
///
/// Call it from the main thread of a process that has no other and no child.
pub fn serve_run(sockets: RunSockets) -> Result<(), AgentError> {
    let lifeline = open_socket(sockets.lifeline)?;
    let listener = StdListener::from(adopt(sockets.listener)?);
    listener.set_nonblocking(true)?;
    run(async {
        let mut lifeline = UnixStream::from_std(lifeline)?;
        let listener = UnixListener::from_std(listener)?;
        let session = Rc::new(Session::new(Some(sockets.services)));
        look_after(&session)?;
        tokio::select! {
            () = accept(listener, &session) => {}
            // Nobody writes to it: whatever comes is its end.
            _ = lifeline.read_u8() => {}
        }
        session.end().await;
        sweep(&session).await?;
        Ok(())
    })
}

async fn accept(listener: UnixListener, session: &Rc<Session>) {
    let mut last = 0;
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Too many are open, for one: others will be closed.
            sleep(PAUSE).await;
            continue;
        };
        // Not by the client's word: behind a wall of processes it does not know its id.
        let peer = socket
            .peer_cred()
            .ok()
            .and_then(|peer| Pid::from_raw(peer.pid()?));
        let Some(peer) = peer.and_then(Process::read) else {
            continue;
        };
        last += 1;
        let (session, client) = (Rc::clone(session), ClientId(last));
        spawn_local(async move {
            // What is wrong with a client has been told to it.
            let _ = serve_client(socket, &session, client, Some(peer)).await;
            session.leave(client).await;
        });
    }
}
