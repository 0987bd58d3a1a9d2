"""`dyno collect`: the tests that pytest would run, as pytest lists them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from running import DYNO, environment, write_suite

SUITE = {
    "test_plain.py": """
import pytest

pytestmark = pytest.mark.fast

@pytest.mark.slow
def test_one(): pass

class TestX:
    @pytest.mark.parametrize("x", [1, "a"])
    def test_two(self, x): pass
""",
    # Only an import tells how many there are.
    "sub/test_computed.py": """
import pytest, json, pathlib

CASES = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text())

@pytest.mark.parametrize("case", CASES)
def test_case(case): pass
""",
    "sub/cases.json": '["x", "y"]',
}


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache of its own."""
    return tmp_path_factory.mktemp("cache")


class Answer:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def asked(self) -> bool:
        """Whether pytest was asked about a file."""
        return "pytest: asked" in self.err


def run(command: list[str], folder: Path, cache: Path, **variables: str) -> Answer:
    env = environment(XDG_CACHE_HOME=str(cache), PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    done = subprocess.run(
        command,
        cwd=folder,
        env={**env, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Answer(done)


def collect(folder: Path, cache: Path, *args: str, **variables: str) -> Answer:
    command = [DYNO, "collect", "--python", sys.executable, "--debug", *args]
    return run(command, folder, cache, **variables)


def plain(folder: Path, cache: Path, *args: str) -> Answer:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", *args]
    return run(command, folder, cache)


def lines(text: str) -> list[str]:
    """What was printed, without the time and without pytest's warnings."""
    text = re.sub(r" in [\d.]+s", " in TIME", text)
    text = re.sub(r"=+ warnings summary =+.*?-- Docs: \S+\n", "", text, flags=re.DOTALL)
    return text.splitlines()


@pytest.mark.parametrize(
    "args",
    [
        "-q",
        "-qq",
        "-q -k one",
        "-q -m slow",
        "-q -m fast",
        "-q -k nothing",
        "-q test_plain.py",
        "-q test_plain.py::TestX",
        "-q sub test_plain.py::test_one",
        "-q --deselect test_plain.py::TestX",
        "-q --ignore=sub",
        "-q --ignore=sub --ignore=test_plain.py",
    ],
)
def test_listing_is_pytests(args: str, tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    expected = plain(tmp_path, cache, *args.split())
    answer = collect(tmp_path, cache, *args.split())
    assert lines(answer.out) == lines(expected.out)
    assert answer.code == expected.code, answer.err


@pytest.mark.parametrize("args", ["absent.py", "test_plain.py::absent", "-k ("])
def test_usage_errors_are_pytests(args: str, tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    expected = plain(tmp_path, cache, *args.split())
    answer = collect(tmp_path, cache, *args.split())
    assert answer.code == expected.code == 4
    error = next(line for line in expected.err.splitlines() if line.startswith("ERROR: "))
    assert error in answer.err


def test_only_what_the_text_leaves_open_is_asked_and_once(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    first = collect(tmp_path, cache, "-q")
    assert first.asked
    second = collect(tmp_path, cache, "-q")
    assert not second.asked, second.err
    assert lines(second.out) == lines(first.out)
    told = collect(tmp_path, cache, "--why", "sub/test_computed.py").out
    assert "told by pytest earlier" in told and "sub/test_computed.py:" in told
    assert collect(tmp_path, cache, "-q", "--no-cache").asked


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda root: append(root / "sub/test_computed.py", "\ndef test_more(): pass\n"),
    "its data": lambda root: (root / "sub/cases.json").write_text('["x", "z"]'),
    "a conftest": lambda root: (root / "sub/conftest.py").write_text("x = 1\n"),
    "a module that it imports": lambda root: append(root / "helper.py", "\nNUMBER = 3\n"),
    "the configuration": lambda root: (root / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\npython_functions = test_m* test_c*\n"
    ),
    "a damaged cache": lambda root: damage(root / ".dyno/cache/collection"),
}


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def damage(folder: Path) -> None:
    for pack in folder.glob("*.pack"):
        pack.write_bytes(pack.read_bytes()[:-40] + b"\0" * 40)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(what: str, tmp_path: Path, cache: Path) -> None:
    computed = "from helper import NUMBER\n" + SUITE["sub/test_computed.py"]
    computed = computed.replace("CASES)", "CASES * NUMBER)")
    files = {**SUITE, "sub/test_computed.py": computed, "helper.py": "NUMBER = 1\n"}
    write_suite(tmp_path, {**files, "pytest.ini": "[pytest]\npythonpath = .\n"})
    collect(tmp_path, cache, "-q")
    assert not collect(tmp_path, cache, "-q").asked
    CHANGES[what](tmp_path)
    expected = plain(tmp_path, cache, "-q")
    again = collect(tmp_path, cache, "-q")
    assert again.asked
    assert lines(again.out) == lines(expected.out)


def test_a_variable_is_seen(tmp_path: Path, cache: Path) -> None:
    text = """
import os, pytest

@pytest.mark.parametrize("x", os.environ.get("CASES", "a").split())
def test_it(x): pass
"""
    write_suite(tmp_path, {"test_it.py": text})
    assert "test_it[a]" in collect(tmp_path, cache, "-q").out
    assert not collect(tmp_path, cache, "-q").asked
    more = collect(tmp_path, cache, "-q", CASES="b c")
    assert more.asked and "test_it[c]" in more.out


def test_names_that_the_collection_itself_adds_are_seen(tmp_path: Path, cache: Path) -> None:
    text = """
import os, pytest

@pytest.mark.parametrize("x", sorted(os.listdir(os.path.dirname(__file__))))
def test_it(x): pass
"""
    write_suite(tmp_path, {"sub/test_it.py": text})
    for _ in range(3):
        answer = collect(tmp_path, cache, "-q", PYTHONDONTWRITEBYTECODE="")
        expected = run(
            [
                sys.executable,
                "-B",
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "--collect-only",
                "-q",
            ],
            tmp_path,
            cache,
        )
    assert lines(answer.out) == lines(expected.out)
    assert "__pycache__" in answer.out and not answer.asked


def test_what_differs_each_time_is_not_kept(tmp_path: Path, cache: Path) -> None:
    text = """
import subprocess, pytest

WORDS = subprocess.check_output(["echo", "a b"], text=True).split()

@pytest.mark.parametrize("x", WORDS)
def test_it(x): pass
"""
    write_suite(tmp_path, {"test_it.py": text})
    for _ in range(2):
        answer = collect(tmp_path, cache, "-q")
        assert answer.asked and "not kept" in answer.err


def test_what_cannot_be_imported_is_known_from_its_text(tmp_path: Path, cache: Path) -> None:
    missing = "import framework_that_is_not_there\n"
    files = {
        "test_known.py": missing + "def test_a(): pass\n",
        "test_open.py": missing
        + SUITE["sub/test_computed.py"].replace(
            "CASES = json", "CASES = framework_that_is_not_there"
        ),
    }
    write_suite(tmp_path, files)
    answer = collect(tmp_path, cache, "-q")
    assert "test_known.py::test_a" in answer.out
    assert "test_open.py: known from the text in part; pytest cannot import it" in answer.err
    assert answer.code == 2
    known = collect(tmp_path, cache, "-q", "test_known.py")
    assert known.code == 0 and not known.asked


PASSED_OVER = """
def pytest_ignore_collect(collection_path):
    import json
    return True if collection_path.name == json.loads('"test_over.py"') else None
"""


def test_a_file_that_pytest_passes_over_is_no_error_of_its_own(tmp_path: Path, cache: Path) -> None:
    computed = SUITE["sub/test_computed.py"].replace("CASES = json", "CASES = nothing.json")
    files = {
        "conftest.py": PASSED_OVER,
        "test_over.py": "def test_a(): pass\n",
        "test_bad.py": computed,
        "test_good.py": "def test_b(): pass\n",
    }
    write_suite(tmp_path, files)
    expected = plain(tmp_path, cache, "-q")
    for asked in (True, False):
        answer = collect(tmp_path, cache, "-q")
        assert answer.asked is asked, answer.err
        assert "test_over" not in answer.out + re.sub("dyno: .*", "", answer.err)
        assert "test_good.py::test_b" in answer.out
        assert answer.code == expected.code == 2


def test_a_folder_whose_conftest_needs_what_is_missing(tmp_path: Path, cache: Path) -> None:
    files = {
        "sub/conftest.py": "import helper\n",
        "helper.py": "import framework_that_is_not_there\n",
        "sub/test_known.py": "def test_a(): pass\n",
        "sub/test_computed.py": SUITE["sub/test_computed.py"],
        "sub/cases.json": SUITE["sub/cases.json"],
        "pytest.ini": "[pytest]\npythonpath = .\n",
    }
    write_suite(tmp_path, files)
    for asked in (True, False):
        answer = collect(tmp_path, cache, "-q")
        assert answer.asked is asked, answer.err
        assert "sub/test_known.py::test_a" in answer.out
        note = "sub/test_computed.py: known from the text in part; pytest cannot collect sub: "
        assert note in answer.err
        assert answer.err.count("ERROR collecting sub\n") == 1
        assert answer.code == 2
    (tmp_path / "helper.py").write_text("")
    answer = collect(tmp_path, cache, "-q")
    assert answer.asked and answer.code == 0
    assert lines(answer.out) == lines(plain(tmp_path, cache, "-q").out)


def test_verify_agrees_and_tells_where_it_cannot(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    answer = collect(tmp_path, cache, "--verify")
    assert (answer.code, answer.out) == (0, "0 differences in 5 tests\n")


def test_a_file_that_a_hook_leaves_out_holds_nothing_where_another_fails(
    tmp_path: Path, cache: Path
) -> None:
    hook = (
        "import os\n"
        "def pytest_ignore_collect(collection_path, config):\n"
        "    return True if os.path.basename(collection_path) == 'test_out.py' else None\n"
    )
    files = {
        "pytest.ini": "[pytest]\n",
        "conftest.py": hook,
        "test_missing.py": "import missing\ndef test_a(): pass\n",
        "test_in.py": "def test_b(): pass\n",
        "test_out.py": "def test_c(): pass\n",
    }
    write_suite(tmp_path, files)
    for _ in range(2):
        answer = collect(tmp_path, cache, "--verify")
        assert (answer.code, answer.out) == (0, "0 differences in 1 test\n")
    assert "test_out.py" not in collect(tmp_path, cache, "-q").out
    # Ended early, it is not told: nothing is taken for left out.
    assert collect(tmp_path, cache, "-q", "-x").code not in (0, 5)


def test_what_pytest_contradicts_itself_about_is_told_and_not_compared(
    tmp_path: Path, cache: Path
) -> None:
    text = (
        "import pytest, random\n"
        "@pytest.mark.parametrize('x', [random.getrandbits(64)])\n"
        "def test_chance(x): pass\n"
        "def test_plain(): pass\n"
    )
    write_suite(tmp_path, {"pytest.ini": "[pytest]\n", "test_it.py": text})
    answer = collect(tmp_path, cache, "--verify")
    assert (answer.code, answer.out) == (0, "0 differences in 2 tests\n")
    told = (
        "dyno: test_it.py::test_chance: not compared: pytest, asked twice, lists it differently\n"
    )
    assert told in answer.err


# Each holds a class whose bases dyno cannot all read. pytest collects a `TestCase` by what it
# derives from, whatever it is called.
CLASSES = {
    "a test case and a protocol": (
        "import typing, unittest\n"
        "class Mixin(typing.Protocol):\n    def test_a(self): pass\n"
        "class Checks(unittest.TestCase, Mixin):\n    def test_b(self): pass\n"
        "class More(Mixin, unittest.TestCase): pass\n"
    ),
    "an exception and a test case of elsewhere": (
        "from elsewhere import AsyncCase\nclass TestA(AsyncCase, Exception): pass\n"
    ),
    "a test case of elsewhere": (
        "import elsewhere\nclass Checks(elsewhere.AsyncCase): pass\n"
        "class Others(elsewhere.Base):\n    def test_c(self): pass\n"
    ),
    "a test case that a call makes": (
        "import elsewhere\nBase = elsewhere.base()\n"
        "class Checks(Base):\n    def test_d(self): pass\n"
    ),
}


@pytest.mark.parametrize("what", CLASSES)
def test_a_class_with_bases_of_elsewhere(what: str, tmp_path: Path, cache: Path) -> None:
    installed = tmp_path / "installed"
    elsewhere = (
        "import unittest\n"
        "class AsyncCase(unittest.TestCase):\n    def test_e(self): pass\n"
        "class Base(unittest.TestCase): pass\n"
        "def base(): return Base\n"
    )
    write_suite(installed, {"elsewhere.py": elsewhere})
    write_suite(tmp_path / "project", {"pytest.ini": "[pytest]\n", "test_it.py": CLASSES[what]})
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    answer = collect(tmp_path / "project", cache, "--verify", PYTHONPATH=path)
    assert answer.code == 0, answer.out
    assert not answer.out.endswith(" 0 tests\n")


def test_a_folder_whose_conftest_cannot_be_imported_is_told_and_not_compared(
    tmp_path: Path, cache: Path
) -> None:
    computed = "import pytest, missing\n@pytest.mark.parametrize('x', missing.CASES)\n"
    files = {
        "pytest.ini": "[pytest]\n",
        "good/test_a.py": "def test_a(): pass\n",
        "good/test_missing.py": "import missing\ndef test_b(): pass\n",
        "bad/conftest.py": "import missing\n",
        "bad/test_c.py": "def test_c(): pass\n",
        "bad/test_open.py": computed + "def test_d(x): pass\n",
    }
    write_suite(tmp_path, files)
    answer = collect(tmp_path, cache, "--verify")
    assert (answer.code, answer.out) == (0, "0 differences in 1 test\n")
    missing = "pytest cannot collect it: ModuleNotFoundError: No module named 'missing'"
    assert f"dyno: bad: 2 tests not compared: {missing}\n" in answer.err
    assert f"dyno: good/test_missing.py: 1 test not compared: {missing}\n" in answer.err
    listed = collect(tmp_path, cache, "-q")
    assert listed.code == 2
    assert (
        "bad/test_open.py: known from the text in part; pytest cannot collect bad: " in listed.err
    )
    assert "pytest ended before" not in listed.err


def test_document_follows_its_schema(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, {**SUITE, "test_bad.py": "import nothing_of_that_name\nx = 1 / 0\n"})
    answer = collect(tmp_path, cache, "--json")
    document = json.loads(answer.out)
    schema = Path(__file__).parents[2] / "docs" / "schema" / "collect.schema.json"
    root = json.loads(schema.read_text())
    check(document, root, root)
    with pytest.raises(AssertionError):
        check({**document, "tests": [{"id": 1}]}, root, root)
    by_id = {test["id"]: test for test in document["tests"]}
    assert [m["name"] for m in by_id["test_plain.py::test_one"]["markers"]] == ["slow", "fast"]


def check(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Hold a value against the keywords that the schema uses."""
    known = {"$schema", "title", "description", "format", "$defs", "type", "properties"}
    known |= {"required", "items", "$ref", "oneOf", "const", "minimum"}
    assert schema.keys() <= known
    if reference := schema.get("$ref"):
        check(value, root["$defs"][reference.removeprefix("#/$defs/")], root)
        return
    if "oneOf" in schema:
        assert value in [option["const"] for option in schema["oneOf"]]
    if "type" in schema:
        names = {"string": str, "integer": int, "array": list, "object": dict, "null": type(None)}
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert isinstance(value, tuple(names[kind] for kind in kinds)), (value, kinds)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= value.keys() <= schema["properties"].keys()
        for name, part in value.items():
            check(part, schema["properties"][name], root)
    if isinstance(value, list):
        for part in value:
            check(part, schema["items"], root)


def test_a_reader_that_goes_costs_nothing(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, {"test_x.py": "\n".join(f"def test_{n}(): pass" for n in range(9000))})
    command = f"{DYNO} collect --python {sys.executable} -q"
    shell = f"set -o pipefail; {command} | head -1; exit $?"
    answer = run(["bash", "-c", shell], tmp_path, cache)
    assert (answer.code, answer.out) == (0, "test_x.py::test_0\n")
    assert "panicked" not in answer.err


def test_two_at_once(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    env = environment(XDG_CACHE_HOME=str(cache), PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    command = [DYNO, "collect", "--python", sys.executable, "-q"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert lines(outs[0]) == lines(outs[1])
    assert not collect(tmp_path, cache, "-q").asked


BASE = {
    "test_a.py": "from helper import x\ndef test_a(): pass\n",
    "test_b.py": "def test_b(): pass\n",
    "data/test_c.py": "TEXT = 'rows.json'\ndef test_c(): pass\n",
    "data/test_d.py": "def test_d(): open(str('rows') + '.json')\n",
    "data/rows.json": "[]",
    "local/conftest.py": "import pytest\n@pytest.fixture\ndef f(): return 1\n",
    "local/test_e.py": "def test_e(f): pass\n",
    "hooked/conftest.py": "def pytest_runtest_setup(item): pass\n",
    "hooked/test_f.py": "def test_f(): pass\n",
    "computed/test_g.py": "import importlib, os\n"
    "m = importlib.import_module(os.environ.get('M', 'os'))\ndef test_g(): pass\n",
    "helper.py": "x = 1\n",
    "README.md": "text\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
    ".gitignore": ".dyno\n__pycache__\n",
}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("helper.py", "x = 2\n", "ag"),
        ("helper.py", None, "ag"),
        ("test_b.py", "def test_b(): pass\n# more\n", "bg"),
        ("test_h.py", "def test_h(): pass\n", "gh"),
        ("test_b.py", None, "g"),
        ("data/rows.json", "[1]", "cdg"),
        ("local/conftest.py", BASE["local/conftest.py"] + "# more\n", "eg"),
        ("local/conftest.py", None, "abcdefg"),
        ("local/conftest.py", "def pytest_configure(): pass\n", "abcdefg"),
        # Its hooks are gone, which the others may notice.
        ("hooked/conftest.py", "import pytest\n", "abcdefg"),
        ("data/conftest.py", "import pytest\n", "cdg"),
        ("pytest.ini", "[pytest]\npythonpath = .\naddopts = -s\n", "abcdefg"),
        ("README.md", "other\n", ""),
        ("unread.bin", "x", "abcdefg"),
    ],
)
def test_changed_lists_what_a_change_can_affect(
    path: str, text: str | None, expected: str, tmp_path: Path, cache: Path
) -> None:
    write_suite(tmp_path, BASE)
    git(tmp_path, "init", "-q", "-b", "trunk")
    commit(tmp_path)
    assert collect(tmp_path, cache, "-q", "--changed").code == 5
    if text is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(text)
    answer = collect(tmp_path, cache, "-q", "--changed=HEAD")
    found = re.findall(r"::test_(\w)", answer.out)
    if path == "test_b.py" and text is None:
        # Who would have noticed that it is gone is not known.
        assert set(found) >= set(expected)
    else:
        assert "".join(sorted(found)) == expected, answer.err


def test_changed_takes_a_commit_and_asks_for_a_repository(tmp_path: Path, cache: Path) -> None:
    needs_git()
    write_suite(tmp_path, BASE)
    ceiling = str(tmp_path.parent)
    outside = collect(tmp_path, cache, "-q", "--changed", GIT_CEILING_DIRECTORIES=ceiling)
    assert outside.code == 4 and "git repository" in outside.err
    git(tmp_path, "init", "-q", "-b", "trunk")
    commit(tmp_path)
    (tmp_path / "helper.py").write_text("x = 2\n")
    commit(tmp_path)
    git(tmp_path, "branch", "test_b.py")
    assert collect(tmp_path, cache, "--changed").code == 5
    for args in [["--changed", "trunk~1"], ["--changed=trunk~1"]]:
        assert "test_a.py::test_a" in collect(tmp_path, cache, "-q", *args).out
    # A file that is there is a file.
    assert collect(tmp_path, cache, "--changed", "test_b.py").code == 5
    assert collect(tmp_path, cache, "--changed=nowhere").code == 4
    assert collect(tmp_path, cache, "--changed", "nowhere").code == 4


def test_a_condition_at_collect_ignore_concerns_what_it_names(tmp_path: Path, cache: Path) -> None:
    conftest = """
import os, sys
collect_ignore = ["test_never.py"]
collect_ignore_glob = []
if os.environ.get("LESS"):
    collect_ignore.append("test_a.py")
    collect_ignore += ["sub"]
    collect_ignore_glob.extend(["*_x.py"])
"""
    names = ["never", "a", "b", "c_x", "sub/test_d"]
    files = {f"{name}.py" if "/" in name else f"test_{name}.py": "" for name in names}
    files = dict.fromkeys(files, "def test_it(): pass\n")
    write_suite(tmp_path, {**files, "conftest.py": conftest})
    for variables in ({}, {"LESS": "1"}):
        expected = run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"],
            tmp_path,
            cache,
            **variables,
        )
        answer = collect(tmp_path, cache, "-q", **variables)
        assert lines(answer.out) == lines(expected.out)
        assert "asked about 3 of 4 files" in answer.err


def test_what_a_plugin_of_a_conftest_is_read_from_is_seen(tmp_path: Path, cache: Path) -> None:
    files = {
        "conftest.py": "pytest_plugins = ['shared', 'fixtures']\n",
        # pytest has a plugin of this name itself, and this one is not loaded.
        "fixtures.py": "import pytest\n@pytest.fixture(params='xy')\ndef f(): pass\n",
        "shared.py": "import pytest\nfrom values import V\n"
        "@pytest.fixture(params=V)\ndef f(request): pass\n",
        "values.py": "V = [1, 2]\n",
        "sub/test_a.py": "def test_a(f): pass\n",
        "pytest.ini": "[pytest]\npythonpath = .\n",
    }
    write_suite(tmp_path, files)
    first = collect(tmp_path, cache, "-q")
    assert "test_a[2]" in first.out and not first.asked
    for text in ["V = [1, 33]\n", "V = [4]\n"]:
        (tmp_path / "values.py").write_text(text)
        changed = collect(tmp_path, cache, "-q")
        assert lines(changed.out) == lines(plain(tmp_path, cache, "-q").out)
    why = collect(tmp_path, cache, "--why", "sub/test_a.py").out
    assert "earlier" in why
    # Plugins that name each other are loaded once.
    append(tmp_path / "shared.py", "pytest_plugins = 'others'\n")
    (tmp_path / "others.py").write_text("pytest_plugins = 'shared'\n")
    circle = collect(tmp_path, cache, "-q")
    assert lines(circle.out) == lines(plain(tmp_path, cache, "-q").out)


def test_files_that_stand_there_twice(tmp_path: Path, cache: Path) -> None:
    computed = "import pytest, json\nX = json.loads('[1, 2]')\n"
    computed += "@pytest.mark.parametrize('x', X)\ndef test_it(x): pass\ndef test_b(): pass\n"
    write_suite(tmp_path, {"root/pytest.ini": "[pytest]\n", "root/test_a.py": computed})
    for place in ("one", "two"):
        write_suite(tmp_path, {f"{place}/sub/test_{place}.py": computed, f"{place}/test_x.py": ""})
    (tmp_path / "two/test_x.py").write_text(computed.replace("[1, 2]", "[3]"))
    (tmp_path / "one/test_x.py").write_text(computed)
    root = tmp_path / "root"
    for args in [
        ["--keep-duplicates", "test_a.py", "test_a.py"],
        ["test_a.py::test_b", "../one/sub", "test_a.py::test_it"],
        ["--import-mode=importlib", "--rootdir=.", "../one", "../two"],
    ]:
        expected = plain(root, cache, "-q", *args)
        for _ in range(2):
            answer = collect(root, cache, "-q", *args)
            assert lines(answer.out) == lines(expected.out), answer.err


@pytest.mark.parametrize(
    "args",
    [
        *("--ff", "--nf", "--ff --nf -k 'not b2'", "--lf", "--sw", "--lf -k 'not b2'", "--lf ."),
        *("--sw -k 2", "--lf --nf", "--lf --sw", "--sw-skip", "--sw-reset", "--lf test_c.py"),
    ],
)
def test_what_pytest_remembers_is_read_and_not_written(
    args: str, tmp_path: Path, cache: Path
) -> None:
    tests = "def test_{0}1(): pass\ndef test_{0}2(): assert 0\n"
    files = {f"test_{name}.py": tests.format(name) for name in "abc"}
    write_suite(tmp_path, {"test_broken.py": "x = 1\n", **files})
    command = [sys.executable, "-m", "pytest", "-q"]
    given = shlex.split(args)
    run([*command, "--deselect", "test_a.py", "--sw-skip"], tmp_path, cache)
    os.utime(tmp_path / "test_c.py", (1e9, 1e9))
    append(tmp_path / "test_b.py", "def test_b3(): pass\n")
    for broken in (False, True):
        if broken:
            (tmp_path / "test_broken.py").write_text("1 / 0\n")
            run(command, tmp_path, cache)
            (tmp_path / "test_broken.py").write_text("def test_now(): pass\n")
        memory = tmp_path / ".pytest_cache"
        before = {path: path.read_bytes() for path in memory.rglob("*") if path.is_file()}
        answer = collect(tmp_path, cache, "-q", *given)
        assert before == {path: path.read_bytes() for path in before}
        if not broken and "test_c.py" not in given:
            assert not answer.asked, answer.err
        # pytest itself may write, so it comes last.
        expected = run([*command, "--collect-only", *given], tmp_path, cache)
        assert lines(answer.out) == lines(expected.out)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one")


def needs_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")


def git(folder: Path, *args: str) -> None:
    needs_git()
    subprocess.run(["git", *args], cwd=folder, check=True, timeout=60)
