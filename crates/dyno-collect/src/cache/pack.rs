//! One pack: reading it, asking it, writing the next.

use super::dependency::{Dependency, Surroundings};
use super::format::{Head, Parsed, first_line, line, parse};
use crate::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A pack grows to this size and no further. A tree of 100,000 tests takes some 30 MB.
const MOST_BYTES: usize = 128 << 20;

/// So many packs are kept: interpreters and configurations that one goes back and forth
/// between. The one that was not written for the longest time goes first.
const MOST_PACKS: usize = 8;

/// How the file is called in which a pack is written.
const LEFT_OVER: &str = ".pack-";

/// A file being written for this long is not being written. A write takes milliseconds.
const ABANDONED: Duration = Duration::from_secs(600);

/// Who gave an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Made {
    /// It was read off the text.
    #[serde(rename = "t")]
    FromText,
    /// pytest collected it.
    #[serde(rename = "p")]
    ByPytest,
}

/// The answers of one context.
#[derive(Debug)]
pub(crate) struct Pack {
    path: PathBuf,
    context: Fingerprint,
    text: String,
    dependencies: Vec<Dependency>,
    /// Whether a dependency is as it was, once it has been looked up.
    holds: Vec<OnceLock<bool>>,
    entries: HashMap<(String, Made), Kept>,
}

/// An entry that was read.
#[derive(Debug)]
struct Kept {
    question: Fingerprint,
    needs: Vec<u32>,
    answer: Range<usize>,
}

/// What a pack says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// This answer holds.
    Found(&'a str),
    /// There is none.
    Absent,
    /// There was one; why it no longer counts.
    Stale(String),
}

/// A new entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) made: Made,
    pub(crate) question: Fingerprint,
    pub(crate) needs: Vec<Dependency>,
    /// JSON, on one line.
    pub(crate) answer: String,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    /// Entries of files that are gone, or beyond the size that is kept.
    pub(crate) dropped: usize,
}

impl Pack {
    /// Reads the pack of that context in `folder`, with what there is to say of it in
    /// `--debug`. A pack that cannot be read is an empty one.
    pub(crate) fn open(folder: &Path, context: Fingerprint) -> (Self, Option<String>) {
        let path = folder.join(format!("{context}.pack"));
        let (text, mut note) = match fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => (text, None),
            Ok(Err(_)) => (String::new(), Some("is not text".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (String::new(), Some("is not there yet".to_owned()))
            }
            Err(error) => (String::new(), Some(format!("cannot be read: {error}"))),
        };
        let parsed = parse(&text, context).unwrap_or_else(|| {
            note.get_or_insert_with(|| "is of another version, or its head is damaged".to_owned());
            Parsed::default()
        });
        if parsed.damaged > 0 {
            note = Some(format!("has {} damaged lines", parsed.damaged));
        }
        let note = note.map(|note| format!("{} {note}", path.display()));
        let pack = Self {
            path,
            context,
            holds: parsed
                .dependencies
                .iter()
                .map(|_| OnceLock::new())
                .collect(),
            dependencies: parsed.dependencies,
            entries: parsed
                .entries
                .into_iter()
                .map(|(head, answer)| {
                    let kept = Kept {
                        question: head.question,
                        needs: head.needs,
                        answer,
                    };
                    ((head.file, head.made), kept)
                })
                .collect(),
            text,
        };
        (pack, note)
    }

