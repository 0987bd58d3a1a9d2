//! How much of what a test prints the journal keeps.

use dyno_model::{Event, Keeping, Printed, PrintedMore, Stream, TestId, WorkerId};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// So many bytes of each stream of each test are events. Ten thousand lines of 100
/// characters, more than anybody reads; a journal of 50 such tests is 50 MB.
const HEAD: usize = 1 << 20;

/// So many bytes of the end are kept of what is longer.
const TAIL: usize = 64 * 1024;

/// Keeps the head in the journal, the whole in a file, and the tail for the end.
#[derive(Debug)]
pub(crate) struct Keep {
    folder: PathBuf,
    streams: BTreeMap<(WorkerId, Stream), Kept>,
    files: u64,
}

#[derive(Debug)]
struct Kept {
    test: Option<TestId>,
    head: String,
    more: Option<More>,
}

#[derive(Debug)]
struct More {
    bytes: u64,
    tail: String,
    file: Option<(PathBuf, File)>,
}

impl Keep {
    /// Files come into `folder`, which is made when it is needed.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            streams: BTreeMap::new(),
            files: 0,
        }
    }

    /// Says where this text is kept. What the journal does not keep is in the file when
    /// this returns.
    pub(crate) fn take(&mut self, printed: &Printed) -> Keeping {
        let kept = self
            .streams
            .entry((printed.worker, printed.stream))
            .or_insert_with(|| Kept {
                test: printed.test.clone(),
                head: String::new(),
                more: None,
            });
        if kept.more.is_none() && kept.head.len() + printed.text.len() <= HEAD {
            kept.head.push_str(&printed.text);
            return Keeping::Journal;
        }
        let more = kept.more.get_or_insert_with(|| {
            self.files += 1;
            let name = format!("{}-{}.txt", printed.worker, self.files);
            More {
                bytes: 0,
                tail: String::new(),
                file: create(&self.folder, &name, &kept.head),
            }
        });
        more.take(&printed.text);
        Keeping::File
    }

    /// The test of this worker is over: what is to be said of what it printed.
    pub(crate) fn settle(&mut self, worker: WorkerId) -> Vec<Event> {
        let mut events = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr, Stream::Log] {
            let Some(kept) = self.streams.remove(&(worker, stream)) else {
                continue;
            };
            if let Some(more) = kept.more {
                events.push(Event::PrintedMore(PrintedMore {
                    worker,
                    test: kept.test,
                    stream,
                    left_out: more.bytes - more.tail.len() as u64,
                    file: more.file.map(|(path, _)| path.display().to_string()),
                    tail: more.tail,
                }));
            }
        }
        events
    }
}

fn create(folder: &PathBuf, name: &str, head: &str) -> Option<(PathBuf, File)> {
    fs::create_dir_all(folder).ok()?;
    let path = folder.join(name);
    let mut file = File::create(&path).ok()?;
    file.write_all(head.as_bytes()).ok()?;
    Some((path, file))
}

impl More {
    fn take(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        let written = self
            .file
            .as_mut()
            .map(|(_, file)| file.write_all(text.as_bytes()));
        if let Some(Err(_)) = written {
            // A disk that is full. A part would pass for the whole.
            if let Some((path, _)) = self.file.take() {
                let _ = fs::remove_file(path);
            }
        }
        self.tail.push_str(text);
        if self.tail.len() > 2 * TAIL {
            self.tail = last(&self.tail).to_owned();
        }
    }
}

/// The last lines of a text that are not longer than [`TAIL`], or the last characters.
fn last(text: &str) -> &str {
    let mut at = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    match text[at..].find('\n') {
        Some(end) if at > 0 && at + end + 1 < text.len() => &text[at + end + 1..],
        _ => &text[at..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GW0: WorkerId = WorkerId(0);

    fn printed(text: &str) -> Printed {
        Printed {
            worker: GW0,
            test: None,
            stream: Stream::Stdout,
            text: text.to_owned(),
            keeping: Keeping::Journal,
        }
    }

    #[test]
    fn little_is_kept_in_the_journal_and_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(folder.path().join("printed"));
        assert_eq!(keep.take(&printed("a\n")), Keeping::Journal);
        assert_eq!(keep.settle(GW0), []);
        assert!(!folder.path().join("printed").exists());
    }

    #[test]
    fn of_much_the_file_has_the_whole_and_the_events_head_and_tail() {
        let folder = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(folder.path().to_owned());
        let mut whole = String::new();
        let mut head = String::new();
        for number in 0..40_000 {
            let line = format!("line {number} {}\n", "x".repeat(100));
            if keep.take(&printed(&line)) == Keeping::Journal {
                head.push_str(&line);
            }
            whole.push_str(&line);
        }
        let events = keep.settle(GW0);
        let [Event::PrintedMore(more)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(
            fs::read_to_string(more.file.as_ref().unwrap()).unwrap(),
            whole
        );
        assert!(whole.starts_with(&head) && head.len() <= HEAD);
        assert!(whole.ends_with(&more.tail) && more.tail.starts_with("line "));
        let left_out = usize::try_from(more.left_out).unwrap();
        assert_eq!(head.len() + left_out + more.tail.len(), whole.len());
        // The next test begins anew.
        assert_eq!(keep.take(&printed("a\n")), Keeping::Journal);
    }

    #[test]
    fn where_no_file_can_be_written_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        fs::write(&file, "").unwrap();
        let mut keep = Keep::new(file);
        let text = "x".repeat(HEAD + 1);
        assert_eq!(keep.take(&printed(&text)), Keeping::File);
        let events = keep.settle(GW0);
        assert!(matches!(&events[..], [Event::PrintedMore(more)] if more.file.is_none()));
    }
}
