//! The logs of the processes that a dead worker's benches had started.
//!
//! Secrets in them are masked as far as the runner knows them: those of the run's environment and
//! of the variables that rules set. What a test gave a server beyond that, a variable that it set
//! itself or one that it named by `secrets=`, was known to the worker and its agent alone, and
//! nobody writes a secret down for the case that they die. It is shown as the server printed it.

use dyno_model::{Secrets, Section};
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

/// A section for each process that a worker noted in a file, without these secrets. The file is
/// removed.
pub(crate) fn take(path: &Path, secrets: &Secrets) -> Vec<Section> {
    let Ok(noted) = fs::read(path) else {
        return Vec::new();
    };
    let _ = fs::remove_file(path);
    let lines = noted.split(|byte| *byte == b'\n');
    let servers = lines.filter_map(|line| serde_json::from_slice::<Server>(line).ok());
    servers.map(|server| section(&server, secrets)).collect()
}

fn section(server: &Server, secrets: &Secrets) -> Section {
    let Server { name, pid, log } = server;
    let text = tail(log, secrets)
        .unwrap_or_else(|error| format!("{} cannot be read: {error}", log.display()));
    Section {
        title: format!("server log: {name} (pid {pid})"),
        text,
    }
}

/// The last lines of a log.
fn tail(path: &Path, secrets: &Secrets) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    // Before it is cut into lines: a key may have several.
    let text = secrets.hide(String::from_utf8_lossy(&bytes));
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
        let sections = take(&noted, &Secrets::default());
        let titles: Vec<&str> = sections.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(
            titles,
            ["server log: web (pid 7)", "server log: db (pid 7)"]
        );
        assert!(sections[0].text.starts_with("line 10\n"));
        assert!(sections[0].text.ends_with("line 59"));
        assert!(sections[1].text.contains("cannot be read"));
        assert!(take(&noted, &Secrets::default()).is_empty());
    }

    #[test]
    fn no_secret_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("web.log");
        let lines: Vec<String> = (0..60).map(|number| format!("line {number}")).collect();
        let key = "begin\nof a key\nend";
        fs::write(&log, format!("{}\nhf_secret {key} up", lines.join("\n"))).unwrap();
        let noted = folder.path().join("gw0.servers");
        let server = serde_json::json!({ "name": "web", "pid": 7, "log": log });
        fs::write(&noted, server.to_string()).unwrap();
        let pairs = [("HF_TOKEN", "hf_secret"), ("SIGNING_KEY", key)];
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        let sections = take(&noted, &Secrets::of(pairs, &[]));
        assert!(sections[0].text.starts_with("line 11\n"));
        assert!(sections[0].text.ends_with("\n*** *** up"));
    }
}
