//! Lines looked for in a log that still grows.

use super::LogFile;
use super::scan::LineScanner;
use regex::bytes::Regex;
use std::fs::File;
use std::io;
use std::rc::Rc;
use tokio::task::yield_now;

/// How much of a log is read before other work gets its turn.
const PIECE: u64 = 256 * 1024;

/// The most that a search for all lines gives, in bytes: it has to fit into one answer.
const MOST_FOUND: usize = 8 << 20;

/// A line, and the mark behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) mark: u64,
}

/// A search for the first line that goes on from where the last try stopped.
#[derive(Debug)]
pub(crate) struct LogSearch {
    log: Rc<LogFile>,
    from: u64,
    file: Option<File>,
    scanner: LineScanner,
    /// Kept for the try after the one that found it: what was read is not read again.
    found: Option<Line>,
}

/// What one piece of a log gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Found(Line),
    More,
    End,
}

impl LogSearch {
    /// Looks behind a mark.
    pub(crate) fn new(pattern: Regex, log: &Rc<LogFile>, from: u64) -> Self {
        Self {
            log: Rc::clone(log),
            from,
            file: None,
            scanner: LineScanner::new(pattern),
            found: None,
        }
    }

    /// The line, where it has been found.
    pub(crate) fn found(&self) -> Option<Line> {
        self.found.clone()
    }

    /// Reads on until the line, or for now the log, ends.
    pub(crate) fn read_piece(&mut self) -> io::Result<Piece> {
        if let Some(line) = &self.found {
            return Ok(Piece::Found(line.clone()));
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.log.follow(self.from)?),
        };
        let bytes = self.log.read_on(file, PIECE)?;
        let end = self.log.mark(file)?;
        let (taken, found) = self.scanner.feed(&bytes);
        let mark = end - (bytes.len() - taken) as u64;
        let found = match found {
            None if bytes.is_empty() => self.scanner.try_unfinished(),
            found => found,
        };
        self.found = found.map(|text| Line { text, mark });
        Ok(match &self.found {
            Some(line) => Piece::Found(line.clone()),
            None if bytes.is_empty() => Piece::End,
            None => Piece::More,
        })
    }
}

/// All lines of a log behind a mark that match, at most `most` of them, and the mark behind the
/// last that was looked at. A line that has not ended is left for later.
pub(crate) async fn search_all(
    pattern: Regex,
    log: &LogFile,
    from: u64,
    most: u32,
) -> io::Result<(Vec<String>, u64)> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut file = log.follow(from)?;
    let mut scanner = LineScanner::new(pattern);
    let (mut lines, mut size) = (Vec::new(), 0);
    loop {
        let bytes = log.read_on(&mut file, PIECE)?;
        let end = log.mark(&mut file)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (taken, found) = scanner.feed(rest);
            rest = &rest[taken..];
            let Some(line) = found else { continue };
            size += line.len();
            lines.push(line);
            if lines.len() >= most || size >= MOST_FOUND {
                return Ok((lines, end - rest.len() as u64));
            }
        }
        if bytes.is_empty() {
            return Ok((lines, end - scanner.unfinished()));
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn log(text: &str) -> (tempfile::TempDir, Rc<LogFile>, File) {
        let folder = tempfile::tempdir().unwrap();
        let (log, mut file) = LogFile::create(&folder.path().join("a.log"), 1 << 20).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        (folder, Rc::new(log), file)
    }

    fn all(log: &LogFile, pattern: &str, from: u64, most: u32) -> (Vec<String>, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let pattern = Regex::new(pattern).unwrap();
        runtime
            .block_on(search_all(pattern, log, from, most))
            .unwrap()
    }

    #[test]
    fn a_search_goes_on_behind_its_mark() {
        let (_folder, log, mut file) = log("up 1\ndown\nup 2\nup");
        let search = |from| LogSearch::new(Regex::new("^up").unwrap(), &log, from);
        let found = |piece| match piece {
            Piece::Found(Line { text, mark }) => (text, mark),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            found(search(0).read_piece().unwrap()),
            ("up 1".to_owned(), 5)
        );
        assert_eq!(
            found(search(5).read_piece().unwrap()),
            ("up 2".to_owned(), 15)
        );
        let mut third = search(15);
        assert_eq!(third.read_piece().unwrap(), Piece::More);
        file.write_all(b" 3\n").unwrap();
        assert_eq!(found(third.read_piece().unwrap()), ("up 3".to_owned(), 20));
    }

    #[test]
    fn all_lines_are_found_up_to_a_bound_and_the_unfinished_one_is_left() {
        let (_folder, log, mut file) = log("a1\nb\na2\na3\na4");
        let lines = |(lines, _): (Vec<String>, u64)| lines.join(" ");
        assert_eq!(lines(all(&log, "^a", 0, 99)), "a1 a2 a3");
        let (two, mark) = all(&log, "^a", 0, 2);
        assert_eq!((two.join(" ").as_str(), mark), ("a1 a2", 8));
        let (rest, mark) = all(&log, "^a", mark, 99);
        assert_eq!((rest.join(" ").as_str(), mark), ("a3", 11));
        file.write_all(b"\n").unwrap();
        assert_eq!(lines(all(&log, "^a", mark, 99)), "a4");
    }
}
