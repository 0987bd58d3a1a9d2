"""``dyno test -m`` and ``-k`` import only the files that can hold a selected test."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import Run, run_dyno, run_pytest, write_suite

# Each module says that it was imported. What `test_open` is parametrized with, no text tells.
SAYS = "open(__file__ + '.imported', 'w').close()\nimport pytest\n"
SUITE = {
    "pytest.ini": "[pytest]\nmarkers =\n    wanted: x\n    other: x\n",
    "test_a.py": SAYS + "@pytest.mark.wanted\ndef test_1(): pass\ndef test_2(): pass\n",
    "test_b.py": SAYS + "def test_3(): pass\n@pytest.mark.other\ndef test_4(): assert False\n",
    "test_c.py": SAYS + "pytestmark = pytest.mark.other\n"
    "class TestC:\n    @pytest.mark.parametrize('x', [1, 2])\n    def test_5(self, x): pass\n",
    "test_open.py": SAYS + "import json\n"
    "@pytest.mark.other\n@pytest.mark.parametrize('x', json.loads('[1, 2, 3]'))\n"
    "def test_6(x): pass\n",
}


def imported(folder: Path) -> list[str]:
    """The modules that were imported since the last time that this was asked."""
    marks = sorted(folder.glob("*.imported"))
    for mark in marks:
        mark.unlink()
    return [mark.name.removesuffix(".py.imported") for mark in marks]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    suite = tmp_path / "suite"
    suite.mkdir()
    write_suite(suite, SUITE)
    return suite


def agree(folder: Path, *args: str) -> Run:
    plain = run_pytest(folder, *args)
    imported(folder)
    dyno = run_dyno(folder, *args)
    assert dyno.code == plain.code
    assert dyno.outcomes == plain.outcomes
    assert dyno.closing_counts() == plain.closing_counts()
    return dyno


@pytest.mark.parametrize(
    ("args", "needed"),
    [
        (["-m", "wanted"], ["test_a"]),
        (["-m", "other and not wanted"], ["test_b", "test_c", "test_open"]),
        (["-k", "test_3 or TestC"], ["test_b", "test_c"]),
        (["-k", "test_1", "-m", "wanted"], ["test_a"]),
    ],
)
def test_outcomes_and_counts_are_those_of_pytest(
    folder: Path, args: list[str], needed: list[str]
) -> None:
    agree(folder, *args)
    # How many tests `test_open` makes is known once it was imported, and then kept.
    assert set(imported(folder)) - {"test_open"} == set(needed) - {"test_open"}
    agree(folder, *args)
    assert imported(folder) == needed


def test_nothing_selected_is_exit_code_5_and_imports_nothing_twice(folder: Path) -> None:
    assert agree(folder, "-m", "absent_everywhere").code == 5
    imported(folder)
    run_dyno(folder, "-m", "absent_everywhere")
    assert imported(folder) == []


def test_import_all_imports_all(folder: Path) -> None:
    run_dyno(folder, "-m", "wanted", "--import-all")
    assert imported(folder) == ["test_a", "test_b", "test_c", "test_open"]


def test_a_file_that_changed_is_read_anew(folder: Path) -> None:
    run_dyno(folder, "-m", "wanted")
    (folder / "test_b.py").write_text(SAYS + "@pytest.mark.wanted\ndef test_new(): pass\n")
    run = agree(folder, "-m", "wanted")
    assert run.outcomes["test_b.py::test_new"] == ("passed",)


def test_a_hook_that_needs_the_whole_list_sees_it(folder: Path) -> None:
    (folder / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n"
        "    open('seen', 'w').write(str(len(items)))\n"
        "    items.reverse()\n"
    )
    agree(folder, "-m", "wanted")
    assert (folder / "seen").read_text() == "9"
    assert len(imported(folder)) == 4


def test_a_wrong_expression_is_pytests_to_refuse(folder: Path) -> None:
    run = run_dyno(folder, "-m", "wanted and")
    assert run.code == 4
    assert imported(folder) == []


def test_a_hook_that_only_adds_a_marker_does_not_force_the_import(folder: Path) -> None:
    (folder / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_collection_modifyitems(config, items):\n"
        "    skip = pytest.mark.skip(reason='why')\n"
        "    for item in items:\n"
        "        if 'other' in item.keywords:\n"
        "            item.add_marker(skip)\n"
    )
    run_dyno(folder, "-m", "wanted")
    imported(folder)
    agree(folder, "-m", "wanted")
    assert imported(folder) == ["test_a"]
    # Any test may be skipped, so the marker that the hook adds asks for all.
    agree(folder, "-m", "skip")
    assert len(imported(folder)) == 4


@pytest.mark.parametrize(
    "says",
    [
        "pytest.skip('not here', allow_module_level=True)\n",
        "pytest.importorskip('no_such_module')\n",
        "if not hasattr(pytest, 'absent'):\n    pytest.skip('not here', allow_module_level=True)\n",
        "import no_such_module\n",
    ],
    ids=["skip", "importorskip", "condition", "error"],
)
def test_file_that_skips_itself_or_fails_counts_though_nothing_of_it_is_selected(
    folder: Path, says: str
) -> None:
    (folder / "test_itself.py").write_text(SAYS + says + "@pytest.mark.other\ndef test_7(): pass\n")
    # What was found out the first time is kept the second.
    for _ in range(3):
        agree(folder, "-m", "wanted", "-rs")
