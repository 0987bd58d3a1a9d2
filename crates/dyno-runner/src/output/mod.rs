//! What a worker prints, read beside what it says.
//!
//! A worker's standard output and error are pipes that end here. Before certain messages
//! it writes a mark into them (`dyno_wire::template::Output`), so that each text stands in
//! its place among the messages however late either is read: a mark is in the pipe before
//! its message is sent, and what stands behind a mark waits for that message.
//!
//! The readers stop reading where the run is behind, so a worker that prints faster than
//! it is shown waits. They go on after the worker's end for as long as a child of a test
//! holds the pipe, and nobody waits for them.

mod keep;
mod splitter;
mod taps;

pub(crate) use keep::Keep;
pub(crate) use splitter::Shape;

use crate::machine::Input;
use crate::peer::{NO_END, Outbox, PATIENCE};
use dyno_model::WorkerId;
use dyno_wire::template::{self as wire, Marks, Output};
use dyno_wire::worker::FromWorker;
use dyno_wire::{FrameError, Frames};
use rustix::fd::OwnedFd;
use rustix::pipe::{PipeFlags, pipe_with};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::net;
use taps::{Taps, Text};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Whether a run's standard output and error are shown in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// In one: what comes first stands first.
    One,
    /// Each in its own.
    Two,
}

/// The ends of a worker's pipes that are the worker's.
pub(crate) struct TheirEnds {
    pub(crate) output: Output,
    pub(crate) pipes: Vec<OwnedFd>,
}

/// The ends that are the runner's, with what they are to make of it.
pub(crate) struct OurEnds {
    taps: Taps,
    marks: Marks,
}

/// Makes the pipes of a worker.
pub(crate) fn pipes(
    shape: Shape,
    streams: Streams,
    input: wire::Input,
    captured: bool,
) -> io::Result<(OurEnds, TheirEnds)> {
    // Lines are told apart by their stream, wherever they are shown.
    let count = match (shape, streams) {
        (Shape::Raw, Streams::One) => 1,
        _ => 2,
    };
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..count {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&read, true)?;
        // SAFETY: an owned descriptor is open, and the same, until it is dropped.
        let read = unsafe { AsyncFd::register_with_interest(read, Interest::READABLE) };
        ours.push(read.map_err(io::Error::from)?);
        theirs.push(write);
    }
    let control = format!("dyno-{:016x}", RandomState::new().hash_one(0));
    let marks = match shape {
        Shape::Raw => Marks::Reports,
        Shape::Lines if captured => Marks::None,
        Shape::Lines => Marks::Tests,
    };
    let taps = Taps::new(ours, shape, &control);
    let output = Output {
        pipes: count,
        control,
        marks,
        input: match shape {
            Shape::Raw => input,
            Shape::Lines => wire::Input::None,
        },
    };
    let theirs = TheirEnds {
        output,
        pipes: theirs,
    };
    Ok((OurEnds { taps, marks }, theirs))
}

/// A worker as the driver speaks to it.
pub(crate) struct Conversation {
    pub(crate) outbox: Outbox,
    /// An input that is to come after all that was printed before it was seen.
    later: mpsc::UnboundedSender<Input>,
}

impl Conversation {
    /// Sends an input to the inbox behind what the worker has printed; gives it back where
    /// nothing more is read of the worker.
    pub(crate) fn after_output(&self, input: Input) -> Option<Input> {
        self.later.send(input).err().map(|unsent| unsent.0)
    }
}

/// Starts to read a worker's messages and output, and to write to it. `closed` is told at
/// the end of its messages what was wrong with the last, if anything.
pub(crate) fn converse(
    socket: net::UnixStream,
    ends: OurEnds,
    worker: WorkerId,
    inbox: mpsc::Sender<Input>,
    closed: impl FnOnce(Option<String>) -> Input + 'static,
) -> io::Result<Conversation> {
    socket.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(socket)?.into_split();
    let (later, inputs) = mpsc::unbounded_channel();
    let reader = Reader {
        worker,
        ends,
        inbox,
        frames: Frames::default(),
    };
    tokio::task::spawn_local(reader.read(read, inputs, closed));
    Ok(Conversation {
        outbox: Outbox::over(write),
        later,
    })
}

