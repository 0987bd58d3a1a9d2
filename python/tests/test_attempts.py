"""Tests that are run more than once: --retries, --repeat, --until-fail."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from running import journal, run_dyno, run_pytest, write_suite

# Passes in the attempt whose number the test names, each in a process of its own.
SUITE = """
import os, pytest
from pathlib import Path

def attempt(name):
    with open(name, "a") as file:
        file.write(f"{os.getpid()}\\n")
    return len(Path(name).read_text().split())

def test_steady(): pass

def test_second(): assert attempt("second") == 2

def test_never():
    print("said in attempt", attempt("never"))
    assert False

@pytest.fixture
def shaky():
    assert attempt("shaky") == 3

def test_fixture(shaky): pass

@pytest.fixture
def shaky_end():
    yield
    assert attempt("end") == 2

def test_end(shaky_end): pass

def test_crash():
    if attempt("crash") < 2:
        os._exit(7)

@pytest.mark.xfail
def test_expected(): assert attempt("expected") == 100

@pytest.mark.skip
def test_skipped(): pass
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_test_that_fails_is_tried_again_in_a_fresh_process(tmp_path: Path, workers: str) -> None:
    write_suite(tmp_path, {"test_a.py": SUITE})
    run = run_dyno(tmp_path, "-n", workers, "--retries=2", "--junitxml=junit.xml")
    assert run.code == 1, run.text
    flaky = ("flaky",)
    assert {test.partition("::")[2]: seen for test, seen in run.outcomes.items()} == {
        "test_steady": ("passed",),
        "test_second": ("retried", *flaky),
        "test_never": ("retried", "retried", "failed"),
        "test_fixture": ("retried", "retried", *flaky),
        "test_end": ("retried", *flaky),
        "test_crash": ("retried", *flaky),
        "test_expected": ("xfailed",),
        "test_skipped": ("skipped",),
    }
    for name, attempts in [("second", 2), ("never", 3), ("shaky", 3), ("end", 2), ("expected", 1)]:
        processes = (tmp_path / name).read_text().split()
        assert len(processes) == len(set(processes)) == attempts, name
    counts = run.closing_counts()
    assert (counts["failed"], counts["passed"], counts["flaky"]) == (1, 1, 4)
    assert "FLAKY test_a.py::test_second - passed in attempt 2" in run.stdout
    assert "attempt 1 at test_second" in run.stdout
    # The last attempt is the one that fails, and that plugins hear of.
    assert "said in attempt 3" in run.stdout.partition("= FAILURES =")[2]
    junit = (tmp_path / "junit.xml").read_text()
    assert 'tests="8"' in junit and 'failures="1"' in junit, junit


def test_a_run_whose_failures_passed_when_tried_again_is_good(tmp_path: Path) -> None:
    suite = SUITE.replace("def test_never", "def never")
    write_suite(tmp_path, {"test_a.py": suite})
    run = run_dyno(tmp_path, "--retries=2", "-x")
    assert run.code == 0, run.text
    again = run_dyno(tmp_path, "--lf", "--retries=2")
    assert "run-last-failure: no previously failed tests" in again.stdout, again.text


def test_a_run_that_stops_tells_of_the_attempts_that_were_made(tmp_path: Path) -> None:
    suite = """
import pytest
def test_fails(): assert False
def test_exits(): pytest.exit("enough")
"""
    write_suite(tmp_path, {"test_a.py": suite})
    run = run_dyno(tmp_path, "-n", "1", "--retries=3")
    assert run.outcomes["test_a.py::test_fails"][-1] == "failed", run.text
    assert run.closing_counts()["failed"] == 1


def test_rules_say_how_often_a_test_is_tried(tmp_path: Path) -> None:
    rules = """
[tool.pytest.ini_options]
[[tool.dyno.rules]]
name = "second"
retries = 1
[tool.dyno.profiles.patient]
retries = 2
"""
    suite = SUITE.replace("def test_crash", "def crash")
    write_suite(tmp_path, {"pyproject.toml": rules, "test_a.py": suite})
    (tmp_path / "pytest.ini").unlink()
    run = run_dyno(tmp_path)
    assert run.outcomes["test_a.py::test_second"] == ("retried", "flaky")
    assert run.outcomes["test_a.py::test_never"] == ("failed",)
    patient = run_dyno(tmp_path, "--profile", "patient")
    assert patient.outcomes["test_a.py::test_never"] == ("retried", "retried", "failed")
    unknown = run_dyno(tmp_path, "--profile", "hasty")
    assert unknown.code == 4
    assert 'there is no profile "hasty"' in unknown.stderr
    assert "there are: patient" in unknown.stderr


