//! What `append` returned survives SIGKILL of the writer, and its lock does not.
//!
//! Without libtest's harness, because the test is its own victim: started again with an
//! argument it appends events for ever and says on stdout which ones are appended.

use dyno_journal::{RunState, Runs, read};
use dyno_model::Event;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Enough that a buffer of a few KiB anywhere would be caught.
const BEFORE_THE_KILL: usize = 500;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--write-to") {
        write_for_ever(Path::new(&args.next().expect("a folder")));
    } else {
        what_was_appended_survives_sigkill();
        println!("test what_was_appended_survives_sigkill ... ok");
    }
}

fn write_for_ever(root: &Path) {
    let (run, mut journal) = Runs::of(root).start().expect("a run");
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", run.id()).expect("the parent reads");
    loop {
        let text = "x".repeat(100);
        let stamped = journal.append(Event::Output { text }).expect("a disk");
        if writeln!(stdout, "{}", stamped.seq).is_err() {
            return;
        }
    }
}

fn what_was_appended_survives_sigkill() {
    let root = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--write-to")
        .arg(root.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    said.next().unwrap().unwrap();
    let run = Runs::of(root.path()).latest().unwrap();
    assert_eq!(run.state().unwrap(), RunState::Live);

    let last = said.nth(BEFORE_THE_KILL).unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = said.map_while(Result::ok).last().unwrap_or(last);

    assert_eq!(run.state().unwrap(), RunState::Ended);
    let events = read(&run.journal()).unwrap().events;
    // The very last number may have been cut off on its way to us, so at least so many.
    assert!(events.len() > BEFORE_THE_KILL, "{} events", events.len());
    let last: u64 = last.parse().unwrap();
    assert!(events.last().unwrap().seq >= last);
    for (place, stamped) in events.iter().enumerate() {
        assert_eq!(stamped.seq, place as u64);
    }
}
