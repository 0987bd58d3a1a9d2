//! What a file's tests are is in doubt where another module has a part in it.

use dyno_discover::layout::LayoutFile;
use dyno_discover::{Project, crossings};
use dyno_model::{Doubt, Environment, FileTests, FilesInMemory, PytestConfig, PytestVersion};
use std::collections::BTreeMap;

const ENVIRONMENT: &str = r#"{
    "python": {"executable": "/python", "version": [3, 11, 0], "level": "final",
        "implementation": "cpython", "platform": "linux", "os_name": "posix",
        "machine": "x86_64", "prefix": "/", "stdlib": [], "site": [], "stdlib_names": []},
    "pytest": "9.2.0", "sys_path": [], "plugins": [], "hooks": [], "ini": [], "options": [],
    "markers": [], "fixtures": []
}"#;

const NEWEST: PytestVersion = PytestVersion { major: 9, minor: 2 };

/// Of each test file, why its tests are in doubt; empty where they are not.
fn doubts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    doubts_of(NEWEST, texts)
}

fn doubts_of(version: PytestVersion, texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut files = FilesInMemory::new();
    for (name, text) in texts {
        files = files.with(format!("/p/{name}"), *text);
    }
    let environment: Environment = serde_json::from_str(ENVIRONMENT).unwrap();
    let config = PytestConfig::defaults(version, "/p");
    let project = Project::open(&files, &config, &environment);
    let files = &project.layout().files;
    let mut told: Vec<FileTests> = files.iter().map(|file| project.tell(file).tests).collect();
    for (index, why) in crossings(files.iter().zip(&told)) {
        told[index].unknown.push(why);
    }
    let why = |(file, told): (&LayoutFile, &FileTests)| {
        let mut unknown = told.unknown.iter();
        let doubt = unknown.find(|unknown| unknown.doubt == Doubt::Existence);
        let why = doubt.map(|doubt| format!("{} {}", doubt.reason, doubt.at));
        (file.id.clone(), why.unwrap_or_default())
    };
    files.iter().zip(&told).map(why).collect()
}

const CASES: &str = "CASES = [1, 2]\nOTHERS = [3]\n";
const OVER_CASES: &str = "import pytest\nfrom consts import CASES\n\n@pytest.mark.parametrize('x', CASES)\ndef test_x(x): pass\n";
const OVER_OTHERS: &str = "import pytest\nfrom consts import OTHERS\n\n@pytest.mark.parametrize('x', OTHERS)\ndef test_x(x): pass\n";

#[test]
fn a_list_that_a_conftest_changes_is_in_doubt_for_those_who_use_it() {
    let said = doubts(&[
        ("consts.py", CASES),
        ("conftest.py", "from consts import CASES\nCASES.append(3)\n"),
        ("test_a.py", OVER_CASES),
        ("test_b.py", OVER_OTHERS),
    ]);
    assert_eq!(said["test_a.py"], "may change `CASES` conftest.py:2");
    assert_eq!(said["test_b.py"], "");
}

#[test]
fn a_list_that_an_imported_module_changes_is_in_doubt_for_the_importer() {
    let importing = format!("import more\n{OVER_CASES}");
    let said = doubts(&[
        ("consts.py", CASES),
        ("more.py", "import consts\nconsts.CASES.append(3)\n"),
        ("test_a.py", &importing),
        ("test_b.py", OVER_CASES),
    ]);
    assert_eq!(said["test_a.py"], "may change `CASES` more.py:2");
    assert_eq!(said["test_b.py"], "");
}

#[test]
fn a_list_that_reaches_the_file_by_another_name_is_in_doubt_too() {
    let said = doubts(&[
        ("consts.py", CASES),
        (
            "derived.py",
            "from consts import CASES\nALL = [*CASES, 9]\n",
        ),
        ("conftest.py", "from consts import CASES\nCASES.append(3)\n"),
        (
            "test_a.py",
            "import pytest\nfrom derived import ALL\n\n@pytest.mark.parametrize('x', ALL)\ndef test_x(x): pass\n",
        ),
    ]);
    assert_eq!(said["test_a.py"], "may change `CASES` conftest.py:2");
}

