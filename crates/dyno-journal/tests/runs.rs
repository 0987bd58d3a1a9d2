//! The folder of runs: names, liveness, pruning.

use dyno_journal::{KEPT_RUNS, RunState, Runs, read};
use dyno_model::{Event, RunId};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;

fn began() -> Timestamp {
    "2026-11-22T08:45:00Z".parse().unwrap()
}

/// Makes `count` runs a second apart that have all ended.
fn make_ended(runs: &Runs, count: u16) -> Vec<RunId> {
    (0..count)
        .map(|second| {
            let at = began() + SignedDuration::from_secs(second.into());
            let (run, journal) = runs.create(at, 1).unwrap();
            journal.finish().unwrap();
            run.id().clone()
        })
        .collect()
}

fn ids(runs: &Runs) -> Vec<RunId> {
    let list = runs.list().unwrap();
    list.iter().map(|run| run.id().clone()).collect()
}

#[test]
fn a_run_has_its_folder_and_git_sees_none_of_it() {
    let root = tempfile::tempdir().unwrap();
    let runs = Runs::of(root.path());
    assert_eq!(runs.list().unwrap(), []);
    assert!(
        runs.latest()
            .unwrap_err()
            .to_string()
            .starts_with("no run is recorded in ")
    );
    let (run, _journal) = runs.create(began(), 0xbeef).unwrap();
    let home = root.path().join(".dyno");
    assert_eq!(run.path(), home.join("runs/20261122-084500-beef"));
    assert!(run.logs().is_dir());
    assert_eq!(fs::read_to_string(home.join(".gitignore")).unwrap(), "*\n");
    assert_eq!(
        fs::read_link(home.join("latest")).unwrap(),
        Path::new("runs/20261122-084500-beef")
    );
    assert_eq!(runs.latest().unwrap(), run);
    assert_eq!(runs.find(run.id()).unwrap(), run);
    assert!(runs.find(&RunId::new("other").unwrap()).is_err());
}

#[test]
fn a_taken_id_is_not_taken_again() {
    let root = tempfile::tempdir().unwrap();
    let runs = Runs::of(root.path());
    let made: Vec<_> = (0..3)
        .map(|_| runs.create(began(), 0xffff).unwrap())
        .collect();
    let names: Vec<&str> = made.iter().map(|(run, _)| run.id().as_str()).collect();
    assert_eq!(
        names,
        [
            "20261122-084500-ffff",
            "20261122-084500-0000",
            "20261122-084500-0001"
        ]
    );
    assert_eq!(runs.list().unwrap().len(), 3);
    let folder = fs::read_dir(root.path().join(".dyno/runs")).unwrap();
    assert_eq!(folder.count(), 3, "nothing half-made is left");
}

#[test]
fn a_run_is_live_as_long_as_its_writer() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut journal) = Runs::of(root.path()).create(began(), 0).unwrap();
    assert_eq!(run.state().unwrap(), RunState::Live);
    // Being asked does not disturb the writer.
    journal
        .append(Event::Output {
            text: "x".to_owned(),
        })
        .unwrap();
    assert_eq!(run.state().unwrap(), RunState::Live);
    drop(journal);
    assert_eq!(run.state().unwrap(), RunState::Ended);
    assert_eq!(read(&run.journal()).unwrap().events.len(), 1);
}

#[test]
fn pruning_keeps_the_newest_and_whatever_is_being_written() {
    let root = tempfile::tempdir().unwrap();
    let runs = Runs::of(root.path());
    let (oldest, journal) = runs
        .create(began() - SignedDuration::from_hours(1), 0)
        .unwrap();
    let made = make_ended(&runs, 6);
    fs::write(runs.find(&made[0]).unwrap().logs().join("etcd.log"), "x").unwrap();

    let pruned = runs.prune(3).unwrap();
    assert_eq!(pruned.removed, made[..3]);
    assert!(pruned.failed.is_empty());
    let mut kept = vec![oldest.id().clone()];
    kept.extend_from_slice(&made[3..]);
    assert_eq!(ids(&runs), kept);

    drop(journal);
    assert_eq!(runs.prune(3).unwrap().removed, [oldest.id().clone()]);
    assert!(runs.prune(KEPT_RUNS).unwrap().removed.is_empty());
    assert_eq!(ids(&runs), made[3..]);
}

#[test]
fn a_removal_that_was_cut_off_is_finished_and_strangers_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let runs = Runs::of(root.path());
    let made = make_ended(&runs, 1);
    let folder = root.path().join(".dyno/runs");
    fs::create_dir_all(folder.join(".old-x/logs")).unwrap();
    fs::create_dir(folder.join("my notes")).unwrap();
    assert_eq!(ids(&runs), made);
    assert!(runs.prune(5).unwrap().failed.is_empty());
    assert!(!folder.join(".old-x").exists());
    assert!(folder.join("my notes").exists());
}

#[test]
fn a_start_that_was_cut_off_is_cleared_away_and_one_that_goes_on_is_not() {
    let root = tempfile::tempdir().unwrap();
    let runs = Runs::of(root.path());
    make_ended(&runs, 1);
    let folder = root.path().join(".dyno/runs");
    let of = |pid: u32| folder.join(format!(".new-{pid}-20261122-084500-0001"));
    // No process has such an id.
    let [nobodys, ours] = [of(u32::MAX), of(std::process::id())];
    for path in [&nobodys, &ours] {
        fs::create_dir_all(path.join("logs")).unwrap();
        fs::write(path.join("journal.jsonl"), "").unwrap();
    }
    // Of a process in another namespace, which has no such id here, and has the lock.
    let locked = of(u32::MAX - 1);
    fs::create_dir_all(&locked).unwrap();
    let journal = fs::File::create(locked.join("journal.jsonl")).unwrap();
    rustix::fs::flock(&journal, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(runs.prune(5).unwrap().failed.is_empty());
    assert!(!nobodys.exists());
    assert!(ours.exists() && locked.exists());
}
