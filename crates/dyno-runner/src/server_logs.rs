//! The logs of the processes that a dead worker's benches had started.

use dyno_model::Section;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// So many lines of each log are kept, as in the report of a test that fails by itself.
const LINES: usize = 50;
/// Bytes; where a log has no lines.
const LONGEST: u64 = 32 * 1024;

/// A process, as the worker notes it (`dyno.fixtures.logs`).
#[derive(Debug, Deserialize)]
struct Server {
    name: String,
    pid: u32,
    log: PathBuf,
}

/// A section for each process that a worker noted in a file. The file is removed.
pub(crate) fn take(path: &Path) -> Vec<Section> {
    let Ok(noted) = fs::read(path) else {
        return Vec::new();
    };
    let _ = fs::remove_file(path);
    let lines = noted.split(|byte| *byte == b'\n');
    let servers = lines.filter_map(|line| serde_json::from_slice::<Server>(line).ok());
    servers.map(|server| section(&server)).collect()
}

fn section(server: &Server) -> Section {
    let Server { name, pid, log } = server;
    let text =
        tail(log).unwrap_or_else(|error| format!("{} cannot be read: {error}", log.display()));
    Section {
        title: format!("server log: {name} (pid {pid})"),
        text,
    }
}

/// The last lines of a log.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    Ok(lines.get(from..).unwrap_or_default().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("web.log");
        let lines: Vec<String> = (0..60).map(|number| format!("line {number}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let gone = folder.path().join("gone.log");
        let noted = folder.path().join("gw0.servers");
        let line = |name: &str, log: &Path| {
            serde_json::json!({ "name": name, "pid": 7, "log": log }).to_string()
        };
        fs::write(
            &noted,
            [line("web", &log), line("db", &gone), "{".to_owned()].join("\n"),
        )
        .unwrap();
        let sections = take(&noted);
        let titles: Vec<&str> = sections.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(
            titles,
            ["server log: web (pid 7)", "server log: db (pid 7)"]
        );
        assert!(sections[0].text.starts_with("line 10\n"));
        assert!(sections[0].text.ends_with("line 59"));
        assert!(sections[1].text.contains("cannot be read"));
        assert!(take(&noted).is_empty());
    }
}