#[test]
fn a_skip_that_is_found_through_a_circle_of_imports_is_found_by_all() {
    let test = |module: &str| format!("import {module}\n\ndef test_x(): pass\n");
    let (first, second) = (test("a"), test("b"));
    let said = doubts(&[
        ("a.py", "import b\nimport c\n"),
        ("b.py", "import a\n"),
        ("c.py", "import pytest\npytest.importorskip('nowhere')\n"),
        ("d.py", "import e\n"),
        ("e.py", "import d\n"),
        ("test_1.py", &first),
        ("test_2.py", &second),
        ("test_3.py", &test("d")),
        ("test_4.py", &test("e")),
    ]);
    for file in ["test_1.py", "test_2.py"] {
        assert!(said[file].contains("importorskip"), "{file}: {said:?}");
    }
    for file in ["test_3.py", "test_4.py"] {
        assert_eq!(said[file], "", "{file}");
    }
}

#[test]
fn a_file_that_python_does_not_compile_is_in_doubt() {
    let said = doubts(&[
        ("test_a.py", "def test_x(): pass\nreturn\n"),
        ("test_b.py", "def test_x(a, a): pass\n"),
        ("test_c.py", "def test_x():\n    return\n"),
    ]);
    assert!(said["test_a.py"].ends_with("test_a.py:2"), "{said:?}");
    assert!(said["test_b.py"].ends_with("test_b.py:1"), "{said:?}");
    assert_eq!(said["test_c.py"], "");
}

const LIBRARY: &str = "class TestBase:\n    def test_m(self): pass\ndef test_f(): pass\n";
const COLLECTS: &str = "from library import TestBase, test_f\nclass TestB(TestBase): pass\n";

#[test]
fn a_mark_that_one_file_puts_on_what_another_collects_is_known_to_the_other() {
    for (deed, function, class) in [
        (
            "from library import test_f as f\nmark.slow(f)\n",
            true,
            false,
        ),
        (
            "import library\nmark.slow(1)(library.TestBase)\n",
            false,
            true,
        ),
        (
            "import library\nlibrary.TestBase.pytestmark = [mark.slow]\n",
            true,
            true,
        ),
        (
            "import library\nsetattr(library.TestBase, 'x', 1)\n",
            true,
            true,
        ),
        (
            "import library\ndef go(f): mark.slow(f)\ngo(library.test_f)\n",
            true,
            false,
        ),
        (
            "import library\nfor x in vars(library).values(): mark.slow(x)\n",
            true,
            true,
        ),
        (
            "import library\nmark.parametrize('x', [library.TestBase])\n",
            false,
            false,
        ),
        (
            "import library\ndef unused(): mark.slow(library.test_f)\n",
            false,
            false,
        ),
        (
            "import library\nif __name__ == '__main__':\n    mark.slow(library.test_f)\n",
            false,
            false,
        ),
    ] {
        let marks = format!("from pytest import mark\n{deed}");
        let said = doubts(&[
            ("library.py", LIBRARY),
            ("test_a.py", &marks),
            ("test_f.py", "from library import test_f\n"),
            (
                "test_class.py",
                "from library import TestBase\nclass TestB(TestBase): pass\n",
            ),
            ("test_both.py", COLLECTS),
        ]);
        assert_eq!(!said["test_f.py"].is_empty(), function, "{deed}");
        assert_eq!(!said["test_class.py"].is_empty(), class, "{deed}");
        assert_eq!(
            !said["test_both.py"].is_empty(),
            function || class,
            "{deed}"
        );
    }
}

#[test]
fn an_abstract_class_is_left_out_since_8_3_and_asked_about_before() {
    let text = "import abc, unittest\nclass Case(unittest.TestCase, abc.ABC):\n    @abc.abstractmethod\n    def helper(self): ...\n    def test_b(self): pass\n";
    for (minor, doubt) in [
        (0, "class `Case` is abstract test_case.py:2"),
        (2, "class `Case` is abstract test_case.py:2"),
        (3, ""),
    ] {
        let version = PytestVersion { major: 8, minor };
        let said = doubts_of(version, &[("test_case.py", text)]);
        assert_eq!(said["test_case.py"], doubt, "8.{minor}");
    }
}
