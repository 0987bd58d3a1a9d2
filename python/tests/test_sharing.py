"""Several templates share the import of the test files, and nobody can tell from outcomes."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from running import Run, run_dyno, run_pytest, write_suite

pytestmark = pytest.mark.skipif(
    (os.cpu_count() or 1) < 2, reason="one processor: one template imports everything"
)

COUNT = 30
# Tells which processes imported the file, and from which template its test was forked. Where
# several templates are to meet, none goes on before another has come to a file.
FILE = """\
import os, time
NOTED = open(os.path.join({notes!r}, "{number}.imported." + str(os.getpid())), "w").close()
LIMIT = time.monotonic() + 60
MET = "MEET" not in os.environ or any(
    len({{name.rpartition(".")[2] for name in os.listdir({notes!r}) if ".imported." in name}}) > 1
    or time.monotonic() > LIMIT
    for _ in iter(int, 1)
)
def test_{number}():
    open(os.path.join({notes!r}, "{number}.forked." + str(os.getppid())), "w").close()
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path, notes: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    files = {
        f"test_{number}.py": FILE.format(notes=str(notes), number=number) for number in range(COUNT)
    }
    write_suite(tmp_path / "suite", files)
    return tmp_path / "suite"


def imports(notes: Path) -> list[str]:
    """The numbers of the files, once for each process that imported them."""
    return sorted(note.name.partition(".")[0] for note in notes.glob("*.imported.*"))


def templates(notes: Path) -> int:
    """From how many templates tests were forked."""
    return len({note.name.rpartition(".")[2] for note in notes.glob("*.forked.*")})


def run_where_they_meet(folder: Path, *args: str) -> Run:
    os.environ["MEET"] = "yes"
    try:
        return run_dyno(folder, *args)
    finally:
        del os.environ["MEET"]


def agree(folder: Path, notes: Path, *args: str) -> Run:
    plain = run_pytest(folder, *args)
    for note in notes.iterdir():
        note.unlink()
    dyno = run_dyno(folder, *args)
    assert dyno.outcomes == plain.outcomes, dyno.text
    assert dyno.code == plain.code, dyno.text
    return dyno


def test_each_file_is_imported_once_by_one_of_several_templates(folder: Path, notes: Path) -> None:
    plain = run_pytest(folder)
    for note in notes.iterdir():
        note.unlink()
    dyno = run_where_they_meet(folder)
    assert (dyno.outcomes, dyno.code) == (plain.outcomes, plain.code), dyno.text
    assert imports(notes) == sorted(map(str, range(COUNT)))
    assert templates(notes) == 2


@pytest.mark.parametrize("args", [["-n", "1"], ["--import-all"], ["-x"], ["test_3.py::test_3"]])
def test_one_template_where_order_or_errors_count(
    folder: Path, notes: Path, args: list[str]
) -> None:
    dyno = run_dyno(folder, *args)
    assert dyno.code == 0
    assert templates(notes) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conftest.py", "def pytest_collection_finish(session): pass\n"),
        ("conftest.py", "def pytest_collection_modifyitems(items): items.reverse()\n"),
        ("conftest.py", "import pytest\n@pytest.fixture(scope='package')\ndef x(): pass\n"),
        ("test_list.py", "def test_list(request): assert len(request.session.items) == 31\n"),
    ],
)
def test_one_template_where_something_looks_at_all_tests(
    folder: Path, notes: Path, name: str, text: str
) -> None:
    write_suite(folder, {name: text})
    agree(folder, notes)
    assert templates(notes) == 1


def test_one_worker_by_the_ini_file_is_one_template(folder: Path, notes: Path) -> None:
    pytest.importorskip("xdist")
    write_suite(folder, {"pytest.ini": "[pytest]\naddopts = -n 1\n"})
    dyno = run_dyno(folder)
    assert (dyno.code, templates(notes)) == (0, 1)


def test_what_a_file_does_to_others_is_done_in_each_template(folder: Path, notes: Path) -> None:
    loud = "import os, sys\nos.environ['LOUD'] = '1'\nsys.path.append('/loud')\n"
    hears = "import os, sys\ndef test_hears(): assert os.environ['LOUD'] and '/loud' in sys.path\n"
    brings = "import wave\nfrom helper import VALUE\ndef test_brings(): assert VALUE\n"
    uses = "import sys\ndef test_uses(): assert 'wave' in sys.modules and sys.modules['helper']\n"
    files = {"test_loud.py": loud + "def test_loud(): pass\n", "helper.py": "VALUE = 1\n"}
    files["test_brings.py"] = brings
    for number in range(10):
        files[f"test_hears_{number}.py"] = hears
        files[f"test_uses_{number}.py"] = uses
    write_suite(folder, files)
    agree(folder, notes)
    assert templates(notes) == 2


