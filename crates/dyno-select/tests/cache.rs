//! Runs of a suite with `--lf`, `--ff`, `--nf` and `--sw`, one after the other, against
//! what pytest did. `data/record_cache.py` made the tables.

use dyno_model::{Doubt, FileTests, FoundTest, Phase, PytestVersion, Test, TestId, Unknown};
use dyno_select::cache::{
    Candidate, Choice, FailedPaths, Failures, FileOutcome, KnownIds, LentFile, Memory,
    MemoryOptions, NoFailures, Reported, Stepwise, StepwiseOptions, VisitedFile, choose, needs,
};
use dyno_select::{
    Doubts, FileNeed, FileSelection, NameChain, Presence, Selection, Verdict, wanted,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn strings(json: &Json) -> Vec<String> {
    serde_json::from_value(json.clone()).unwrap()
}

fn test(id: &str) -> FoundTest {
    let test: Test = serde_json::from_value(json!({
        "id": TestId::new(id).unwrap(),
        "location": {"file": "", "line": null, "domain": ""},
    }))
    .unwrap();
    FoundTest {
        test,
        unknown: Vec::new(),
    }
}

/// One run of a table.
struct Step<'a> {
    version: PytestVersion,
    row: &'a Json,
    before: &'a Json,
    options: Vec<String>,
    files: Vec<FileTests>,
    deselected: HashSet<String>,
}

impl<'a> Step<'a> {
    fn new(version: PytestVersion, row: &'a Json, before: &'a Json) -> Self {
        let mut files: Vec<FileTests> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for id in strings(&row["everything"]) {
            let file = TestId::new(id.as_str()).unwrap().file().to_owned();
            let place = *places.entry(file.clone()).or_insert_with(|| {
                files.push(FileTests {
                    file,
                    tests: Vec::new(),
                    unknown: Vec::new(),
                    shared: dyno_model::Shared::default(),
                });
                files.len() - 1
            });
            files[place].tests.push(test(&id));
        }
        Self {
            version,
            row,
            before,
            options: strings(&row["options"]),
            files,
            deselected: strings(&row["deselected_by_others"]).into_iter().collect(),
        }
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|given| given == option)
    }

    fn options(&self) -> MemoryOptions {
        MemoryOptions {
            last_failed: self.has("--lf"),
            failed_first: self.has("--ff"),
            no_failures: if self.has("--lfnf=none") {
                NoFailures::None
            } else {
                NoFailures::All
            },
            new_first: self.has("--nf"),
            stepwise: (self.options.iter().any(|given| given.starts_with("--sw"))).then(|| {
                StepwiseOptions {
                    skip: self.has("--sw-skip"),
                    reset: self.has("--sw-reset"),
                }
            }),
        }
    }

    fn memory(&self) -> Memory {
        let text = |name: &str| self.before[name].as_str().unwrap_or("");
        Memory {
            failures: Failures::read(text("lastfailed")),
            known_ids: KnownIds::read(text("nodeids")),
            stepwise: Stepwise::read(text("stepwise"), self.version),
        }
    }

    /// By argument: the names that it asks for within a file.
    fn chains(&self) -> Vec<Vec<NameChain>> {
        let given = strings(&self.row["arguments"]);
        if given.is_empty() {
            return vec![Vec::new()];
        }
        let chain = |argument: &String| NameChain::split(argument).1.into_iter().collect();
        given.iter().map(chain).collect()
    }

    /// The paths of the arguments, normalized as pytest 9 does: none repeats another.
    fn arguments(&self) -> Vec<String> {
        let given = strings(&self.row["arguments"]);
        let paths = given
            .iter()
            .map(|argument| argument.split("::").next().unwrap());
        let paths: Vec<String> = paths.map(str::to_owned).collect();
        if paths.is_empty() {
            vec![String::new()]
        } else {
            paths
        }
    }
}

/// Which file is below which argument, and where that is.
fn visited<'a>(
    files: &'a [FileTests],
    paths: &'a [PathBuf],
    arguments: &'a [PathBuf],
    chains: &'a [Vec<NameChain>],
) -> Vec<VisitedFile<'a>> {
    let visit = |(tests, path): (&'a FileTests, &'a PathBuf)| {
        let argument = arguments
            .iter()
            .position(|top| path.starts_with(top))
            .unwrap();
        VisitedFile {
            path,
            argument,
            top: &arguments[argument],
            chains: &chains[argument],
            tests,
        }
    };
    files.iter().zip(paths).map(visit).collect()
}