/// The run is over and takes no more in.
struct RunOver;

struct Reader {
    worker: WorkerId,
    ends: OurEnds,
    inbox: mpsc::Sender<Input>,
    frames: Frames,
}

impl Reader {
    async fn read(
        mut self,
        socket: OwnedReadHalf,
        mut later: mpsc::UnboundedReceiver<Input>,
        closed: impl FnOnce(Option<String>) -> Input,
    ) {
        let mut closed = Some(closed);
        loop {
            let done = tokio::select! {
                Some(input) = later.recv() => {
                    let texts = self.ends.taps.all();
                    self.pass(texts, Some(input)).await
                }
                _ = socket.readable(), if closed.is_some() => match self.messages(&socket).await {
                    Ok(Talk::GoesOn) => Ok(()),
                    Ok(Talk::Over(garbage)) => self.over(garbage, &mut closed).await,
                    Err(over) => Err(over),
                },
                () = sleep(PATIENCE), if closed.is_some() && self.frames.is_partial() => {
                    self.over(Some(NO_END.to_owned()), &mut closed).await
                }
                () = self.ends.taps.readable(), if self.ends.taps.holds_any() => {
                    let texts = self.ends.taps.some();
                    self.pass(texts, None).await
                }
                else => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// No more messages come.
    async fn over<C: FnOnce(Option<String>) -> Input>(
        &mut self,
        garbage: Option<String>,
        closed: &mut Option<C>,
    ) -> Result<(), RunOver> {
        self.ends.taps.forget_marks();
        let texts = self.ends.taps.all();
        let input = closed.take().map(|closed| closed(garbage));
        self.pass(texts, input).await
    }

    /// Reads what there is on the socket.
    fn fill(&mut self, socket: &OwnedReadHalf) -> Talk {
        let mut chunk = [0; 1 << 14];
        match socket.try_read(&mut chunk) {
            Ok(0) => return Talk::Over(None),
            Ok(count) => self.frames.push(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A peer that is killed in mid-frame has simply ended.
            Err(_) => return Talk::Over(None),
        }
        Talk::GoesOn
    }

    /// Takes in what there is on the socket.
    async fn messages(&mut self, socket: &OwnedReadHalf) -> Result<Talk, RunOver> {
        let over @ Talk::Over(_) = self.fill(socket) else {
            return self.whole_messages().await;
        };
        Ok(over)
    }

    async fn whole_messages(&mut self) -> Result<Talk, RunOver> {
        loop {
            match self.frames.take() {
                Ok(Some(message)) => {
                    let texts = self.before(&message);
                    self.pass(texts, Some(Input::Worker(self.worker, message)))
                        .await?;
                }
                Ok(None) => return Ok(Talk::GoesOn),
                Err(FrameError::Io(_)) => return Ok(Talk::Over(None)),
                Err(error) => return Ok(Talk::Over(Some(error.to_string()))),
            }
        }
    }

    /// What was printed before this message.
    fn before(&mut self, message: &FromWorker) -> Vec<Text> {
        let taps = &mut self.ends.taps;
        let unmarked = self.ends.marks == Marks::None;
        match message {
            FromWorker::TerminalWanted => taps.all(),
            FromWorker::Finished { .. } if unmarked && taps.holds_text() => taps.all(),
            _ if unmarked => Vec::new(),
            FromWorker::Started { .. } => taps.until_next_mark(),
            FromWorker::Report { report, .. }
                if self.ends.marks == Marks::Reports && report.status.is_shown() =>
            {
                taps.until_next_mark()
            }
            FromWorker::Finished { .. } => taps.all(),
            _ => Vec::new(),
        }
    }

    async fn pass(&self, texts: Vec<Text>, last: Option<Input>) -> Result<(), RunOver> {
        let worker = self.worker;
        let printed = texts.into_iter().map(|(stream, text)| Input::Printed {
            worker,
            stream,
            text,
        });
        for input in printed.chain(last) {
            self.inbox.send(input).await.map_err(|_| RunOver)?;
        }
        Ok(())
    }
}

/// Whether more messages may come.
enum Talk {
    GoesOn,
    /// No more, with what was wrong with the last.
    Over(Option<String>),
}
