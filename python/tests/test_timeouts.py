"""Phases that take too long: each ends, whatever the test does, and is told as it was."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from running import journal, run_dyno, start_dyno, write_suite

# Told by a signal, a test unwinds: nothing here waits for a limit of dyno's own.
HEEDS = """
import threading, time, pytest

def forever():
    while True:
        time.sleep(60)

@pytest.fixture
def slow_setup():
    forever()

@pytest.fixture
def slow_teardown():
    yield
    forever()

@pytest.fixture
def torn_down(request):
    yield
    with open("torn", "a") as file:
        file.write(request.node.name + "\\n")

@pytest.mark.timeout(1.5)
def test_setup(torn_down, slow_setup): pass

@pytest.mark.timeout(1.5)
def test_call(torn_down): forever()

@pytest.mark.timeout(1.5)
def test_teardown(torn_down, slow_teardown): pass

@pytest.mark.timeout(1.5)
def test_lock(torn_down):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

@pytest.mark.timeout(1.5)
def test_thread(torn_down):
    thread = threading.Thread(target=forever, name="the-other", daemon=True)
    thread.start()
    thread.join()

@pytest.mark.timeout(1.5)
class TestUnit:
    def test_method(self, torn_down): forever()

@pytest.mark.timeout(60)
def test_quick(torn_down): pass

def test_plain(): pass
"""


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_phase_that_takes_too_long_fails_where_it_is(tmp_path: Path, workers: str) -> None:
    write_suite(tmp_path, {"test_a.py": HEEDS})
    run = run_dyno(tmp_path, "-n", workers, "-p", "no:timeout")
    assert run.code == 1, run.text
    assert run.outcomes == {
        "test_a.py::test_setup": ("error",),
        "test_a.py::test_call": ("failed",),
        "test_a.py::test_teardown": ("passed", "error"),
        "test_a.py::test_lock": ("failed",),
        "test_a.py::test_thread": ("failed",),
        "test_a.py::TestUnit::test_method": ("failed",),
        "test_a.py::test_quick": ("passed",),
        "test_a.py::test_plain": ("passed",),
    }
    torn = (tmp_path / "torn").read_text().split()
    assert sorted(torn) == [
        *("test_call", "test_lock", "test_method", "test_quick"),
        *("test_setup", "test_teardown", "test_thread"),
    ]
    for phase in ("setup", "call", "teardown"):
        assert f"Timeout: {phase} took longer than 1.5s" in run.stdout
    # The stacks of all threads, each named.
    assert "Captured stacks call" in run.stdout
    assert "Thread the-other" in run.stdout


# These do not heed: the worker has to be ended from outside.
HEEDS_NOT = {
    "blocked signals": """
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    while True: time.sleep(60)
""",
    "swallowed": """
    while True:
        try: time.sleep(60)
        except BaseException: pass
""",
    "in C": """
    sum(range(10**15))
""",
    "another handler": """
    signal.signal(16, signal.SIG_IGN)
    while True: time.sleep(60)
""",
}


@pytest.mark.parametrize("how", HEEDS_NOT)
def test_one_that_does_not_heed_is_ended_from_outside(tmp_path: Path, how: str) -> None:
    suite = f"""
import signal, time, pytest

@pytest.mark.timeout(1.5)
def test_hangs():{HEEDS_NOT[how]}

@pytest.mark.parametrize("n", range(3))
def test_other(n): pass
"""
    write_suite(tmp_path, {"test_a.py": suite})
    run = run_dyno(tmp_path, "-n", "1", "-p", "no:timeout")
    assert run.code == 1, run.text
    assert run.outcomes.pop("test_a.py::test_hangs") == ("failed",)
    # The rest of its unit ran elsewhere.
    assert run.outcomes == {f"test_a.py::test_other[{n}]": ("passed",) for n in range(3)}
    assert "Timeout: call took longer than 1.5s, did not end when it was told to" in run.stdout
    if how in ("swallowed", "in C"):
        assert "in test_hangs" in run.stdout, run.stdout


def test_limits_come_from_rules_too_and_a_phase_has_its_own(tmp_path: Path) -> None:
    rules = """
[tool.pytest.ini_options]
markers = ["serve"]
[tool.dyno]
timeout = "60s"
[[tool.dyno.rules]]
filter = "serve"
timeout = { teardown = "300ms" }
"""
    suite = """
import time, pytest

@pytest.fixture
def hangs_at_the_end():
    yield
    while True: time.sleep(60)

@pytest.mark.serve
def test_served(hangs_at_the_end): time.sleep(0.4)

def test_other(): time.sleep(0.4)
"""
    write_suite(tmp_path, {"pyproject.toml": rules, "test_a.py": suite})
    (tmp_path / "pytest.ini").unlink()
    run = run_dyno(tmp_path, "-n", "2")
    assert run.outcomes == {
        "test_a.py::test_served": ("passed", "error"),
        "test_a.py::test_other": ("passed",),
    }
    assert "Timeout: teardown took longer than 0.3s" in run.stdout


def test_a_slow_test_is_named_while_it_runs(tmp_path: Path) -> None:
    rules = "[tool.pytest.ini_options]\n[tool.dyno]\nslow = '100ms'\n"
    suite = """
import time

def test_slow():
    deadline = time.monotonic() + 60
    while '"slow"' not in open(".dyno/latest/journal.jsonl").read():
        assert time.monotonic() < deadline
"""
    write_suite(tmp_path, {"pyproject.toml": rules, "test_a.py": suite})
    (tmp_path / "pytest.ini").unlink()
    run = run_dyno(tmp_path)
    assert run.code == 0, run.text
    assert "[gw0] test_a.py::test_slow: has taken 0.1" in run.stdout


WAITS = """
import os, time, pytest

@pytest.fixture
def torn_down():
    yield
    open("torn", "w").close()

def test_waits(torn_down):
    while True: time.sleep(60)

@pytest.mark.parametrize("n", range(3))
def test_never(n, torn_down):
    while True: time.sleep(60)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_deadline_of_the_run_stops_it_as_ctrl_c_does(tmp_path: Path, workers: str) -> None:
    write_suite(tmp_path, {"test_a.py": WAITS})
    run = run_dyno(tmp_path, "-n", workers, "--deadline=6s")
    assert run.code == 2, run.text
    assert (tmp_path / "torn").exists()
    assert "the deadline of 6.00s is over" in run.stdout
    assert "test_a.py::test_waits was running" in run.stdout
    assert run.outcomes == {}


def test_what_is_no_length_of_time_is_refused(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "def test_a(): pass\n"})
    run = run_dyno(tmp_path, "--deadline=soon")
    assert run.code == 4
    assert "expected a length of time such as `90s` or `2h`" in run.stderr


def test_ctrl_c_ends_a_test_that_may_take_longer(tmp_path: Path) -> None:
    suite = """
import time, pytest
@pytest.mark.timeout(600)
def test_waits():
    open("running", "w").close()
    while True: time.sleep(60)
"""
    write_suite(tmp_path, {"test_a.py": suite})
    dyno = start_dyno(tmp_path, "-n", "2", "-p", "no:timeout")
    assert dyno.stdout is not None
    while not (tmp_path / "running").exists():
        assert dyno.poll() is None, dyno.stdout.read()
    dyno.send_signal(signal.SIGINT)
    text, _ = dyno.communicate(timeout=60)
    assert dyno.returncode == 2, text
    assert any(event["event"] == "stopping" for event in journal(tmp_path))
