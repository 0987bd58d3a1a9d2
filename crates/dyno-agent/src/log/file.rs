//! A process's log file: made, followed, kept from filling the disk, and its end read.
//!
//! The process writes straight to the file, so no agent can hold it up and no last word is
//! lost. What bounds the file is a hole: of a log that has become too long the middle is given
//! back to the file system (`FALLOC_FL_PUNCH_HOLE`). The beginning, where a server says how it
//! was started, and the end stay where they were, and no byte is lost that is written meanwhile.

use rustix::fs::{FallocateFlags, fallocate};
use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most that is read of a log's end, in bytes. Fifty lines of a server's log are
/// about 10 KB; a failure report has one such text for each process.
const LONGEST_TAIL: u64 = 32 * 1024;

/// How many lines of a log go into an error.
pub(crate) const ERROR_LINES: u32 = 50;

/// Holes begin and end at these: no file system that is in use has larger blocks by default.
const BLOCK: u64 = 4096;

/// The lowest limit: below it beginning and end would not hold a page of text.
const LOWEST_LIMIT: u64 = 16 * BLOCK;

/// Where a process writes.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    /// What was in the file before the process started.
    start: u64,
    /// The most that it takes on the disk, in bytes, but for what is written between two looks.
    limit: u64,
    /// From where to where there is nothing any more.
    hole: Cell<Option<(u64, u64)>>,
}

impl LogFile {
    /// Opens a log for appending, with its folder; the file is for the process.
    pub(crate) fn create(path: &Path, limit: u64) -> io::Result<(Self, File)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let start = file.metadata()?.len();
        let log = Self {
            path: path.to_owned(),
            start,
            limit: limit.max(LOWEST_LIMIT),
            hole: Cell::new(None),
        };
        Ok((log, file))
    }

    /// A reader that stands so many bytes behind where the process began to write.
    pub(crate) fn follow(&self, mark: u64) -> io::Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start.saturating_add(mark)))?;
        Ok(file)
    }

    /// Reads the next piece from a reader of [`Self::follow`]; what is in the hole is not.
    pub(crate) fn read_on(&self, file: &mut File, most: u64) -> io::Result<Vec<u8>> {
        let mut most = most;
        let at = file.stream_position()?;
        if let Some((from, to)) = self.hole.get() {
            if (from..to).contains(&at) {
                file.seek(SeekFrom::Start(to))?;
            } else if at < from {
                most = most.min(from - at);
            }
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// How far a reader is behind where the process began to write.
    pub(crate) fn mark(&self, file: &mut File) -> io::Result<u64> {
        Ok(file.stream_position()?.saturating_sub(self.start))
    }

    /// How much the process has written.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.path)?.len().saturating_sub(self.start))
    }

    /// Gives back the middle of a log that has become too long.
    pub(crate) fn trim(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.path)?;
        // In units of 512 bytes, `stat(2)`.
        if metadata.blocks().saturating_mul(512) <= self.limit {
            return Ok(());
        }
        let hole = hole_of(metadata.len(), self.limit);
        if hole.is_empty() {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, hole.start, hole.end - hole.start)?;
        self.hole.set(Some((hole.start, hole.end)));
        Ok(())
    }

    /// Once nobody writes any more: puts a line in the place of what was given back, so that
    /// the file is one that editors take.
    pub(crate) fn close_up(&self) -> io::Result<()> {
        let Some((from, to)) = self.hole.get() else {
            return Ok(());
        };
        let mut whole = File::open(&self.path)?;
        let mut short = OpenOptions::new();
        let partial = self.path.with_extension("partial");
        let mut short = short
            .write(true)
            .create(true)
            .truncate(true)
            .open(&partial)?;
        io::copy(&mut (&mut whole).take(from), &mut short)?;
        write!(short, "\n[... {} bytes were not kept ...]\n", to - from)?;
        whole.seek(SeekFrom::Start(to))?;
        io::copy(&mut whole, &mut short)?;
        fs::rename(&partial, &self.path)?;
        self.hole.set(None);
        Ok(())
    }

    /// The last lines. A log that cannot be read has that as its text.
    pub(crate) fn tail(&self, lines: u32) -> String {
        self.read_tail(lines)
            .unwrap_or_else(|error| format!("({} cannot be read: {error})", self.path.display()))
    }

    fn read_tail(&self, lines: u32) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let from = end.saturating_sub(LONGEST_TAIL).max(self.start);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LONGEST_TAIL).read_to_end(&mut bytes)?;
        Ok(last_lines(&bytes, lines, from > self.start))
    }
}

