use super::*;
use crate::Disk;
use crate::Variables;

const CONTEXT: &[u8] = b"context";

/// A project of a few files and the place of its cache.
struct Place {
    root: tempfile::TempDir,
    variables: Variables,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        fs::write(root.path().join("test_a.py"), "a").unwrap();
        fs::write(root.path().join("conftest.py"), "c").unwrap();
        fs::write(root.path().join("data/x.json"), "{}").unwrap();
        let variables = Variables::from([("SET", "1")]);
        Self { root, variables }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.at(".dyno/cache/collection")
    }

    fn entry(&self, file: &str) -> Entry {
        let disk = Disk::new();
        let now = Surroundings {
            disk: &disk,
            variables: &self.variables,
        };
        Entry {
            file: file.to_owned(),
            made: Made::ByPytest,
            question: Fingerprint::of(b"question"),
            needs: vec![
                Dependency::file(self.at("test_a.py"), &disk),
                Dependency::file(self.at("conftest.py"), &disk),
                Dependency::file(self.at("absent.py"), &disk),
                Dependency::listing(self.at("data"), &disk),
                Dependency::look(self.at("data/flag"), dyno_model::Found::Nothing),
                Dependency::imports(
                    vec![self.at("data"), self.at("none")],
                    vec!["a".to_owned(), "name".to_owned()],
                    &disk,
                ),
                Dependency::variable("SET", &now),
                Dependency::variable("UNSET", &now),
            ],
            answer: format!("{{\"answer\":\"{file}\\t\\n\"}}"),
        }
    }

    fn open(&self) -> (Pack, Option<String>) {
        Pack::open(&self.cache(), Fingerprint::of(CONTEXT))
    }

    fn store(&self, files: &[&str]) -> Stored {
        let entries: Vec<_> = files.iter().map(|file| self.entry(file)).collect();
        self.open().0.store(&entries, &|_| true).unwrap()
    }

    /// What the pack says of a file: the answer, or why there is none.
    fn says(&self, file: &str) -> Result<String, String> {
        let disk = Disk::new();
        let now = Surroundings {
            disk: &disk,
            variables: &self.variables,
        };
        let (pack, _) = self.open();
        match pack.find(file, Made::ByPytest, Fingerprint::of(b"question"), &now) {
            Lookup::Found(answer) => Ok(answer.to_owned()),
            Lookup::Absent => Err("absent".to_owned()),
            Lookup::Stale(reason) => Err(reason),
        }
    }

    fn pack(&self) -> PathBuf {
        self.open().0.path
    }
}

#[test]
fn an_answer_is_given_back_until_something_changes() {
    type Change = fn(&mut Place);
    let changes: [(&str, Change); 10] = [
        ("the file", |place| {
            fs::write(place.at("test_a.py"), "b").unwrap();
        }),
        ("a conftest", |place| {
            fs::write(place.at("conftest.py"), "d").unwrap();
        }),
        ("a module that is gone", |place| {
            fs::remove_file(place.at("conftest.py")).unwrap();
        }),
        ("a module that appears", |place| {
            fs::write(place.at("absent.py"), "").unwrap();
        }),
        ("a name in a folder", |place| {
            fs::write(place.at("data/y.json"), "").unwrap();
        }),
        ("a name that goes", |place| {
            fs::remove_file(place.at("data/x.json")).unwrap();
        }),
        ("what a look found", |place| {
            fs::create_dir(place.at("data/flag")).unwrap();
        }),
        ("a module that comes first", |place| {
            fs::create_dir(place.at("none")).unwrap();
            fs::write(place.at("none/name.py"), "").unwrap();
        }),
        ("a variable's value", |place| {
            place.variables = Variables::from([("SET", "2")]);
        }),
        ("a variable that is set", |place| {
            place.variables = Variables::from([("SET", "1"), ("UNSET", "")]);
        }),
    ];
    for (what, change) in changes {
        let mut place = Place::new();
        place.store(&["test_a.py"]);
        assert_eq!(place.says("test_a.py"), Ok(place.entry("test_a.py").answer));
        change(&mut place);
        let said = place.says("test_a.py").expect_err(what);
        assert!(said.ends_with(" has changed"), "{what}: {said}");
        place.store(&["test_a.py"]);
        if what != "what a look found" {
            assert!(place.says("test_a.py").is_ok(), "{what} is not taken up");
        }
    }
}