    /// The answer for a file, if all that it depends on is as it was.
    pub(crate) fn find(
        &self,
        file: &str,
        made: Made,
        question: Fingerprint,
        now: &Surroundings<'_>,
    ) -> Lookup<'_> {
        let Some(kept) = self.entries.get(&(file.to_owned(), made)) else {
            return Lookup::Absent;
        };
        if kept.question != question {
            return Lookup::Stale("it is looked at in another way".to_owned());
        }
        for need in &kept.needs {
            let index = *need as usize;
            let (Some(dependency), Some(cell)) =
                (self.dependencies.get(index), self.holds.get(index))
            else {
                return Lookup::Absent;
            };
            if !cell.get_or_init(|| dependency.holds(now)) {
                return Lookup::Stale(format!("{} has changed", dependency.name()));
            }
        }
        let answer = self.text.get(kept.answer.clone());
        answer.map_or(Lookup::Absent, Lookup::Found)
    }

    /// What the answer for a file depends on, whether it holds or not.
    pub(crate) fn needs(&self, file: &str, made: Made) -> Vec<Dependency> {
        let kept = self.entries.get(&(file.to_owned(), made));
        let needs = kept.map(|kept| kept.needs.as_slice()).unwrap_or_default();
        needs
            .iter()
            .filter_map(|need| self.dependencies.get(*need as usize).cloned())
            .collect()
    }

    /// Makes the folder that packs lie in.
    pub(crate) fn make_folder(&self) -> io::Result<&Path> {
        let folder = self.path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)?;
        // What dyno keeps is nobody's source.
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
        Ok(folder)
    }

    /// Writes a pack with the `new` entries and those of the old ones that they do not
    /// replace and whose file `remains`.
    ///
    /// The file appears whole or not at all. Of two processes that write at once, the
    /// later one's pack stays, and the other's new answers will be found again.
    pub(crate) fn store(
        &self,
        new: &[Entry],
        remains: &dyn Fn(&str) -> bool,
    ) -> io::Result<Stored> {
        let folder = self.make_folder()?;
        let file = tempfile::Builder::new()
            .prefix(LEFT_OVER)
            .tempfile_in(folder)?;
        let mut to = BufWriter::new(file);
        to.write_all(first_line(self.context).as_bytes())?;
        let stored = self.lines(new, remains, &mut to)?;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        remove_oldest(folder, ".pack", LEFT_OVER, MOST_PACKS);
        Ok(stored)
    }

    /// Writes the lines one by one: they are many megabytes, which are in memory already.
    fn lines(
        &self,
        new: &[Entry],
        remains: &dyn Fn(&str) -> bool,
        to: &mut impl Write,
    ) -> io::Result<Stored> {
        let replaced: HashSet<_> = new
            .iter()
            .map(|entry| (entry.file.as_str(), entry.made))
            .collect();
        let mut old: Vec<_> = self
            .entries
            .iter()
            .filter(|((file, made), _)| !replaced.contains(&(file.as_str(), *made)))
            .collect();
        old.sort_unstable_by(|one, other| one.0.cmp(other.0));
        let mut bytes: usize = new.iter().map(|entry| entry.answer.len()).sum();
        let before = old.len();
        old.retain(|((file, _), kept)| {
            let with = bytes.saturating_add(kept.answer.len());
            let stays = with <= MOST_BYTES && (file.is_empty() || remains(file));
            bytes = if stays { with } else { bytes };
            stays
        });
        let mut stored = Stored {
            entries: new.len() + old.len(),
            bytes: 0,
            dropped: before - old.len(),
        };
        let needs_of = |kept: &Kept| {
            let needs = kept.needs.clone().into_iter();
            needs.filter_map(|need| self.dependencies.get(need as usize))
        };
        let mut table = Table::default();
        let mut needs: Vec<Vec<u32>> = Vec::with_capacity(stored.entries);
        for entry in new {
            needs.push(entry.needs.iter().map(|need| table.place(need)).collect());
        }
        for (_, kept) in &old {
            needs.push(needs_of(kept).map(|need| table.place(need)).collect());
        }
        stored.write(to, &json(&table.dependencies))?;
        let new = new.iter().map(|entry| {
            let (file, answer) = (entry.file.as_str(), entry.answer.as_str());
            (file, entry.made, entry.question, answer)
        });
        let old = old.into_iter().map(|((file, made), kept)| {
            let answer = self.text.get(kept.answer.clone()).unwrap_or_default();
            (file.as_str(), *made, kept.question, answer)
        });
        for ((file, made, question, answer), needs) in new.chain(old).zip(needs) {
            let head = Head {
                file: file.to_owned(),
                made,
                question,
                needs,
            };
            stored.write(to, &format!("{}\t{answer}", json(&head)))?;
        }
        Ok(stored)
    }
}

impl Stored {
    fn write(&mut self, to: &mut impl Write, body: &str) -> io::Result<()> {
        let line = line(body);
        self.bytes += line.len();
        to.write_all(line.as_bytes())
    }
}

/// Dependencies by their place.
#[derive(Default)]
struct Table<'a> {
    places: HashMap<&'a Dependency, u32>,
    dependencies: Vec<&'a Dependency>,
}

impl<'a> Table<'a> {
    fn place(&mut self, dependency: &'a Dependency) -> u32 {
        let next = u32::try_from(self.dependencies.len()).unwrap_or(u32::MAX);
        *self.places.entry(dependency).or_insert_with(|| {
            self.dependencies.push(dependency);
            next
        })
    }
}

/// JSON of plain data, which always has one. A path that is not UTF-8 has none: what
/// depends on it is not stored, see [`is_storable`](Entry::is_storable).
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Entry {
    /// Whether all that it depends on can be written down.
    pub(crate) fn is_storable(&self) -> bool {
        self.needs.iter().all(Dependency::is_text)
    }
}

/// Removes the files with that ending that were not written for the longest time, and what
/// a writer that was killed left. What cannot be removed stays: another process may have
/// removed it.
pub(crate) fn remove_oldest(folder: &Path, ending: &str, left_over: &str, most: usize) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(written) = fs::metadata(&path).and_then(|found| found.modified()) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(ending.as_bytes()) {
            kept.push((written, path));
        } else if name.starts_with(left_over.as_bytes())
            && written.elapsed().is_ok_and(|age| age > ABANDONED)
        {
            let _ = fs::remove_file(path);
        }
    }
    kept.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in kept.into_iter().skip(most) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
