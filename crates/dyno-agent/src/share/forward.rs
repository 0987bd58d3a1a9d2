//! Ports that lead to a Unix socket, and Unix sockets that lead to a port.
//!
//! A sandbox has a network of its own, so a service of the run that listens on 127.0.0.1 outside
//! is not there. A Unix socket with a path is reached from everywhere: outside, the run's agent
//! listens on one for each port of a service; inside, a test's agent listens on the port.

use dyno_sandbox::SocketPath;
use dyno_wire::agent::Forward;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// The ports that lead somewhere. They are open as long as the agent lives.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    open: RefCell<HashMap<u16, String>>,
}

impl Forwards {
    /// Opens a port; one that leads there already is left as it is.
    pub(crate) async fn open(&self, forward: Forward) -> io::Result<()> {
        let Forward { port, path } = forward;
        if self.open.borrow().get(&port) == Some(&path) {
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        self.open.borrow_mut().insert(port, path.clone());
        tokio::task::spawn_local(async move {
            while let Ok((near, _)) = listener.accept().await {
                let path = path.clone();
                tokio::task::spawn_local(async move {
                    if let Ok(far) = connect(Path::new(&path)).await {
                        join(near, far).await;
                    }
                });
            }
        });
        Ok(())
    }
}

/// Listens on a Unix socket, and connects whoever comes to a port of 127.0.0.1.
pub(crate) fn lead_to(port: u16, path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(SocketPath::of(path)?.as_path())?;
    tokio::task::spawn_local(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                    join(near, far).await;
                }
            });
        }
    });
    Ok(())
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(SocketPath::of(path)?.as_path()).await
}

/// Copies both ways until both have ended, or one breaks, which closes the other.
async fn join(
    mut near: impl AsyncRead + AsyncWrite + Unpin,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
) {
    let _ = copy_bidirectional(&mut near, &mut far).await;
}
