//! Framed, versioned messages between dyno's processes.
//!
//! Every conversation runs over a Unix stream socket. A frame is a length (four
//! bytes, big-endian, [`MAX_FRAME`] at most) and so many bytes of one JSON object with
//! a `type`. JSON because the Python side speaks it without a dependency.
//!
//! Four conversations: the runner and the [`template`], the runner and a
//! [`worker`], a test session and its [`agent`], whoever asks pytest and a [`collector`]. The Python side names the
//! [`PROTOCOL`] it speaks in its first message; a mismatch ends the conversation with a
//! message that names both.

pub mod agent;
pub mod collector;
mod frame;
pub mod template;
pub mod worker;

pub use frame::{
    FrameError, Frames, MAX_FRAME, decode, encode, read_frame, read_frame_within, write_frame,
};

/// The version of all conversations. It changes with any message.
pub const PROTOCOL: u32 = 10;