@pytest.mark.parametrize("args", [[], ["--continue-on-collection-errors"]])
def test_errors_of_collection_are_those_of_pytest(
    folder: Path, notes: Path, args: list[str]
) -> None:
    broken = {f"test_broken_{number}.py": f"import nowhere_{number}\n" for number in range(4)}
    skips = "import pytest\npytest.skip('not here', allow_module_level=True)\n"
    write_suite(folder, {**broken, "test_skips.py": skips})
    plain = run_pytest(folder, *args)
    dyno = agree(folder, notes, *args)
    assert dyno.closing_counts() == plain.closing_counts()
    for number in range(4):
        assert f"ERROR test_broken_{number}.py" in dyno.stdout
    # pytest remembers what could not be collected, and so does this.
    cache = Path(".pytest_cache/v/cache/lastfailed")
    failed = (folder / cache).read_text()
    (folder / cache).unlink()
    run_pytest(folder, *args)
    assert (folder / cache).read_text() == failed


def test_files_of_the_run_hold_all_tests(folder: Path, notes: Path) -> None:
    agree(folder, notes, "--junitxml", "all.xml")
    cases = ET.parse(folder / "all.xml").getroot().iter("testcase")
    assert len(list(cases)) == COUNT
    assert templates(notes) == 2
    nodes = (folder / ".pytest_cache/v/cache/nodeids").read_text()
    run_pytest(folder, "--cache-clear")
    assert (folder / ".pytest_cache/v/cache/nodeids").read_text() == nodes


def test_what_is_no_module_is_collected_once(folder: Path, notes: Path) -> None:
    write_suite(folder, {"test_text.txt": ">>> 1 + 1\n2\n"})
    plain = run_pytest(folder)
    dyno = agree(folder, notes)
    assert dyno.closing_counts() == plain.closing_counts()
    assert templates(notes) == 2


# As Hypothesis' plugin does.
LOOKS_AT_ALL = """\
def pytest_terminal_summary(terminalreporter):
    counted = [vars(one) for some in terminalreporter.stats.values() for one in some]
    terminalreporter.write_line(f"{len(counted) > 50} that all was counted")
"""


def test_counts_of_a_selection_are_those_of_pytest(folder: Path, notes: Path) -> None:
    write_suite(folder, {"conftest.py": LOOKS_AT_ALL})
    for number in range(COUNT):
        path = folder / f"test_{number}.py"
        path.write_text(f"{path.read_text()}\ndef test_other(): pass\n")
    plain = run_pytest(folder, "-k", "not other")
    dyno = agree(folder, notes, "-k", "not other")
    assert dyno.closing_counts() == plain.closing_counts()
    assert "deselected" in dyno.stdout
    assert "True that all was counted" in dyno.stdout
    assert templates(notes) == 2


def test_a_failed_test_stays_remembered_by_pytest(folder: Path, notes: Path) -> None:
    write_suite(folder, {f"test_fails_{n}.py": "def test_fails(): assert 0\n" for n in range(5)})
    agree(folder, notes)
    again = run_pytest(folder, "--lf")
    assert len(again.outcomes) == 5


def test_a_file_that_ends_the_interpreter_ends_the_run(folder: Path) -> None:
    write_suite(folder, {"test_end.py": "import os\nDONE = os._exit(7)\n"})
    dyno = run_dyno(folder)
    assert dyno.code == 3
    assert "template" in dyno.stderr + dyno.stdout
    assert dyno.outcomes == {}


def test_what_runs_at_exit_runs_in_each_template(folder: Path, notes: Path) -> None:
    at_exit = (
        "import atexit, os\n"
        f"def note(folder={str(notes)!r}, pid=os.getpid()):\n"
        "    if os.getpid() == pid: open(os.path.join(folder, f'exit.{pid}'), 'w').close()\n"
        "DONE = atexit.register(note)\n"
    )
    # In each file where they meet: of others one template may import all.
    for file in folder.glob("test_*.py"):
        file.write_text(at_exit + file.read_text())
    run_where_they_meet(folder)
    assert len(list(notes.glob("exit.*"))) == 2
