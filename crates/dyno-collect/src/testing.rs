//! A pytest for tests, which answers what it is told to.

use crate::pytest::{NoAnswer, Pytest, Told};
use crate::{Collection, File, Folder, Listed, Source};
use dyno_model::{
    CollectFailure, CollectedFile, CollectionRecord, Doubt, Environment, FoundTest, Interpreter,
    Item, Location, Marker, Plugin, RealCollection, Test, TestId, Unknown,
};
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Answers, and how often they were asked for.
pub(crate) struct Answers {
    environment: Environment,
    pub(crate) collection: RefCell<Option<RealCollection>>,
    probes: Cell<usize>,
    pub(crate) imports: RefCell<Vec<Option<Vec<PathBuf>>>>,
}

impl Answers {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            collection: RefCell::new(None),
            probes: Cell::new(0),
            imports: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn probes(&self) -> usize {
        self.probes.get()
    }
}

impl Pytest for Answers {
    fn probe(&self, _args: &[OsString]) -> Result<Told<Environment>, NoAnswer> {
        self.probes.set(self.probes.get() + 1);
        Ok(told(Some(self.environment.clone())))
    }

    fn collect(
        &self,
        _args: &[OsString],
        import: Option<&[PathBuf]>,
    ) -> Result<Told<RealCollection>, NoAnswer> {
        self.imports.borrow_mut().push(import.map(<[_]>::to_vec));
        Ok(told(self.collection.borrow().clone()))
    }
}

fn told<T>(answer: Option<T>) -> Told<T> {
    Told {
        answer,
        code: 0,
        stdout: String::new(),
        stderr: String::new(),
    }
}

/// An environment with one plugin in `site`.
pub(crate) fn environment(site: &Path) -> Environment {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Environment {
        python: Interpreter {
            executable: text(site.join("../python")),
            version: [3, 11, 7],
            level: "final".to_owned(),
            implementation: "cpython".to_owned(),
            platform: "linux".to_owned(),
            os_name: "posix".to_owned(),
            machine: "x86_64".to_owned(),
            prefix: text(site.join("..")),
            stdlib: Vec::new(),
            site: vec![text(site.to_path_buf())],
            stdlib_names: Vec::new(),
        },
        pytest: "9.2.0".to_owned(),
        sys_path: Vec::new(),
        plugins: vec![Plugin {
            name: "plugin".to_owned(),
            distribution: String::new(),
            version: String::new(),
            file: text(site.join("plugin.py")),
        }],
        hooks: Vec::new(),
        fixtures: Vec::new(),
        ini: Vec::new(),
        options: Vec::new(),
        markers: Vec::new(),
        unknown: Vec::new(),
    }
}

/// An item with markers such as `slow(1)`, whose argument may be `?`.
pub(crate) fn item(id: &str, markers: &[&str]) -> Item {
    let (file, names) = id.split_once("::").unwrap();
    let marker = |text: &&str| {
        let (name, args) = text.split_once('(').unwrap_or((text, ""));
        let args = args.trim_end_matches(')').split(',');
        Marker {
            name: name.to_owned(),
            args: args
                .filter(|arg| !arg.is_empty())
                .map(|arg| (arg != "?").then(|| arg.to_owned()))
                .collect(),
            kwargs: Vec::new(),
        }
    };
    Item {
        id: TestId::new(id).unwrap(),
        location: Location {
            file: file.to_owned(),
            line: Some(4),
            domain: names.replace("::", "."),
        },
        markers: markers.iter().map(marker).collect(),
        shares: Vec::new(),
        models: Vec::new(),
    }
}

/// pytest's answer that holds these tests, in this order.
pub(crate) fn collected(ids: &[&str]) -> RealCollection {
    let test = |id: &&str| Test {
        item: item(id, &[]),
        keywords: Vec::new(),
        fixtures: Vec::new(),
        params: Vec::new(),
    };
    let file = CollectedFile {
        file: String::new(),
        path: String::new(),
        collector: "_pytest.python.Module".to_owned(),
        tests: ids.iter().map(test).collect(),
    };
    RealCollection {
        files: vec![file],
        order: (0..).take(ids.len()).collect(),
        late: Vec::new(),
        deselected: 0,
        failures: Vec::new(),
        skips: Vec::new(),
        conftests: Vec::new(),
        record: CollectionRecord::default(),
    }
}

/// Two files: one known from its text, one that pytest could not import.
pub(crate) fn collection() -> Collection {
    let doubt = |doubt, reason: &str, at: &str| Unknown {
        doubt,
        reason: reason.to_owned(),
        names: Vec::new(),
        at: at.to_owned(),
    };
    let file = |id: &str, source| File {
        id: id.to_owned(),
        folders: vec![
            Folder {
                name: "project".to_owned(),
                is_package: false,
            },
            Folder {
                name: "tests".to_owned(),
                is_package: true,
            },
        ],
        source,
        open: Vec::new(),
        failure: None,
        skip: None,
        affected: None,
        kind: "Module".to_owned(),
    };
    let listed = |id: &str, markers: &[&str], file| Listed {
        found: FoundTest {
            test: Test {
                item: item(id, markers),
                keywords: Vec::new(),
                fixtures: Vec::new(),
                params: Vec::new(),
            },
            unknown: Vec::new(),
        },
        file,
    };
    let mut tests = vec![
        listed("tests/test_a.py::test_one", &["slow"], 0),
        listed("tests/test_a.py::TestX::test_two[1::a]", &["gpu(1,?)"], 0),
        listed("tests/test_a.py::TestX::test_two[2]", &[], 0),
        listed("tests/test_b.py::test_three", &[], 1),
    ];
    tests[2]
        .found
        .unknown
        .push(doubt(Doubt::Markers, "calls `marks`", "tests/test_a.py:3"));
    Collection {
        rootdir: "/project".into(),
        inifile: Some("/project/pytest.ini".into()),
        pytest: "9.2.0".to_owned(),
        python: "3.11.7".to_owned(),
        markers: Vec::new(),
        conftests: Vec::new(),
        verbosity: 0,
        tests,
        deselected: 0,
        files: vec![
            file("tests/test_a.py", Source::Text),
            File {
                open: vec![doubt(Doubt::Ids, "calls `cases`", "tests/test_b.py:7")],
                failure: Some(CollectFailure {
                    node: "tests/test_b.py".to_owned(),
                    longrepr: "ImportError while importing test module\nE   No module named 'x'"
                        .to_owned(),
                    crash: None,
                }),
                ..file("tests/test_b.py", Source::Pytest)
            },
        ],
        errors: Vec::new(),
        notes: Vec::new(),
        debug: Vec::new(),
    }
}
