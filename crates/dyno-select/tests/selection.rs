//! pytest's own choice among the tests of a suite, for `-k`, `-m`, `--deselect` and node
//! ids, in the versions whose rules differ. `data/record_selection.py` made the tables.

use dyno_model::{Doubt, FileTests, FoundTest, PytestVersion, Test, TestId, Unknown};
use dyno_select::{FileSelection, NameChain, Selection, Verdict};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::LazyLock;

struct Table {
    version: PytestVersion,
    files: Vec<(FileTests, Vec<String>)>,
    said: Json,
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    [
        include_str!("data/selection-8.0.json"),
        include_str!("data/selection-8.2.json"),
        include_str!("data/selection-8.3.json"),
        include_str!("data/selection-8.4.json"),
        include_str!("data/selection-9.0.json"),
        include_str!("data/selection-9.2.json"),
    ]
    .map(table)
    .into()
});

fn table(text: &str) -> Table {
    let said: Json = serde_json::from_str(text).unwrap();
    let number = |place: usize| u32::try_from(said["version"][place].as_u64().unwrap()).unwrap();
    let files = said["files"].as_array().unwrap().iter().map(|file| {
        let tests: Vec<Test> = serde_json::from_value(file["tests"].clone()).unwrap();
        let found = |test| FoundTest {
            test,
            unknown: Vec::new(),
        };
        let tests = FileTests {
            file: file["file"].as_str().unwrap().to_owned(),
            tests: tests.into_iter().map(found).collect(),
            unknown: Vec::new(),
            shared: dyno_model::Shared::default(),
        };
        (tests, strings(&file["above"]))
    });
    Table {
        version: PytestVersion {
            major: number(0),
            minor: number(1),
        },
        files: files.collect(),
        said,
    }
}

fn strings(json: &Json) -> Vec<String> {
    serde_json::from_value(json.clone()).unwrap()
}

/// A question of a table: the selection, or pytest's refusal, and the places of the tests
/// that pytest left.
struct Question<'a> {
    told: String,
    selection: Result<Selection, String>,
    row: &'a Json,
}

fn questions(table: &Table) -> Vec<Question<'_>> {
    let mut questions = Vec::new();
    for option in ["keyword", "mark", "deselect"] {
        for row in table.said[option].as_array().unwrap() {
            let asked = row["asked"].as_str().unwrap_or("");
            let given = |name| if name == option { asked } else { "" };
            let deselect = row["asked"].as_array().map(|_| strings(&row["asked"]));
            let selection = Selection::new(
                table.version,
                given("keyword"),
                given("mark"),
                deselect.unwrap_or_default(),
            );
            questions.push(Question {
                told: format!("{:?} {option} {}", table.version, row["asked"]),
                selection: selection.map_err(|errors| errors[0].to_string()),
                row,
            });
        }
    }
    questions
}

impl Question<'_> {
    fn left(&self) -> Vec<usize> {
        serde_json::from_value(self.row["left"].clone()).unwrap_or_default()
    }
}

fn select(table: &Table, selection: &Selection) -> Vec<FileSelection> {
    let files = table.files.iter();
    files
        .map(|(file, above)| selection.file(file, &[], Some(above)))
        .collect()
}