#[test]
fn a_file_that_a_dependency_does_not_name_changes_nothing() {
    let place = Place::new();
    place.store(&["test_a.py"]);
    fs::write(place.at("other.py"), "").unwrap();
    fs::write(
        place.at("data/x.json"),
        "another content under the same name",
    )
    .unwrap();
    assert!(place.says("test_a.py").is_ok());
}

#[test]
fn another_question_or_context_is_not_answered() {
    let place = Place::new();
    place.store(&["test_a.py"]);
    let disk = Disk::new();
    let now = Surroundings {
        disk: &disk,
        variables: &place.variables,
    };
    let (pack, _) = place.open();
    let question = Fingerprint::of(b"another");
    let said = pack.find("test_a.py", Made::ByPytest, question, &now);
    assert!(matches!(said, Lookup::Stale(_)));
    let said = pack.find("test_a.py", Made::FromText, question, &now);
    assert_eq!(said, Lookup::Absent);
    let (foreign, _) = Pack::open(&place.cache(), Fingerprint::of(b"foreign"));
    fs::copy(&pack.path, &foreign.path).unwrap();
    let (foreign, note) = Pack::open(&place.cache(), Fingerprint::of(b"foreign"));
    assert!(foreign.entries.is_empty() && note.is_some());
}

#[test]
fn no_damage_is_taken_for_an_answer() {
    let place = Place::new();
    place.store(&["test_a.py", "test_b.py"]);
    let path = place.pack();
    let whole = fs::read(&path).unwrap();
    let good = [place.says("test_a.py"), place.says("test_b.py")];
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x15;
        for bytes in [damaged.as_slice(), &whole[..at]] {
            fs::write(&path, bytes).unwrap();
            for (file, good) in ["test_a.py", "test_b.py"].iter().zip(&good) {
                let said = place.says(file);
                assert!(
                    said == *good || said == Err("absent".to_owned()),
                    "{at}: {said:?}"
                );
            }
        }
    }
    fs::write(&path, [0xff, 0, b'\n']).unwrap();
    assert!(place.open().1.unwrap().ends_with("is not text"));
    place.store(&["test_a.py"]);
    assert!(place.says("test_a.py").is_ok());
}

#[test]
fn old_answers_stay_unless_replaced_or_gone() {
    let place = Place::new();
    place.store(&["test_a.py", "test_b.py", "test_c.py"]);
    let mut again = place.entry("test_b.py");
    again.answer = "{}".to_owned();
    let stored = place
        .open()
        .0
        .store(&[again], &|file| file != "test_c.py")
        .unwrap();
    assert_eq!((stored.entries, stored.dropped), (2, 1));
    assert!(place.says("test_a.py").is_ok());
    assert_eq!(place.says("test_b.py"), Ok("{}".to_owned()));
    assert_eq!(place.says("test_c.py"), Err("absent".to_owned()));
}

#[test]
fn packs_are_bounded_in_number_and_leave_nothing_beside_them() {
    let place = Place::new();
    for number in 0..MOST_PACKS + 3 {
        let context = Fingerprint::of(&number.to_le_bytes());
        let (pack, _) = Pack::open(&place.cache(), context);
        pack.store(&[place.entry("test_a.py")], &|_| true).unwrap();
    }
    let names: Vec<_> = fs::read_dir(place.cache())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".gitignore")
        .collect();
    assert_eq!(names.len(), MOST_PACKS);
    assert!(
        names
            .iter()
            .all(|name| Path::new(name).extension() == Some("pack".as_ref())),
        "{names:?}"
    );
}

#[test]
fn writers_at_once_leave_one_whole_pack() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    place.store(&["test_a.py", "test_b.py"]);
                    let said = place.says("test_a.py");
                    assert_eq!(said, Ok(place.entry("test_a.py").answer));
                }
            });
        }
    });
    assert_eq!(place.open().1, None);
}
