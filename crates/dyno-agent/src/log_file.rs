//! A process's log file: made, followed, and its end read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The most that is read of a log's end, in bytes. Fifty lines of a server's log are
/// about 10 KB; a failure report has one such text for each process.
const LONGEST_TAIL: u64 = 32 * 1024;

/// How many lines of a log go into an error.
pub(crate) const ERROR_LINES: u32 = 50;

/// Where a process writes.
#[derive(Debug, Clone)]
pub(crate) struct LogFile {
    path: PathBuf,
    /// What was in the file before the process started.
    start: u64,
}

impl LogFile {
    /// Opens a log for appending, with its folder; the file is for the process.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let start = file.metadata()?.len();
        let path = path.to_owned();
        Ok((Self { path, start }, file))
    }

    /// A reader that stands where the process began to write.
    pub(crate) fn follow(&self) -> io::Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file)
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
    use std::io::Write;

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
        LogFile::create(&path)
            .unwrap()
            .1
            .write_all(b"old\n")
            .unwrap();
        let (log, mut file) = LogFile::create(&path).unwrap();
        file.write_all(b"new\n").unwrap();
        assert_eq!(log.tail(10), "new");
        let mut followed = String::new();
        log.follow().unwrap().read_to_string(&mut followed).unwrap();
        assert_eq!(followed, "new\n");
    }

    #[test]
    fn a_line_without_end_has_a_tail_of_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let (log, mut file) = LogFile::create(&folder.path().join("a.log")).unwrap();
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
        let tail = log.tail(50);
        assert!(tail.starts_with("...x"));
        assert_eq!(tail.len() as u64, LONGEST_TAIL + 3);
    }
}
