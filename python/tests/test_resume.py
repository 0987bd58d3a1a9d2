"""Runs that go on where another was cut off: --resume. Promise 5."""

from __future__ import annotations

import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from running import journal, last_start, run_dyno, run_pytest, start_dyno, write_suite

# Each test notes that it ran; one waits, as long as a file says so.
SUITE = """
import os, time, pytest

def note(name):
    with open("ran", "a") as file: file.write(f"{name}\\n")

@pytest.mark.parametrize("n", range(4))
def test_before(n): note(f"before{n}")

def test_fails():
    note("fails")
    print("said by the first run")
    assert 1 == 2

@pytest.mark.skip(reason="not here")
def test_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_expected(): assert False

@pytest.fixture
def broken(): raise RuntimeError("broken")

def test_error(broken): pass

def test_waits():
    note("waits")
    open("waiting", "w").close()
    while os.path.exists("wait"): time.sleep(0.01)

@pytest.mark.parametrize("n", range(4))
def test_after(n): note(f"after{n}")
"""


def wait_until_it_waits(folder: Path, dyno: subprocess.Popen[str]) -> None:
    """Until the journal tells that the test has begun which waits."""
    written = folder / ".dyno" / "latest" / "journal.jsonl"
    assert dyno.stdout is not None
    while not ((folder / "waiting").exists() and '::test_waits"' in last_start(written)):
        assert dyno.poll() is None, dyno.stdout.read()
        os.sched_yield()


def cut_off(folder: Path, how: int, *args: str) -> None:
    """A run that ends while its test waits."""
    write_suite(folder, {"test_a.py": SUITE})
    (folder / "wait").touch()
    dyno = start_dyno(folder, *args)
    wait_until_it_waits(folder, dyno)
    dyno.send_signal(how)
    dyno.communicate(timeout=60)
    (folder / "wait").unlink()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_cut_off_is_resumed(tmp_path: Path, how: int) -> None:
    cut_off(tmp_path, how, "-n", "1", "--junitxml=junit.xml", "-v")
    resumed = run_dyno(tmp_path, "--resume")
    expected = run_pytest(tmp_path, "--junitxml=expected.xml")
    assert resumed.code == expected.code == 1, resumed.text
    assert resumed.outcomes == expected.outcomes
    assert resumed.closing_counts() == expected.closing_counts()
    # Nothing that had come to its end was run again.
    ran = Counter((tmp_path / "ran").read_text().split())
    once = [f"before{n}" for n in range(4)] + ["fails"]
    assert all(ran[name] == 2 for name in once), ran  # Once by dyno, once by pytest.
    assert ran["waits"] == 3
    assert "is resumed, which came to the end of 8 tests" in resumed.stdout
    assert "said by the first run" in resumed.stdout
    # The command line was taken over, and plugins heard of all tests.
    assert "test_a.py::test_after[3] PASSED" in resumed.stdout
    said, wanted = (read_junit(tmp_path / name) for name in ("junit.xml", "expected.xml"))
    assert said == wanted


def read_junit(path: Path) -> dict[str | None, list[tuple[str, str | None]]]:
    cases = ET.parse(path).iter("testcase")
    return {case.get("name"): [(what.tag, what.get("type")) for what in case] for case in cases}


def test_a_run_that_came_to_its_end_has_nothing_to_resume(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": SUITE})
    first = run_dyno(tmp_path, "-n", "2")
    (tmp_path / "ran").unlink()
    again = run_dyno(tmp_path, "--resume")
    assert (again.code, again.outcomes) == (first.code, first.outcomes)
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_resumed_is_told(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": SUITE, "below/test_b.py": "def test_b(): pass\n"})
    none = run_dyno(tmp_path, "--resume")
    assert none.code == 4
    assert "no run is recorded" in none.stderr
    unknown = run_dyno(tmp_path, "--resume=20200101-000000-0000")
    assert unknown.code == 4
    run_dyno(tmp_path, "-k", "before")
    elsewhere = run_dyno(tmp_path / "below", "--resume")
    assert elsewhere.code == 4
    assert "resume it there" in elsewhere.stderr


def test_a_resumed_run_can_be_resumed(tmp_path: Path) -> None:
    cut_off(tmp_path, signal.SIGKILL, "-n", "1")
    (tmp_path / "waiting").unlink()
    (tmp_path / "wait").touch()
    dyno = start_dyno(tmp_path, "--resume")
    wait_until_it_waits(tmp_path, dyno)
    dyno.send_signal(signal.SIGKILL)
    dyno.communicate(timeout=60)
    (tmp_path / "wait").unlink()
    last = run_dyno(tmp_path, "--resume")
    assert last.outcomes == run_pytest(tmp_path).outcomes
    ran = Counter((tmp_path / "ran").read_text().split())
    assert ran["before0"] == 2
    assert [event["event"] for event in journal(tmp_path)].count("resumed") == 1
