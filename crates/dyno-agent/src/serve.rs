//! The agent's own life: it is born with a socket, serves the session at its other end,
//! and ends with that session, taking along all that it started.

use crate::error::AgentError;
use crate::session::Session;
use crate::stop::sweep;
use crate::watch::end_of;
use dyno_sandbox::{Process, adopt, become_subreaper, ignore_signals};
use dyno_wire::agent::{Answer, Call, Failure, FailureKind, Reply, Request};
use dyno_wire::{FrameError, PROTOCOL, decode, read_frame, write_frame};
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;
use rustix::process::{Pid, Signal};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// How long a client may take to say hello: it starts the agent and speaks at once.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// How long a client that broke the protocol is given to read what is wrong with it.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(1);

/// What a terminal sends to everyone. The agent ends with its session, and then it has
/// work to do.
const UNHEARD: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE];

/// Serves the session at the other end of an inherited Unix stream socket, until it ends:
/// the socket is closed, the client process dies, or SIGTERM comes. Then every process
/// below this one is killed.
///
/// Call it from the main thread of a process that has no other and no child.
pub fn serve(fd: RawFd) -> Result<(), AgentError> {
    let socket = open_socket(fd)?;
    become_subreaper()?;
    ignore_signals(&UNHEARD)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = LocalSet::new().block_on(&runtime, live(socket));
    // A look-up of a host name may hang in a thread; it need not be waited for.
    runtime.shutdown_background();
    ended
}

fn open_socket(fd: RawFd) -> Result<StdStream, AgentError> {
    let socket = adopt(fd)?;
    let kind = socket_type(&socket).map_err(|error| AgentError::Socket {
        fd,
        source: error.into(),
    })?;
    if kind != SocketType::STREAM {
        let source = io::ErrorKind::InvalidInput.into();
        return Err(AgentError::Socket { fd, source });
    }
    let stream = StdStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

async fn live(socket: StdStream) -> Result<(), AgentError> {
    let (from, to) = UnixStream::from_std(socket)?.into_split();
    let session = Rc::new(Session::new());
    let mut deaths = signal(SignalKind::child())?;
    let mut told = signal(SignalKind::terminate())?;
    let undertaker = Rc::clone(&session);
    tokio::task::spawn_local(async move {
        while deaths.recv().await.is_some() {
            undertaker.bury();
        }
    });
    let (replies, outbox) = mpsc::unbounded_channel();
    let writer = tokio::task::spawn_local(write(to, outbox));
    let ended = tokio::select! {
        ended = converse(from, &session, replies.clone()) => ended,
        _ = told.recv() => Ok(()),
    };
    if let Err(AgentError::Protocol(message)) = &ended {
        let answer = Answer::Failed(Failure {
            kind: FailureKind::Fatal,
            message: message.clone(),
            exit: None,
            tail: None,
        });
        let (written, is_written) = oneshot::channel();
        let _ = replies.send((Reply { id: 0, answer }, Some(written)));
        let _ = timeout(LAST_WORD_LIMIT, is_written).await;
    }
    writer.abort();
    sweep(&session).await?;
    ended
}

/// What is to be written, and who wants to know when it is.
type Outgoing = (Reply, Option<oneshot::Sender<()>>);

async fn write(mut to: impl AsyncWrite + Unpin, mut outbox: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some((reply, written)) = outbox.recv().await {
        // A client that reads no more is one whose end is noticed elsewhere.
        if write_frame(&mut to, &reply).await.is_err() {
            return;
        }
        if let Some(written) = written {
            let _ = written.send(());
        }
    }
}

/// Reads calls and sets them to work until the session ends.
async fn converse(
    mut from: impl AsyncRead + Unpin,
    session: &Rc<Session>,
    replies: mpsc::UnboundedSender<Outgoing>,
) -> Result<(), AgentError> {
    let Some(client) = greet(&mut from, &replies).await? else {
        return Ok(());
    };
    let calls = async {
        while let Some(call) = next(&mut from).await? {
            let call = match call {
                Ok(call) => call,
                Err(refusal) => {
                    let _ = replies.send((refusal, None));
                    continue;
                }
            };
            let (session, replies) = (Rc::clone(session), replies.clone());
            tokio::task::spawn_local(async move {
                let answer = session.answer(call.request).await;
                let reply = Reply {
                    id: call.id,
                    answer,
                };
                let _ = replies.send((reply, None));
            });
        }
        Ok(())
    };
    tokio::select! {
        ended = calls => ended,
        () = end_of(client) => Ok(()),
    }
}

/// The next call, or the answer to one that makes no sense; `None` where the session has
/// ended. What is no call at all ends the session.
async fn next(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Result<Call, Reply>>, AgentError> {
    let body: Box<RawValue> = match read_frame(from).await {
        Ok(Some(body)) => body,
        // A client that died in the middle of a message is one that died.
        Ok(None) | Err(FrameError::Io(_)) => return Ok(None),
        Err(error) => return Err(AgentError::Protocol(error.to_string())),
    };
    let error = match decode(body.get().as_bytes()) {
        Ok(call) => return Ok(Some(Ok(call))),
        Err(error) => error,
    };
    let Ok(Numbered { id }) = decode(body.get().as_bytes()) else {
        return Err(AgentError::Protocol(error.to_string()));
    };
    let why = match error {
        FrameError::Message { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    let answer = Answer::Failed(Failure {
        kind: FailureKind::Request,
        message: format!("the agent does not understand the request: {why}"),
        exit: None,
        tail: None,
    });
    Ok(Some(Err(Reply { id, answer })))
}

/// What any call has, whatever else is wrong with it.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

/// Takes the hello: the client process, or `None` where it is gone already.
async fn greet(
    from: &mut (impl AsyncRead + Unpin),
    replies: &mpsc::UnboundedSender<Outgoing>,
) -> Result<Option<Process>, AgentError> {
    let first = timeout(HELLO_LIMIT, next(from)).await.map_err(|_| {
        AgentError::Protocol(format!("no hello within {} s", HELLO_LIMIT.as_secs()))
    })?;
    let call = match first? {
        Some(Ok(call)) => call,
        Some(Err(Reply { answer, .. })) => {
            let why = format!("the first message must be hello: {answer:?}");
            return Err(AgentError::Protocol(why));
        }
        None => return Ok(None),
    };
    let Request::Hello { protocol, client } = call.request else {
        return Err(AgentError::Protocol(
            "the first message must be hello".to_owned(),
        ));
    };
    if protocol != PROTOCOL {
        return Err(AgentError::Protocol(format!(
            "the client speaks protocol {protocol}, this dyno speaks {PROTOCOL}: \
             install the dyno package and the dyno command from one wheel"
        )));
    }
    let pid = i32::try_from(client).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| AgentError::Protocol(format!("no process has the id {client}")))?;
    let Some(client) = Process::read(pid) else {
        return Ok(None);
    };
    let answer = Answer::Welcome {
        protocol: PROTOCOL,
        agent: std::process::id(),
    };
    let reply = Reply {
        id: call.id,
        answer,
    };
    let _ = replies.send((reply, None));
    Ok(Some(client))
}