#[derive(Debug, PartialEq)]
struct Run {
    visited: Vec<(String, bool)>,
    collected: Vec<String>,
    choice: Choice,
    lines: Vec<String>,
    after: BTreeMap<&'static str, Option<String>>,
}

const ROOT: &str = "/project";

fn under(root: &str, path: &str) -> PathBuf {
    if path.is_empty() {
        PathBuf::from(root)
    } else {
        Path::new(root).join(path)
    }
}

/// What the lines of pytest tell of the time since the memory was written.
fn age(step: &Step<'_>) -> Option<Duration> {
    let lines = strings(&step.row["lines"]);
    let told = lines
        .iter()
        .find_map(|line| line.split("cache from ").nth(1))?;
    let clock: Vec<u64> = (told.split(' ').next()?.split(':'))
        .map(|part| part.parse().unwrap())
        .collect();
    Some(Duration::from_secs(
        clock[0] * 3600 + clock[1] * 60 + clock[2],
    ))
}

/// The run as the rules of this crate tell it, up to the tests' own reports.
fn replay(step: &Step<'_>) -> Run {
    let options = step.options();
    let mut memory = step.memory();
    let saved = memory.failures.clone();
    let exists: HashSet<PathBuf> = strings(&step.row["paths"])
        .iter()
        .map(|path| under(ROOT, path))
        .chain([PathBuf::from(ROOT), PathBuf::from("/")])
        .collect();
    let arguments: Vec<PathBuf> = step
        .arguments()
        .iter()
        .map(|path| under(ROOT, path))
        .collect();
    let paths: Vec<PathBuf> = step
        .files
        .iter()
        .map(|file| under(ROOT, &file.file))
        .collect();
    let chains = step.chains();
    let mut files = visited(&step.files, &paths, &arguments, &chains);
    let reports = step.row["collect_reports"].as_array().unwrap();
    let failed: HashSet<&str> = reports
        .iter()
        .filter(|report| report[1] == "failed")
        .map(|report| report[0].as_str().unwrap())
        .collect();
    let mut outcomes = vec![
        FileOutcome {
            skipped: Verdict::Drop,
            filtered: Verdict::Drop,
        };
        files.len()
    ];
    if options.last_failed {
        let failed_paths = FailedPaths::of(&memory.failures, Path::new(ROOT), |path| {
            exists.contains(path)
        });
        let order = failed_paths.order(&files);
        files = order.iter().map(|&place| files[place]).collect();
        // A file that cannot be collected shows nothing of what the text says.
        let empty: Vec<FileTests> = files
            .iter()
            .map(|file| FileTests {
                file: file.tests.file.clone(),
                tests: Vec::new(),
                unknown: Vec::new(),
                shared: dyno_model::Shared::default(),
            })
            .collect();
        for (file, empty) in files.iter_mut().zip(&empty) {
            if failed.contains(file.tests.file.as_str()) {
                file.tests = empty;
            }
        }
        outcomes = failed_paths.walk(&mut memory.failures, &files);
        check_needs(step, options, &failed_paths, &files);
        return finish(step, options, memory, &saved, &files, &outcomes, &failed);
    }
    for report in reports {
        let id = report[0].as_str().unwrap();
        if !failed.contains(id) && report[2].is_array() {
            let below = strings(&report[2]);
            memory
                .failures
                .record_collected(id, below.iter().map(String::as_str));
        }
    }
    finish(step, options, memory, &saved, &files, &outcomes, &failed)
}