def test_repeat_runs_each_test_so_often_in_fresh_processes(tmp_path: Path) -> None:
    suite = """
import os
def note(name):
    with open(name, "a") as file: file.write(f"{os.getpid()}\\n")
    return open(name).read().count("\\n")
def test_a(): note("a")
def test_b(): assert note("b") % 4
"""
    write_suite(tmp_path, {"test_a.py": suite})
    run = run_dyno(tmp_path, "-n", "2", "--repeat=8")
    assert run.code == 1, run.text
    assert Counter(run.outcomes["test_a.py::test_a"]) == {"passed": 8}
    assert run.closing_counts()["passed"] + run.closing_counts()["failed"] == 16
    assert run.closing_counts()["failed"] >= 1
    for name in "ab":
        assert len(set((tmp_path / name).read_text().split())) == 8


def test_until_fail_goes_on_until_a_test_fails(tmp_path: Path) -> None:
    suite = """
from pathlib import Path
def test_a(): pass
def test_b():
    count = len(Path("rounds").read_text()) if Path("rounds").exists() else 0
    Path("rounds").write_text("x" * (count + 1))
    assert count < 5
"""
    write_suite(tmp_path, {"test_a.py": suite})
    run = run_dyno(tmp_path, "-n", "2", "--until-fail")
    assert run.code == 1, run.text
    assert run.outcomes["test_a.py::test_b"] == (*["passed"] * 5, "failed")
    assert (tmp_path / "rounds").read_text() == "x" * 6


@pytest.mark.parametrize("args", [["--retries=1", "--repeat=2"], ["--repeat=0"], ["--retries=x"]])
def test_what_makes_no_sense_is_refused(tmp_path: Path, args: list[str]) -> None:
    write_suite(tmp_path, {"test_a.py": "def test_a(): pass\n"})
    run = run_dyno(tmp_path, *args)
    assert run.code == 4, run.text
    assert "error" in run.stderr


ORDERED = """
import pytest
@pytest.mark.parametrize("n", range(20))
def test_n(n):
    with open("order", "a") as file: file.write(f"{n} ")
"""


def test_a_shuffled_run_is_made_again_by_its_seed(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": ORDERED})

    def order(*args: str) -> str:
        (tmp_path / "order").unlink(missing_ok=True)
        run = run_dyno(tmp_path, "-n", "1", *args)
        assert run.code == 0, run.text
        if args:
            assert "shuffled: --shuffle=" in run.stdout
        return (tmp_path / "order").read_text()

    given = order()
    assert given.split() == [str(n) for n in range(20)]
    first = order("--shuffle")
    planned = next(event for event in journal(tmp_path) if event["event"] == "planned")
    assert first != given
    assert order(f"--shuffle={planned['seed']}") == first
    assert order("--shuffle=1") != order("--shuffle=2")


@pytest.mark.parametrize("kind", ["hash", "slice"])
def test_parts_make_the_whole(tmp_path: Path, kind: str) -> None:
    files = {f"test_{name}.py": ORDERED for name in "abcde"}
    write_suite(tmp_path, files)
    whole = run_pytest(tmp_path).outcomes
    seen: Counter[str] = Counter()
    for part in (1, 2, 3):
        run = run_dyno(tmp_path, "-n", "2", f"--partition={kind}:{part}/3")
        assert run.code == 0, run.text
        assert run.closing_counts()["deselected"] == len(whole) - len(run.outcomes)
        seen.update(run.outcomes.keys())
    assert seen == Counter(whole.keys())
    again = run_dyno(tmp_path, "-n", "1", f"--partition={kind}:3/3")
    assert again.outcomes == run.outcomes
    assert run_dyno(tmp_path, "--partition=hash:4/3").code == 4


def test_the_longest_of_earlier_runs_start_first(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": ORDERED})
    run_dyno(tmp_path, "-n", "2")
    file = tmp_path / ".dyno" / "history.json"
    history = json.loads(file.read_text())
    assert len(history["tests"]) == 20
    slowest = "test_a.py::test_n[13]"
    history["tests"][slowest] = [9_000_000, 9_000_000, 0]
    file.write_text(json.dumps(history))
    (tmp_path / "order").unlink()
    run_dyno(tmp_path, "-n", "2")
    started = [event["test"] for event in journal(tmp_path) if event["event"] == "test_started"]
    assert started.index(slowest) < 2
    # An order that somebody asked for is kept.
    for args in (["-n", "1"], ["-n", "2", "--ff"]):
        (tmp_path / ".pytest_cache").mkdir(exist_ok=True)
        run_dyno(tmp_path, *args)
        started = [event["test"] for event in journal(tmp_path) if event["event"] == "test_started"]
        if args == ["-n", "1"]:
            assert started.index(slowest) == 13
    file.write_text("{")
    assert run_dyno(tmp_path, "-n", "2").code == 0
    assert len(json.loads(file.read_text())["tests"]) == 20