/// What of a file of `length` bytes is to go, so that it takes three quarters of `limit`: an
/// eighth of it is kept at the beginning.
fn hole_of(length: u64, limit: u64) -> Range<u64> {
    let from = (limit / 8).next_multiple_of(BLOCK);
    let to = length.saturating_sub(limit / 8 * 5) / BLOCK * BLOCK;
    from..to.max(from)
}

/// The last lines of `bytes`, which begin in the middle of the text where `cut` is set.
fn last_lines(bytes: &[u8], lines: u32, cut: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
    let count = text.split('\n').count();
    let kept: Vec<&str> = text
        .split('\n')
        .skip(count.saturating_sub(wanted))
        .collect();
    let mark = if cut && kept.len() == count {
        "..."
    } else {
        ""
    };
    format!("{mark}{}", kept.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn a_tail_has_the_last_lines_and_no_more() {
        assert_eq!(last_lines(b"", 3, false), "");
        assert_eq!(last_lines(b"a\nb\nc\nd\n", 2, false), "c\nd");
        assert_eq!(last_lines(b"a\nb", 9, false), "a\nb");
        assert_eq!(last_lines(b"a\nb", 9, true), "...a\nb");
        assert_eq!(last_lines(b"a\nb", 1, true), "b");
        assert_eq!(last_lines(b"a\nb", 0, false), "");
    }

    #[test]
    fn what_was_in_the_file_before_is_not_the_process_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.log");
        let (_, mut before) = LogFile::create(&path, LIMIT).unwrap();
        before.write_all(b"old\n").unwrap();
        let (log, mut file) = LogFile::create(&path, LIMIT).unwrap();
        file.write_all(b"new\n").unwrap();
        assert_eq!((log.tail(10).as_str(), log.length().unwrap()), ("new", 4));
        let mut followed = log.follow(0).unwrap();
        assert_eq!(log.read_on(&mut followed, 100).unwrap(), b"new\n");
        assert_eq!(log.mark(&mut followed).unwrap(), 4);
    }

    #[test]
    fn a_line_without_end_has_a_tail_of_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let (log, mut file) = LogFile::create(&folder.path().join("a.log"), LIMIT).unwrap();
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
        let tail = log.tail(50);
        assert!(tail.starts_with("...x"));
        assert_eq!(tail.len() as u64, LONGEST_TAIL + 3);
    }

    #[test]
    fn a_log_that_is_too_long_loses_its_middle_and_no_later_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let (log, mut file) = LogFile::create(&path, LIMIT).unwrap();
        file.write_all(b"the beginning\n").unwrap();
        for number in 0..5 {
            file.write_all(&vec![b'a' + number; 1 << 20]).unwrap();
            log.trim().unwrap();
        }
        file.write_all(b"\nthe end\n").unwrap();
        file.sync_all().unwrap();
        let taken = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(taken <= LIMIT, "{taken}");
        let mut followed = log.follow(0).unwrap();
        let mut read = Vec::new();
        loop {
            let piece = log.read_on(&mut followed, 1 << 16).unwrap();
            if piece.is_empty() {
                break;
            }
            read.extend(piece);
        }
        assert!(read.starts_with(b"the beginning\naaa"));
        assert!(read.ends_with(b"eee\nthe end\n"));
        assert!(!read.contains(&0) && (read.len() as u64) < LIMIT);
        assert_eq!(log.mark(&mut followed).unwrap(), log.length().unwrap());
        drop(file);
        log.close_up().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.len() < 99).collect();
        assert_eq!(lines.first(), Some(&"the beginning"));
        assert!(lines[1].starts_with("[... ") && lines[1].ends_with(" bytes were not kept ...]"));
        assert_eq!(log.tail(1), "the end");
    }

    proptest! {
        #[test]
        fn a_hole_spares_both_ends(length in 0u64..1 << 34, limit in LOWEST_LIMIT..1 << 32) {
            let hole = hole_of(length, limit);
            prop_assert!(hole.start >= limit / 8 && hole.start.is_multiple_of(BLOCK));
            prop_assert!(hole.end.is_multiple_of(BLOCK) || hole.is_empty());
            if !hole.is_empty() {
                prop_assert!(hole.end + limit / 8 * 5 <= length);
                let left = length - (hole.end - hole.start);
                prop_assert!(left <= limit, "{left}");
            }
        }
    }
}