fn finish(
    step: &Step<'_>,
    options: MemoryOptions,
    mut memory: Memory,
    saved: &Failures,
    files: &[VisitedFile<'_>],
    outcomes: &[FileOutcome],
    failed: &HashSet<&str>,
) -> Run {
    for id in failed {
        memory.failures.record_uncollected(id);
    }
    let mut run_visited = Vec::new();
    let mut collected = Vec::new();
    for (file, outcome) in files.iter().zip(outcomes) {
        assert_ne!(outcome.skipped, Verdict::Ask);
        // What is asked for by name is collected without a report.
        if file.chains.is_empty() {
            run_visited.push((file.tests.file.clone(), outcome.skipped == Verdict::Keep));
        }
        if failed.contains(file.tests.file.as_str()) {
            continue;
        }
        for test in &file.tests.tests {
            let is_argument = file.path == file.top;
            if wanted(file.chains, &test.test, Doubts::NONE, &file.tests.file) != Verdict::Keep {
                continue;
            }
            match outcome.collects(&memory.failures, test, file.tests, is_argument) {
                Verdict::Keep => collected.push(test.test.item.id.as_str().to_owned()),
                Verdict::Drop => {}
                Verdict::Ask => panic!("everything is known"),
            }
        }
    }
    let modified = |id: &str| {
        let file = id.split("::").next().unwrap();
        step.row["modified"][file].as_f64().unwrap_or(0.0)
    };
    let candidates: Vec<Candidate<'_>> = collected
        .iter()
        .map(|id| Candidate {
            id,
            selected: !step.deselected.contains(id),
            modified: modified(id),
        })
        .collect();
    let skipped = run_visited.iter().filter(|(_, skipped)| *skipped).count();
    let choice = choose(
        step.version,
        options,
        &mut memory,
        &candidates,
        skipped,
        age(step),
    );
    let mut lines: Vec<String> = choice.stepwise.iter().map(ToString::to_string).collect();
    lines.extend(choice.failures.clone());
    lines.sort();
    Run {
        visited: run_visited,
        after: after(step, options, memory, saved),
        lines,
        collected,
        choice,
    }
}

/// The cache's values after the tests reported what pytest's tests reported.
fn after(
    step: &Step<'_>,
    options: MemoryOptions,
    mut memory: Memory,
    saved: &Failures,
) -> BTreeMap<&'static str, Option<String>> {
    let mut mode = options.stepwise;
    for report in step.row["reports"].as_array().unwrap() {
        let id = report[0].as_str().unwrap();
        let phase = match report[1].as_str().unwrap() {
            "setup" => Phase::Setup,
            "call" => Phase::Call,
            _ => Phase::Teardown,
        };
        let reported = match report[2].as_str().unwrap() {
            "passed" => Reported::Passed,
            "failed" => Reported::Failed,
            _ => Reported::Skipped,
        };
        memory.failures.record(id, phase, reported);
        if let Some(mode) = &mut mode {
            memory.stepwise.record(mode, id, phase, reported);
        }
    }
    let before = |name: &str| step.before[name].as_str().map(str::to_owned);
    let after = step.row["after"]["stepwise"].as_str().unwrap_or("null");
    let written: Json = serde_json::from_str(after).unwrap();
    let now = written["last_cache_date_str"].as_str().unwrap_or("");
    let stepwise = if options.stepwise.is_some() {
        Some(memory.stepwise.write(now, step.version))
    } else {
        Stepwise::write_unused(step.version)
            .map(str::to_owned)
            .or(before("stepwise"))
    };
    let known = (!step.has("--co")).then(|| memory.known_ids.write());
    BTreeMap::from([
        (
            "lastfailed",
            memory.failures.write_over(saved).or(before("lastfailed")),
        ),
        ("nodeids", known.or(before("nodeids"))),
        ("stepwise", stepwise),
    ])
}

/// What pytest did, in the same terms.
fn pytest(step: &Step<'_>, ours: &Run) -> Run {
    let row = step.row;
    let left = strings(&row["left"]);
    let collected = strings(&row["collected"]);
    let mut order = Vec::new();
    for id in &left {
        order.push(collected.iter().position(|other| other == id).unwrap());
    }
    let is_file = |id: &str| {
        let name = id.rsplit('/').next().unwrap();
        name.starts_with("test_") && !id.contains("::")
    };
    let reports = row["collect_reports"].as_array().unwrap().iter();
    let skips = |report: &Json| report[1] == "passed" && report[2] == 0;
    let files = reports.filter(|report| is_file(report[0].as_str().unwrap()));
    let visited = files.map(|report| (report[0].as_str().unwrap().to_owned(), skips(report)));
    let mut lines = strings(&row["lines"]);
    lines.sort();
    let text = |name: &str| row["after"][name].as_str().map(str::to_owned);
    let failures = lines
        .iter()
        .find(|line| line.starts_with("run-last-failure"));
    Run {
        visited: visited.collect(),
        collected,
        choice: Choice {
            order,
            deselected: usize::try_from(row["deselected"].as_u64().unwrap()).unwrap(),
            failures: failures.cloned(),
            stepwise: ours.choice.stepwise.clone(),
        },
        after: ["lastfailed", "nodeids", "stepwise"]
            .map(|name| (name, text(name)))
            .into(),
        lines,
    }
}

