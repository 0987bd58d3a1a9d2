"""What tests claim of the machine, in real workers: promise 3's beginnings."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import journal, run_dyno, write_suite

# Each notes who is inside with it.
OVERLAP = """
import os, time, pytest
from contextlib import contextmanager

@contextmanager
def inside(name):
    os.mkdir(f"in-{name}-{os.getpid()}")
    with open("seen", "a") as file:
        there = sorted(entry.split("-")[1] for entry in os.listdir() if entry.startswith("in-"))
        file.write(" ".join(there) + "\\n")
    time.sleep(0.05)  # Long enough for others to be seen, were they let in.
    yield
    os.rmdir(f"in-{name}-{os.getpid()}")

@pytest.fixture
def held(request):
    with inside(request.node.name.split("[")[0].removeprefix("test_")):
        yield

@pytest.mark.parametrize("n", range(4))
def test_token(n, held): pass

@pytest.mark.parametrize("n", range(6))
def test_plain(n, held): pass

@pytest.mark.resources(exclusive=True)
@pytest.mark.parametrize("n", range(2))
def test_alone(n, held): pass
"""

RULES = """
[tool.pytest.ini_options]
[[tool.dyno.rules]]
name = "token"
tokens = ["thing"]
[[tool.dyno.rules]]
name = "test_plain"
env = { SAID_BY_A_RULE = "yes" }
"""


def write(folder: Path, rules: str, suite: str) -> None:
    write_suite(folder, {"pyproject.toml": rules, "test_a.py": suite})
    (folder / "pytest.ini").unlink()


def test_claims_are_kept(tmp_path: Path) -> None:
    write(tmp_path, RULES, OVERLAP)
    run = run_dyno(tmp_path, "-n", "4")
    assert run.code == 0, run.text
    seen = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    assert len(seen) == 12
    assert all(there.count("token") <= 1 for there in seen), seen
    assert all(there == ["alone"] for there in seen if "alone" in there), seen


def test_more_than_there_is_counts_as_all_there_is(tmp_path: Path) -> None:
    suite = """
import pytest
@pytest.mark.resources(slots=99, memory="900 TiB", cpu=512, tokens={"gpu": 8})
def test_huge(): pass
def test_small(): pass
"""
    write(tmp_path, "[tool.pytest.ini_options]\n", suite)
    run = run_dyno(tmp_path, "-n", "2")
    assert (run.code, len(run.outcomes)) == (0, 2), run.text


def test_variables_are_set_while_the_test_runs_and_no_longer(tmp_path: Path) -> None:
    suite = """
import os
def test_before(): assert "SAID_BY_A_RULE" not in os.environ
def test_plain(): assert os.environ["SAID_BY_A_RULE"] == "yes"
def test_after(): assert "SAID_BY_A_RULE" not in os.environ
"""
    write(tmp_path, RULES, suite)
    run = run_dyno(tmp_path, "-n", "1")
    assert (run.code, len(run.outcomes)) == (0, 3), run.text


def test_the_lane_own_gives_a_test_a_process(tmp_path: Path) -> None:
    rules = "[tool.pytest.ini_options]\n[[tool.dyno.rules]]\nname = 'own'\nlane = 'own'\n"
    suite = """
import os, pytest
@pytest.mark.parametrize("n", range(3))
@pytest.mark.parametrize("kind", ["own", "shared"])
def test_n(n, kind):
    with open(kind, "a") as file: file.write(f"{os.getpid()}\\n")
"""
    write(tmp_path, rules, suite)
    run = run_dyno(tmp_path, "-n", "1")
    assert run.code == 0, run.text
    own = (tmp_path / "own").read_text().split()
    shared = (tmp_path / "shared").read_text().split()
    assert len(set(own)) == 3
    assert set(own).isdisjoint(shared)


# The second worker can only wait for the token; then nothing is left for it.
WAITING = """
import pytest

@pytest.fixture(scope="session", autouse=True)
def broken_end(worker_id):
    yield
    raise RuntimeError(f"at the end of {worker_id}")

@pytest.mark.parametrize("n", range(3))
def test_token(n): pass

def test_plain(): pass
"""


def test_a_worker_that_waited_tears_its_session_down_and_tells_of_it(tmp_path: Path) -> None:
    pytest.importorskip("xdist")  # Whose fixture `worker_id` is.
    write(tmp_path, RULES, WAITING)
    run = run_dyno(tmp_path, "-n", "2")
    # Each worker that ran a test tells of its own end, as under pytest-xdist.
    workers = {event["worker"] for event in journal(tmp_path) if event["event"] == "test_started"}
    assert run.closing_counts() == {"passed": 4, "error": len(workers)}, run.text
    assert run.code == 1


def test_auto_runs_more_workers_where_tests_mostly_wait(tmp_path: Path) -> None:
    suite = """
import time, pytest
@pytest.mark.parametrize("n", range(12))
def test_waits(n): time.sleep(0.3)
"""
    write(tmp_path, "[tool.pytest.ini_options]\n", suite)

    def planned() -> int:
        run = run_dyno(tmp_path)
        assert run.code == 0, run.text
        event = next(event for event in journal(tmp_path) if event["event"] == "planned")
        workers = event["workers"]
        assert isinstance(workers, int)
        return workers

    first = planned()
    assert planned() > first
    # A number that somebody gave is kept.
    run_dyno(tmp_path, "-n", "2")
    event = next(event for event in journal(tmp_path) if event["event"] == "planned")
    assert event["workers"] == 2
