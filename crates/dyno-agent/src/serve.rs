//! The agent's own life: it is born with a socket, serves the session at its other end,
//! and ends with that session, taking along all that it started.

use crate::error::AgentError;
use crate::process::Alarm;
use crate::process::stop::sweep;
use crate::session::{ClientId, Session};
use crate::watch::end_of;
use dyno_sandbox::{Process, adopt, become_subreaper, ignore_signals};
use dyno_wire::agent::{Answer, Call, Failure, FailureKind, Reply, Request};
use dyno_wire::{FrameError, PROTOCOL, decode, read_frame_within, write_frame};
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;
use rustix::process::{Pid, Signal};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a client may take to say hello: it starts the agent and speaks at once.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// How long a client that broke the protocol is given to read what is wrong with it.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(1);

/// The longest call that is read, in bytes. An environment has 2 MiB at most, and what is
/// written to a process comes in pieces.
const LONGEST_CALL: usize = 16 << 20;

/// How many calls of a client may be on their way. A suite of hundreds of servers waits for a
/// few of them at a time.
const MOST_CALLS: usize = 1024;

/// Between two looks at the lengths of logs. A server that writes all it can fills a few
/// hundred MB meanwhile. Also between two rings.
const LOOK: Duration = Duration::from_millis(500);

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
    run(live(socket))
}

/// Lives as an agent: on one thread, as the reaper of orphans, deaf to the terminal.
pub(crate) fn run(life: impl Future<Output = Result<(), AgentError>>) -> Result<(), AgentError> {
    become_subreaper()?;
    ignore_signals(&UNHEARD)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = LocalSet::new().block_on(&runtime, life);
    // A look-up of a host name may hang in a thread; it need not be waited for.
    runtime.shutdown_background();
    ended
}

/// Takes an inherited Unix stream socket.
pub(crate) fn open_socket(fd: RawFd) -> Result<StdStream, AgentError> {
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
    let socket = UnixStream::from_std(socket)?;
    let session = Rc::new(Session::new(None));
    let mut told = signal(SignalKind::terminate())?;
    look_after(&session)?;
    let ended = tokio::select! {
        ended = serve_client(socket, &session, ClientId(1), None) => ended,
        _ = told.recv() => Ok(()),
    };
    session.end().await;
    sweep(&session).await?;
    ended
}

/// Buries the dead, keeps logs from filling the disk, and rings until it is heard, as long as the
/// agent lives.
pub(crate) fn look_after(session: &Rc<Session>) -> Result<(), AgentError> {
    let mut deaths = signal(SignalKind::child())?;
    let undertaker = Rc::clone(session);
    tokio::task::spawn_local(async move {
        while deaths.recv().await.is_some() {
            undertaker.bury();
        }
    });
    let keeper = Rc::clone(session);
    tokio::task::spawn_local(async move {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            keeper.trim_logs();
            keeper.ring_again();
        }
    });
    Ok(())
}

/// Talks with one client until it is gone. `peer` is its process, where that is known otherwise
/// than by the client's word.
pub(crate) async fn serve_client(
    socket: UnixStream,
    session: &Rc<Session>,
    client: ClientId,
    peer: Option<Process>,
) -> Result<(), AgentError> {
    let (from, to) = socket.into_split();
    let (replies, outbox) = mpsc::unbounded_channel();
    let writer = tokio::task::spawn_local(write(to, outbox));
    let ended = converse(from, session, client, peer, replies.clone()).await;
    if let Err(AgentError::Protocol(message)) = &ended {
        let answer = Answer::Failed(Failure {
            kind: FailureKind::Fatal,
            message: message.clone(),
            exit: None,
            tail: None,
        });
        let (written, is_written) = oneshot::channel();
        let _ = replies.send(Outgoing {
            reply: Reply { id: 0, answer },
            place: Place::Last(written),
        });
        // It is dropped, not used: what comes is an error, and in time.
        let _ = timeout(LAST_WORD_LIMIT, is_written).await;
    }
    writer.abort();
    ended
}

/// What is to be written, and what ends with that.
#[derive(Debug)]
struct Outgoing {
    reply: Reply,
    /// Dropped once it is written.
    place: Place,
}

#[derive(Debug)]
#[expect(dead_code, reason = "what is held is of use by being dropped")]
enum Place {
    /// That of a call among those that are on their way.
    Call(OwnedSemaphorePermit),
    /// Nobody's: the greeting.
    None,
    /// That of the last word, whose sender wants to know that it is out.
    Last(oneshot::Sender<()>),
}

async fn write(mut to: impl AsyncWrite + Unpin, mut outbox: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(Outgoing { reply, place }) = outbox.recv().await {
        // A client that reads no more is one whose end is noticed elsewhere.
        if write_frame(&mut to, &reply).await.is_err() {
            return;
        }
        drop(place);
    }
}

/// Reads calls and sets them to work until the session ends.
async fn converse(
    mut from: impl AsyncRead + Unpin,
    session: &Rc<Session>,
    client: ClientId,
    peer: Option<Process>,
    replies: mpsc::UnboundedSender<Outgoing>,
) -> Result<(), AgentError> {
    let Some(process) = greet(&mut from, session, peer, &replies).await? else {
        return Ok(());
    };
    let places = Arc::new(Semaphore::new(MOST_CALLS));
    let calls = async {
        loop {
            // A client that asks and does not read is not read either.
            let Ok(permit) = Arc::clone(&places).acquire_owned().await else {
                return Ok(());
            };
            let place = Place::Call(permit);
            let Some(call) = next(&mut from).await? else {
                return Ok(());
            };
            let call = match call {
                Ok(call) => call,
                Err(reply) => {
                    let _ = replies.send(Outgoing { reply, place });
                    continue;
                }
            };
            let (session, replies) = (Rc::clone(session), replies.clone());
            tokio::task::spawn_local(async move {
                let answer = session.answer(client, call.request).await;
                let id = call.id;
                let reply = Reply { id, answer };
                let _ = replies.send(Outgoing { reply, place });
            });
        }
    };
    tokio::select! {
        ended = calls => ended,
        () = end_of(process) => Ok(()),
    }
}

/// The next call, or the answer to one that makes no sense; `None` where the session has
/// ended. What is no call at all ends the session.
async fn next(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Result<Call, Reply>>, AgentError> {
    let body: Box<RawValue> = match read_frame_within(from, LONGEST_CALL).await {
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
    session: &Session,
    peer: Option<Process>,
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
    let Request::Hello {
        protocol,
        client,
        alarm,
    } = call.request
    else {
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
    let Some(client) = peer.map_or_else(|| named(client), |peer| Ok(Some(peer)))? else {
        return Ok(None);
    };
    if let Some(signal) = alarm.and_then(Signal::from_named_raw) {
        session.alarm.set(Some(Alarm { client, signal }));
    }
    let answer = welcome();
    let id = call.id;
    let _ = replies.send(Outgoing {
        reply: Reply { id, answer },
        place: Place::None,
    });
    Ok(Some(client))
}

/// What a client is greeted with.
pub(crate) fn welcome() -> Answer {
    let network = std::fs::read_link("/proc/self/ns/net");
    Answer::Welcome {
        protocol: PROTOCOL,
        agent: std::process::id(),
        network: network.map_or_else(|_| String::new(), |path| path.to_string_lossy().into()),
    }
}

/// The process that a client says it is; `None` where it is gone already.
fn named(client: u32) -> Result<Option<Process>, AgentError> {
    let pid = i32::try_from(client).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| AgentError::Protocol(format!("no process has the id {client}")))?;
    Ok(Process::read(pid))
}