/// A file that is said not to be needed holds no test that ran, however much of what the
/// files hold is hidden.
fn check_needs(
    step: &Step<'_>,
    options: MemoryOptions,
    paths: &FailedPaths,
    files: &[VisitedFile<'_>],
) {
    let left = strings(&step.row["left"]);
    for hidden in 0..8 {
        let known: Vec<FileTests> = files
            .iter()
            .enumerate()
            .map(|(place, file)| match (hidden + place) % 8 {
                0..4 if hidden != 0 => file.tests.clone(),
                4 if hidden != 0 => nobody_looked(file.tests),
                5 | 6 if hidden != 0 => without_ids(file.tests),
                _ => file.tests.clone(),
            })
            .collect();
        let files: Vec<VisitedFile<'_>> = (files.iter().zip(&known))
            .map(|(file, tests)| VisitedFile { tests, ..*file })
            .collect();
        let mut failures = step.memory().failures;
        let outcomes = paths.walk(&mut failures, &files);
        let selections: Vec<FileSelection> = files.iter().map(|file| select(step, file)).collect();
        let known: Vec<LentFile<'_>> = (files.iter().zip(&outcomes).zip(&selections))
            .map(|((file, outcome), selection)| LentFile {
                file: *file,
                outcome: *outcome,
                selection,
            })
            .collect();
        for (file, need) in files.iter().zip(needs(options, &failures, paths, &known)) {
            let name = format!("{}::", file.tests.file);
            let runs = left.iter().any(|id| id.starts_with(&name));
            assert!(
                !runs || need == FileNeed::Import,
                "{name} {need:?} {:?}",
                step.row["before"]
            );
        }
    }
}

/// What `-k` and `--deselect` of the run say of a file.
fn select(step: &Step<'_>, file: &VisitedFile<'_>) -> FileSelection {
    let mut selection = Selection::default().file(file.tests, file.chains, None);
    for (test, selected) in file.tests.tests.iter().zip(&mut selection.tests) {
        let is_certain = selected.presence == Presence::One;
        let deselected = step.deselected.contains(test.test.item.id.as_str());
        selected.verdict = match (is_certain, deselected) {
            (true, true) => Verdict::Drop,
            (true, false) => selected.verdict,
            (false, _) => Verdict::Ask,
        };
    }
    selection
}

fn doubt(doubt: Doubt) -> Unknown {
    Unknown::new(doubt, "hidden")
}

fn nobody_looked(file: &FileTests) -> FileTests {
    FileTests {
        file: file.file.clone(),
        tests: Vec::new(),
        unknown: vec![doubt(Doubt::Existence)],
        shared: dyno_model::Shared::default(),
    }
}

/// The file as it is known where no test's brackets are.
fn without_ids(file: &FileTests) -> FileTests {
    let mut file = file.clone();
    for found in &mut file.tests {
        let bare = found
            .test
            .item
            .id
            .as_str()
            .split('[')
            .next()
            .unwrap()
            .to_owned();
        *found = test(&bare);
        found.unknown.push(doubt(Doubt::Ids));
    }
    file.tests.dedup();
    file
}

#[test]
fn runs_go_as_pytests() {
    let mut lines = HashSet::new();
    for table in [
        include_str!("data/cache-8.0.json"),
        include_str!("data/cache-9.2.json"),
    ] {
        let table: Json = serde_json::from_str(table).unwrap();
        let number =
            |place: usize| u32::try_from(table["version"][place].as_u64().unwrap()).unwrap();
        let version = PytestVersion {
            major: number(0),
            minor: number(1),
        };
        for history in table["histories"].as_array().unwrap() {
            let nothing = json!({});
            let mut before = &nothing;
            for (place, row) in history.as_array().unwrap().iter().enumerate() {
                let step = Step::new(version, row, before);
                let ours = replay(&step);
                let theirs = pytest(&step, &ours);
                assert_eq!(ours, theirs, "{version:?}, run {place}: {}", row["options"]);
                lines.extend(
                    theirs
                        .lines
                        .into_iter()
                        .map(|line| line.replace(char::is_numeric, "")),
                );
                before = &row["after"];
            }
        }
    }
    // The histories come to every line that pytest has, plural and singular.
    assert!(lines.len() >= 14, "{lines:#?}");
}
