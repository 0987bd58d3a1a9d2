//! Frames: a length, then that many bytes of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame, in bytes. A collection of 100,000 tests is about 60 MB; a length
/// beyond this is a stream out of step, not a message.
pub const MAX_FRAME: usize = 512 * 1024 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed in the middle of a frame, or the socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// A length beyond [`MAX_FRAME`], or beyond what the reader takes.
    #[error("a frame of {length} bytes, where {most} is the most")]
    TooLong {
        /// Its length.
        length: usize,
        /// The most that is taken.
        most: usize,
    },
    /// Not a message of this conversation.
    #[error("a message that is not understood: {source}, in {start:?}")]
    Message {
        /// What the parser said.
        source: serde_json::Error,
        /// How the message begins.
        start: String,
    },
}

/// Turns a message into a whole frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).map_err(|source| FrameError::Message {
        source,
        start: String::new(),
    })?;
    let length = frame.len() - 4;
    let prefix = u32::try_from(length)
        .ok()
        .filter(|_| length <= MAX_FRAME)
        .ok_or(FrameError::TooLong {
            length,
            most: MAX_FRAME,
        })?;
    frame[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame)
}

/// Reads a message out of a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|source| FrameError::Message {
        source,
        start: String::from_utf8_lossy(body).chars().take(120).collect(),
    })
}

/// Reads the next message; `None` where the other side closed between two frames.
///
/// Not cancel-safe: a reader owns its stream.
pub async fn read_frame<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    read_frame_within(from, MAX_FRAME).await
}

/// As [`read_frame`], for a reader that takes no frame longer than `most` bytes.
pub async fn read_frame_within<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<Option<T>, FrameError> {
    let mut prefix = [0; 4];
    let first = from.read(&mut prefix[..1]).await?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(&mut prefix[1..]).await?;
    let length = u32::from_be_bytes(prefix) as usize;
    if length > most {
        return Err(FrameError::TooLong { length, most });
    }
    // The buffer grows with what arrives, so that a forged length costs nothing.
    let mut body = Vec::with_capacity(length.min(1 << 16));
    from.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    decode(&body).map(Some)
}

/// Frames out of bytes that come in pieces, for a reader that waits for other things too.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    read: usize,
}

impl Frames {
    /// Takes in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether the beginning of a message is here, and not its end.
    pub fn is_partial(&self) -> bool {
        self.read < self.bytes.len()
    }

    /// The next message, if the whole of it is here.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.read..];
        let Some((prefix, body)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLong {
                length,
                most: MAX_FRAME,
            });
        }
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let message = decode(body);
        self.read += prefix.len() + length;
        message.map(Some)
    }
}

/// Writes one message.
pub async fn write_frame<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> Result<(), FrameError> {
    to.write_all(&encode(message)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(work)
    }

    proptest! {
        #[test]
        fn frames_come_back_in_order_however_the_stream_is_cut(
            messages in proptest::collection::vec(".{0,200}", 0..8),
            piece in 1usize..64,
        ) {
            let read = block_on(async {
                let (mut near, mut far) = tokio::io::duplex(piece);
                let sent = messages.clone();
                let writer = async move {
                    for message in &sent {
                        write_frame(&mut near, message).await.unwrap();
                    }
                };
                let reader = async {
                    let mut read = Vec::new();
                    while let Some(message) = read_frame::<String>(&mut far).await.unwrap() {
                        read.push(message);
                    }
                    read
                };
                tokio::join!(writer, reader).1
            });
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn frames_come_out_of_pieces_as_out_of_a_stream(
            messages in proptest::collection::vec(".{0,200}", 0..8),
            piece in 1usize..64,
        ) {
            let sent: Vec<u8> = messages.iter().flat_map(|one| encode(one).unwrap()).collect();
            let mut frames = Frames::default();
            let mut read = Vec::new();
            for bytes in sent.chunks(piece) {
                frames.push(bytes);
                while let Some(message) = frames.take::<String>().unwrap() {
                    read.push(message);
                }
            }
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn garbage_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut stream = bytes.as_slice();
            let _ = block_on(read_frame::<crate::worker::FromWorker>(&mut stream));
        }
    }

    #[test]
    fn a_cut_frame_is_a_broken_connection() {
        let frame = encode(&"hello").unwrap();
        let mut cut = &frame[..frame.len() - 1];
        let error = block_on(read_frame::<String>(&mut cut)).unwrap_err();
        assert!(matches!(error, FrameError::Io(_)), "{error}");
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let mut stream = &u32::MAX.to_be_bytes()[..];
        let error = block_on(read_frame::<String>(&mut stream)).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
    }
}
