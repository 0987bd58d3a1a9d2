"""Test modules that are not imported: everything else is as in a run that imports them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from asking import Told, template
from running import run_pytest, write_suite

SUITE = {
    "tests/conftest.py": "",
    "tests/test_a.py": "import pytest\n@pytest.mark.wanted\ndef test_1(): pass\n"
    "def test_2(): pass\n",
    "tests/sub/conftest.py": "open('conftest_was_loaded', 'w').close()\n",
    "tests/sub/test_b.py": "open('was_imported', 'w').close()\n"
    "def test_3(): pass\ndef test_4(): pass\nclass TestC:\n    def test_5(self): pass\n",
}


def pruned(
    folder: Path, *args: str, files: dict[str, int] | None = None, record: bool = False
) -> Told:
    """Let a template collect without `tests/sub/test_b.py`."""
    names = {"tests/sub/test_b.py": 3} if files is None else files
    prune = [{"path": str(folder / name), "deselected": count} for name, count in names.items()]
    return template(folder, {"prune": prune, "record": record}, *args)


def collected_line(text: str) -> str:
    return next(line for line in text.splitlines() if re.match(r"collected \d", line))


def cache(folder: Path) -> dict[str, Any]:
    place = folder / ".pytest_cache" / "v" / "cache"
    files = [path for path in place.iterdir() if path.name in ("lastfailed", "nodeids")]
    return {path.name: json.loads(path.read_text()) for path in files}


@pytest.mark.parametrize("paths", [[], ["tests"], ["tests/sub/test_b.py", "tests/test_a.py"]])
def test_a_pruned_file_is_not_imported_and_counts_as_deselected(
    tmp_path: Path, paths: list[str]
) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, "-m", "wanted", *paths)
    assert not (tmp_path / "was_imported").exists()
    assert (tmp_path / "conftest_was_loaded").exists()
    assert [item["id"] for item in told["collected"]["items"]] == ["tests/test_a.py::test_1"]
    assert told["collected"]["deselected"] == 4
    plain = run_pytest(tmp_path, "-m", "wanted", *paths)
    assert (tmp_path / "was_imported").exists()
    assert collected_line(told.output) == collected_line(plain.stdout)


def test_where_nothing_is_left_pytest_says_so_with_the_same_counts(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, "-m", "absent")
    plain = run_pytest(tmp_path, "-m", "absent")
    assert told["done"]["code"] == plain.code == 5
    assert collected_line(told.output) == collected_line(plain.stdout)
    assert re.search(r"= 5 deselected[, ]", told.output)
    assert re.search(r"= 5 deselected[, ]", plain.stdout)


def test_a_file_that_is_not_reached_counts_nothing(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, "-m", "wanted", "tests/test_a.py")
    assert told["collected"]["deselected"] == 1


def test_a_named_test_is_found(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, "tests/sub/test_b.py::test_3")
    assert [item["id"] for item in told["collected"]["items"]] == ["tests/sub/test_b.py::test_3"]
    assert told["collected"]["deselected"] == 0


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_others_find_the_same_folders_in_sys_path(tmp_path: Path, mode: str) -> None:
    seen = "import sys\nopen('seen', 'w').write(repr(sys.path))\ndef test_z(): pass\n"
    package = {"tests/sub/package/__init__.py": "", "tests/sub/package/test_p.py": ""}
    suite = {name: text for name, text in SUITE.items() if "conftest" not in name}
    write_suite(tmp_path, {**suite, **package, "tests/test_z.py": seen})
    files = {"tests/sub/test_b.py": 3, "tests/sub/package/test_p.py": 0}
    args = ("-k", "test_z", f"--import-mode={mode}")
    pruned(tmp_path, *args, files=files)
    first = (tmp_path / "seen").read_text()
    template(tmp_path, {}, *args)
    assert (tmp_path / "was_imported").exists()
    assert (tmp_path / "seen").read_text() == first


def test_other_collectors_of_the_file_are_left_alone(tmp_path: Path) -> None:
    doctest = '"""\n>>> 1\n1\n"""\nimport os\ndef test_4(): pass\n'
    write_suite(tmp_path, {**SUITE, "tests/sub/test_b.py": doctest})
    told = pruned(tmp_path, "--doctest-modules", files={"tests/sub/test_b.py": 0})
    ids = [item["id"] for item in told["collected"]["items"]]
    assert "tests/sub/test_b.py::test_b" in ids
    assert "tests/sub/test_b.py::test_4" not in ids


@pytest.mark.parametrize("option", ["--lf", "--sw"])
def test_where_pytest_picks_by_what_it_has_collected_all_is_imported(
    tmp_path: Path, option: str
) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, option)
    assert (tmp_path / "was_imported").exists()
    assert len(told["collected"]["items"]) == 5


WRONG_PARAM = "    @__import__('pytest').mark.parametrize('absent', [1])\n"


@pytest.mark.parametrize(
    ("option", "failing", "entries"),
    [
        ("--ff", "def test_3(): assert False\n", ["::test_3"]),
        ("--nf", "def test_9(): assert False\n", ["::test_9"]),
        ("--ff", "1/0\n", [""]),
        ("--nf", f"class TestC:\n{WRONG_PARAM}    def test_5(self): pass\n", ["::TestC"]),
    ],
)
def test_the_cache_is_as_after_a_run_that_imports_all(
    tmp_path: Path, option: str, failing: str, entries: list[str]
) -> None:
    """The file failed before, in a test or as a whole; now it is whole and pruned."""
    results = []
    for name in ("pruned", "whole"):
        folder = tmp_path / name
        write_suite(folder, {**SUITE, "tests/sub/test_b.py": failing})
        run_pytest(folder, option)
        write_suite(folder, SUITE)
        before = cache(folder)
        failed = [node.removeprefix("tests/sub/test_b.py") for node in before["lastfailed"]]
        assert failed == entries
        told = pruned(folder, "-m", "wanted", option, files=None if name == "pruned" else {})
        assert told["collected"]["deselected"] == 4
        assert [item["id"] for item in told["collected"]["items"]] == ["tests/test_a.py::test_1"]
        results.append((before, cache(folder), collected_line(told.output)))
    assert results[0] == results[1]


def test_a_record_leaves_pruned_files_out(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = pruned(tmp_path, "-m", "wanted", record=True)
    assert [file["file"] for file in told.collection["files"]] == ["tests/test_a.py"]
    ids = [test["id"] for file in told.collection["files"] for test in file["tests"]]
    assert ids == ["tests/test_a.py::test_1", "tests/test_a.py::test_2"]
    assert told.ids() == ["tests/test_a.py::test_1"]
    assert told.collection["deselected"] == 1


def test_of_many_pruned_files_in_a_folder_each_counts(tmp_path: Path) -> None:
    more = {f"tests/sub/test_m{n}.py": "def test_6(): pass\n" for n in range(5)}
    beside = {f"tests/test_x{n}.py": "def test_7(): pass\n" for n in range(5)}
    write_suite(tmp_path, {**SUITE, **more, **beside})
    files = {**dict.fromkeys([*more, *beside], 1), "tests/sub/test_b.py": 3}
    for paths in [], ["tests/sub"], ["tests/test_a.py", "tests/sub"], ["tests/test_x3.py"]:
        told = pruned(tmp_path, "-m", "wanted", *paths, files=files)
        plain = run_pytest(tmp_path, "-m", "wanted", *paths)
        assert collected_line(told.output) == collected_line(plain.stdout), paths


LOOKS = """\
def pytest_collectstart(collector):
    open('seen', 'a').write(collector.nodeid + '\\n')
"""
MAKES = """\
import pytest
class Text(pytest.File):
    def collect(self):
        open('seen', 'a').write(self.path.name + '\\n')
        return []
def pytest_collect_file(file_path, parent):
    return Text.from_parent(parent, path=file_path)
"""


@pytest.mark.parametrize("conftest", [LOOKS, MAKES])
def test_whoever_looks_at_files_sees_each(tmp_path: Path, conftest: str) -> None:
    more = {f"test_m{n}.py": "def test_6(): pass\n" for n in range(5)}
    write_suite(tmp_path, {**more, "conftest.py": conftest})
    pruned(tmp_path, files=dict.fromkeys(more, 1))
    seen = (tmp_path / "seen").read_text().split()
    assert set(more) <= set(seen)