#[test]
fn what_is_left_is_what_pytest_left() {
    let (mut wrong, mut asked, mut settled) = (Vec::new(), Vec::new(), 0);
    for table in TABLES.iter() {
        for question in questions(table) {
            let refusal = question.row["error"].as_str();
            let files = match &question.selection {
                Ok(selection) => select(table, selection),
                Err(error) => {
                    if refusal != Some(error) {
                        wrong.push(format!("{}: {error}, not {refusal:?}", question.told));
                    }
                    continue;
                }
            };
            let misuse = files.iter().find_map(|file| file.misuse);
            if misuse.map(|misuse| misuse.to_string()).as_deref() != refusal {
                wrong.push(format!("{}: {misuse:?}, not {refusal:?}", question.told));
            }
            if refusal.is_some() {
                continue;
            }
            let left = question.left();
            let tests = table.files.iter().flat_map(|(file, _)| &file.tests);
            let verdicts = files.iter().flat_map(|file| &file.tests);
            for (place, (test, selected)) in tests.zip(verdicts).enumerate() {
                let id = test.test.item.id.as_str();
                if selected.verdict == Verdict::Ask {
                    asked.push(format!("{}: {id}", question.told));
                } else if selected.verdict == Verdict::certain(left.contains(&place)) {
                    settled += 1;
                } else {
                    wrong.push(format!("{}: {:?} {id}", question.told, selected.verdict));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    // With everything known, only an argument whose `repr` says too little is asked about.
    let says_too_little = [
        "complex", "enum", "fraction", "decimal", "any", "long", "huge",
    ];
    asked.retain(|told| {
        !says_too_little
            .iter()
            .any(|name| told.ends_with(&format!("test_kwargs.py::test_{name}")))
    });
    assert!(asked.is_empty(), "{}", asked.join("\n"));
    assert!(settled > 20_000, "{settled}");
}

#[test]
fn what_is_asked_for_is_what_pytest_collected() {
    for table in TABLES.iter() {
        for row in table.said["arguments"].as_array().unwrap() {
            let argument = row["asked"].as_str().unwrap();
            let (path, chain) = NameChain::split(argument);
            let chains: Vec<NameChain> = chain.into_iter().collect();
            let (file, above) = table
                .files
                .iter()
                .find(|(file, _)| file.file == path)
                .unwrap();
            let selected = Selection::default().file(file, &chains, Some(above));
            let wanted = file
                .tests
                .iter()
                .zip(&selected.tests)
                .filter(|(_, selected)| {
                    assert_ne!(selected.verdict, Verdict::Ask);
                    selected.verdict == Verdict::Keep
                });
            let wanted: Vec<&str> = wanted.map(|(test, _)| test.test.item.id.as_str()).collect();
            assert_eq!(
                wanted,
                strings(&row["collected"]),
                "{:?} {argument}",
                table.version
            );
        }
    }
}

#[test]
fn folders_are_read_off_the_file_where_nobody_tells_them() {
    for table in TABLES.iter() {
        for question in questions(table) {
            let Ok(selection) = &question.selection else {
                continue;
            };
            for (file, above) in &table.files {
                assert_eq!(
                    selection.file(file, &[], None),
                    selection.file(file, &[], Some(above)),
                    "{} {}",
                    question.told,
                    file.file
                );
            }
        }
    }
}

/// Part of what is known of a test, hidden behind the doubts that say so.
fn hide(test: &FoundTest, what: u64) -> FoundTest {
    let mut test = test.clone();
    let mut doubts: Vec<Unknown> = Vec::new();
    let mut bits = what;
    let mut keep = || {
        bits = bits.rotate_right(1);
        bits & 1 == 0
    };
    if keep() {
        let mut hidden = Vec::new();
        let mut goes = |name: &str| {
            let goes = keep();
            if goes {
                hidden.push(name.to_owned());
            }
            goes
        };
        test.test.item.markers.retain(|marker| !goes(&marker.name));
        test.test
            .keywords
            .retain(|name| name != "parametrize" || !goes(name));
        // A doubt that names what it is about, or one about any marker.
        hidden.push("no_such_marker".to_owned());
        doubts.push(Unknown {
            names: if keep() { hidden } else { Vec::new() },
            ..Unknown::new(Doubt::Markers, "hidden")
        });
    }
    if keep() {
        doubts.push(Unknown::new(Doubt::Keywords, "hidden"));
        test.test.keywords.retain(|_| keep());
    }
    if keep() {
        doubts.push(Unknown::new(Doubt::Ids, "hidden"));
        let id = test.test.item.id.as_str();
        let bare = id.split('[').next().unwrap();
        test.test.item.id = TestId::new(bare).unwrap();
        test.test.params.clear();
    }
    if keep() {
        for marker in &mut test.test.item.markers {
            for (_, value) in &mut marker.kwargs {
                if keep() {
                    *value = None;
                }
            }
        }
    }
    test.unknown = doubts;
    test
}

proptest! {
    /// However much is hidden, a certain verdict is the one that pytest comes to.
    #[test]
    fn no_doubt_makes_a_verdict_wrong(hidden: u64, table in 0..6_usize, question: prop::sample::Index) {
        let table = &TABLES[table];
        let questions = questions(table);
        let question = &questions[question.index(questions.len())];
        if let (Ok(selection), None) = (&question.selection, question.row["error"].as_str()) {
            let left = question.left();
            let mut place = 0;
            for (file, above) in &table.files {
                let mut file = file.clone();
                for test in &mut file.tests {
                    *test = hide(test, hidden.rotate_left(u32::try_from(place % 61).unwrap()));
                }
                let of_file = selection.file(&file, &[], Some(above));
                let unknown = file_of_unknown(&file);
                let rest = selection.file(&unknown, &[], Some(above)).rest.unwrap();
                for (test, selected) in file.tests.iter().zip(&of_file.tests) {
                    let is_left = Verdict::certain(left.contains(&place));
                    for verdict in [selected.verdict, rest.verdict] {
                        prop_assert!(
                            verdict == Verdict::Ask || verdict == is_left,
                            "{}: {test:?} {verdict:?}", question.told
                        );
                    }
                    place += 1;
                }
            }
        }
    }
}

/// The file as it is known before anybody has looked into it.
fn file_of_unknown(file: &FileTests) -> FileTests {
    FileTests {
        file: file.file.clone(),
        tests: Vec::new(),
        unknown: vec![Unknown::new(Doubt::Existence, "nobody looked")],
        shared: dyno_model::Shared::default(),
    }
}
