//! One task reads a socket, another writes it, so that neither side can block the run.

use crate::machine::Input;
use dyno_wire::{FrameError, encode, read_frame};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the rest of a message may take to come. A peer writes a message by one call, so
/// one that is cut short is a length that something else wrote: what follows would be taken
/// for its body, and both sides would wait for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What is said of such a message.
pub(crate) const NO_END: &str = "a message whose end did not come";

/// Where a peer's messages are queued for writing.
///
/// Unbounded on purpose: the template may be slow to take reports in, and the run must
/// not wait for it. What waits is at most what the journal holds.
pub(crate) struct Outbox(mpsc::UnboundedSender<(Vec<u8>, Vec<OwnedFd>)>);

/// So many descriptors travel with one message at most: a worker's socket, its pipes, and its way
/// into a sandbox.
const MOST_DESCRIPTORS: usize = 8;

impl Outbox {
    /// Queues a message, with descriptors to travel with it. A peer that is gone is
    /// noticed by its reader, so nothing is said here.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), FrameError> {
        let _ = self.0.send((encode(message)?, descriptors));
        Ok(())
    }

    /// Starts the task that writes.
    pub(crate) fn over(mut write: OwnedWriteHalf) -> Self {
        let (outbox, mut queue) = mpsc::unbounded_channel::<(Vec<u8>, Vec<OwnedFd>)>();
        tokio::task::spawn_local(async move {
            while let Some((frame, descriptors)) = queue.recv().await {
                let sent = if descriptors.is_empty() {
                    Ok(0)
                } else {
                    send_descriptors(write.as_ref(), &frame, &descriptors).await
                };
                let Ok(sent) = sent else { break };
                if write.write_all(&frame[sent..]).await.is_err() {
                    break;
                }
            }
        });
        Self(outbox)
    }
}

/// Starts both tasks. `input` turns a message into the run's input, `closed` is told once,
/// at the end, what was wrong with the last message, if anything.
pub(crate) fn connect<T: DeserializeOwned + 'static>(
    socket: std::os::unix::net::UnixStream,
    inbox: mpsc::Sender<Input>,
    input: impl Fn(T) -> Input + 'static,
    closed: impl FnOnce(Option<String>) -> Option<Input> + 'static,
) -> io::Result<Outbox> {
    socket.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(socket)?.into_split();
    tokio::task::spawn_local(async move {
        let garbage = read_all(read, &inbox, input, PATIENCE).await;
        if let Some(last) = closed(garbage) {
            let _ = inbox.send(last).await;
        }
    });
    Ok(Outbox::over(write))
}

async fn read_all<T: DeserializeOwned>(
    read: OwnedReadHalf,
    inbox: &mpsc::Sender<Input>,
    input: impl Fn(T) -> Input,
    patience: Duration,
) -> Option<String> {
    let mut read = BufReader::with_capacity(1 << 16, read);
    loop {
        if read.fill_buf().await.is_err() {
            return None;
        }
        let Ok(frame) = timeout(patience, read_frame(&mut read)).await else {
            return Some(NO_END.to_owned());
        };
        match frame {
            Ok(Some(message)) => {
                if inbox.send(input(message)).await.is_err() {
                    return None;
                }
            }
            // A peer that is killed in mid-frame has simply ended.
            Ok(None) | Err(FrameError::Io(_)) => return None,
            Err(error) => return Some(error.to_string()),
        }
    }
}

/// Sends the beginning of `frame` with `descriptors` beside it; answers how much was sent.
async fn send_descriptors(
    socket: &UnixStream,
    frame: &[u8],
    descriptors: &[OwnedFd],
) -> io::Result<usize> {
    loop {
        socket.writable().await?;
        let sent = socket.try_io(Interest::WRITABLE, || {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            Ok(sendmsg(
                socket,
                &[IoSlice::new(frame)],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dyno_model::TemplateId;
    use dyno_wire::template::FromTemplate;
    use std::io::Write;

    /// What a peer that writes these bytes, and then nothing, is told to have sent.
    fn what_was_wrong(bytes: &[u8]) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            theirs.write_all(bytes).unwrap();
            ours.set_nonblocking(true).unwrap();
            let (read, _write) = UnixStream::from_std(ours).unwrap().into_split();
            let (inbox, _inputs) = mpsc::channel(1);
            let says = |message: FromTemplate| Input::Template(TemplateId::FIRST, message);
            read_all(read, &inbox, says, Duration::from_millis(1)).await
        })
    }

    #[test]
    fn a_message_that_is_never_finished_does_not_hold_the_run() {
        for bytes in [&b"\0\0\0\x09{"[..], b"\0\0"] {
            let wrong = what_was_wrong(bytes).unwrap();
            assert!(wrong.contains("did not come"), "{wrong}");
        }
        assert!(what_was_wrong(b"garbage").unwrap().contains("bytes"));
    }
}
