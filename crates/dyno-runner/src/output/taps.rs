//! The reading ends of a worker's standard streams.

use super::splitter::{Piece, Shape, Splitter};
use dyno_model::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, read};
use std::collections::VecDeque;
use std::future::pending;
use tokio::io::unix::AsyncFd;

/// Read at once: so much of each stream may wait in the run's inbox as one input.
const CHUNK: usize = 16 * 1024;

/// Read at most before something else has its turn. What a worker itself has written
/// before its last word is at most what a pipe holds (64 KiB, `pipe(7)`); a child that it
/// left behind may go on writing for ever.
const MOST_AT_ONCE: usize = 1 << 20;

/// A text and its stream.
pub(super) type Text = (Stream, String);

/// One or two pipes.
#[derive(Debug)]
pub(super) struct Taps {
    taps: Vec<Tap>,
    /// The mark of the last message that came, where messages of its kind are marked.
    reached: u64,
}

#[derive(Debug)]
struct Tap {
    /// Absent once the last writer is gone.
    end: Option<AsyncFd<OwnedFd>>,
    splitter: Splitter,
    read: VecDeque<Piece>,
    /// The last mark that was passed.
    passed: u64,
}

impl Taps {
    /// The first end is that of standard output.
    pub(super) fn new(ends: Vec<AsyncFd<OwnedFd>>, shape: Shape, control: &str) -> Self {
        let streams = [Stream::Stdout, Stream::Stderr];
        let taps = ends.into_iter().zip(streams).map(|(end, stream)| Tap {
            end: Some(end),
            splitter: Splitter::new(stream, shape, control),
            read: VecDeque::new(),
            passed: 0,
        });
        Self {
            taps: taps.collect(),
            reached: 0,
        }
    }

    /// Whether anything may still come of them.
    pub(super) fn holds_any(&self) -> bool {
        let holds = |tap: &Tap| tap.end.is_some() || !tap.read.is_empty();
        self.taps.iter().any(holds)
    }

    /// Whether there is text that was read and not passed on.
    pub(super) fn holds_text(&self) -> bool {
        let holds = |tap: &Tap| tap.splitter.holds_text() || !tap.read.is_empty();
        self.taps.iter().any(holds)
    }

    /// Waits until there is something that may be passed on.
    pub(super) async fn readable(&self) {
        let wait = async |index: usize| match self.taps.get(index) {
            Some(tap) if tap.has_text(self.reached) => {}
            Some(Tap {
                end: Some(end),
                read,
                ..
            }) if read.is_empty() => until_readable(end).await,
            _ => pending().await,
        };
        tokio::select! {
            () = wait(0) => {}
            () = wait(1) => {}
        }
    }

    /// What there is to read of each, up to a mark whose message has not come.
    pub(super) fn some(&mut self) -> Vec<Text> {
        let mut texts = Vec::new();
        for tap in &mut self.taps {
            tap.pass(self.reached, &mut texts);
            if tap.read.is_empty() {
                tap.read();
                tap.pass(self.reached, &mut texts);
            }
        }
        texts
    }

    /// What was printed before a message that came now and that a mark stands before.
    pub(super) fn until_next_mark(&mut self) -> Vec<Text> {
        self.reached += 1;
        let mut texts = Vec::new();
        for tap in &mut self.taps {
            let mut bytes = 0;
            while tap.passed < self.reached && tap.may_pass(self.reached) && bytes < MOST_AT_ONCE {
                if tap.pass_one(&mut texts) {
                    continue;
                }
                match tap.read() {
                    0 if tap.read.is_empty() => break,
                    count => bytes += count,
                }
            }
        }
        texts
    }

    /// What was printed before a message that came now, a line without end too.
    pub(super) fn all(&mut self) -> Vec<Text> {
        let mut texts = Vec::new();
        for tap in &mut self.taps {
            let mut bytes = 0;
            loop {
                tap.pass(self.reached, &mut texts);
                if !tap.read.is_empty() || bytes >= MOST_AT_ONCE {
                    break;
                }
                match tap.read() {
                    0 if tap.read.is_empty() => break,
                    count => bytes += count,
                }
            }
            if tap.read.is_empty() {
                tap.flush();
                tap.pass(self.reached, &mut texts);
            }
        }
        texts
    }

    /// No further message will come, and no mark is waited for.
    pub(super) fn forget_marks(&mut self) {
        self.reached = u64::MAX;
    }
}

/// Waits until there is something, or the last writer is gone.
async fn until_readable(end: &AsyncFd<OwnedFd>) {
    while let Ok(mut ready) = end.readable().await {
        // It may have been read meanwhile, beside tokio.
        let mut now = [PollFd::new(end, PollFlags::IN)];
        let none = poll(&mut now, Some(&Timespec::default())) == Ok(0);
        if !none {
            return;
        }
        ready.clear_ready();
    }
}

impl Tap {
    fn flush(&mut self) {
        let mut pieces = Vec::new();
        self.splitter.flush(&mut pieces);
        self.read.extend(pieces);
    }

    /// Whether what comes next does not wait for a message.
    fn may_pass(&self, reached: u64) -> bool {
        !matches!(self.read.front(), Some(Piece::Mark(number)) if *number > reached)
    }

    fn has_text(&self, reached: u64) -> bool {
        !self.read.is_empty() && self.may_pass(reached)
    }

    /// Moves one text out, or passes one mark; answers whether there was either.
    fn pass_one(&mut self, texts: &mut Vec<Text>) -> bool {
        match self.read.pop_front() {
            Some(Piece::Text(stream, text)) => texts.push((stream, text)),
            Some(Piece::Mark(number)) => self.passed = number,
            None => return false,
        }
        true
    }

    /// Moves texts out up to a mark beyond `reached`.
    fn pass(&mut self, reached: u64, texts: &mut Vec<Text>) {
        while self.may_pass(reached) && self.pass_one(texts) {}
    }

    /// Reads once; answers how many bytes.
    fn read(&mut self) -> usize {
        let Some(end) = &self.end else { return 0 };
        let mut chunk = [0; CHUNK];
        let mut pieces = Vec::new();
        // Not through tokio, which tries only what it has heard of: what was written before
        // a message is here when the message is, but its event may not be.
        let count = match read(end, &mut chunk) {
            Ok(0) => {
                self.end = None;
                self.splitter.flush(&mut pieces);
                0
            }
            Ok(count) => {
                self.splitter.take(&chunk[..count], &mut pieces);
                count
            }
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                self.end = None;
                0
            }
        };
        self.read.extend(pieces);
        count
    }
}
