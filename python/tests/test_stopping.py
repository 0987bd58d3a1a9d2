"""Runs that stop early: -x, signals, and death. Promises 4 and 5."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from families import wait_gone
from running import DYNO, environment, journal, run_dyno, run_pytest, start_dyno, write_suite

# Enough for a slow machine; what is waited for comes within milliseconds.
PATIENCE = 60.0

MANY = "import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_n(n): assert n != 3\n"

# Every test after the one that fails ends when the runner has taken the failure in.
MANY_THAT_WAIT = """
import os, time, pytest
@pytest.mark.parametrize('n', range(20))
def test_n(n):
    assert n != 3
    deadline = time.monotonic() + 60
    while n > 3 and '"stopping"' not in open('.dyno/latest/journal.jsonl').read():
        assert time.monotonic() < deadline
        os.sched_yield()
"""


def wait_for(path: Path) -> str:
    """The content of a file that a test writes, once it is there and whole."""
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"{path} never came"
        os.sched_yield()
    return path.read_text()


@pytest.mark.parametrize("args", [["-x"], ["--maxfail=1"], ["--exitfirst"]])
def test_the_first_failure_stops_the_run(tmp_path: Path, args: list[str]) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, {"test_a.py": MANY})
    expected = run_pytest(folder, *args)
    got = run_dyno(folder, "-n", "1", *args)
    assert (got.code, got.outcomes) == (expected.code, expected.outcomes) == (1, got.outcomes)
    assert "stopping after 1 failures" in got.stdout
    write_suite(folder, {"test_a.py": MANY_THAT_WAIT})
    parallel = run_dyno(folder, "-n", "3", *args)
    assert parallel.code == 1
    # Three before it, itself, and two that were running beside it.
    assert len(parallel.outcomes) <= 6, parallel.text


def test_pytest_exit_ends_the_run_with_its_code(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "import pytest\ndef test_a(): pytest.exit('enough', 9)\n"})
    for workers in ("1", "2"):
        got = run_dyno(tmp_path, "-n", workers)
        assert got.code == 9, got.text
        assert "enough" in got.stdout


HANGS = """
import os, subprocess, sys, time, pytest

@pytest.fixture
def tidy():
    yield
    with open({torn!r}, "w") as file: file.write("torn down\\n")

def test_before(): pass

def test_hangs(tidy):
    daemon = (
        "import os, sys, time\\n"
        "if os.fork(): os._exit(0)\\n"
        "os.setsid()\\n"
        "if os.fork(): os._exit(0)\\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()) + chr(10))\\n"
        "time.sleep(600)\\n"
    )
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    subprocess.Popen([sys.executable, "-c", daemon, {daemon!r}])
    while not os.path.exists({daemon!r}): time.sleep(0.01)
    with open({started!r}, "w") as file: file.write(f"{{os.getpid()}} {{child.pid}}\\n")
    time.sleep(600)

def test_after(): pass
"""


def hanging_suite(folder: Path) -> tuple[Path, Path, Path]:
    started, torn, daemon = (folder / name for name in ("started", "torn", "daemon"))
    text = HANGS.format(started=str(started), torn=str(torn), daemon=str(daemon))
    write_suite(folder, {"test_hang.py": text})
    return started, torn, daemon


def pids_of(started: Path, daemon: Path) -> list[int]:
    return [int(pid) for pid in (wait_for(started) + wait_for(daemon)).split()]


def assert_all_gone(pids: list[int]) -> None:
    assert wait_gone(pids, 5) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_dyno_leaves_no_process_and_its_journal_tells_what_ran(
    tmp_path: Path, workers: str
) -> None:
    started, _, daemon = hanging_suite(tmp_path)
    dyno = start_dyno(tmp_path, "-n", workers)
    pids = pids_of(started, daemon)
    os.kill(dyno.pid, signal.SIGKILL)
    dyno.wait()
    assert_all_gone(pids)
    events = [event["event"] for event in journal(tmp_path)]
    assert "run_finished" not in events
    report = subprocess.run(
        [DYNO, "report"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert report.returncode == 2
    assert "test_hang.py::test_hangs" in report.stdout and "cut off" in report.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_tears_down_and_reports(tmp_path: Path, number: int) -> None:
    started, torn, daemon = hanging_suite(tmp_path)
    dyno = start_dyno(tmp_path, "-n", "2")
    pids = pids_of(started, daemon)
    os.kill(dyno.pid, number)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2, stdout
    assert wait_for(torn) == "torn down\n"
    assert "KeyboardInterrupt" in stdout or "Interrupted" in stdout
    assert_all_gone(pids)


BREAKS = """
import time, pytest

@pytest.fixture
def breaks():
    yield
    raise RuntimeError("broken")

def test_hangs(breaks):
    with open({started!r}, "w") as file: file.write("1\\n")
    time.sleep(600)
"""


def test_what_fails_as_an_interrupted_run_is_torn_down_is_told(tmp_path: Path) -> None:
    started = tmp_path / "started"
    write_suite(tmp_path, {"test_breaks.py": BREAKS.format(started=str(started))})
    dyno = start_dyno(tmp_path, "-n", "1")
    wait_for(started)
    dyno.send_signal(signal.SIGINT)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2, stdout
    assert "RuntimeError: broken" in stdout and 'raise RuntimeError("broken")' in stdout
    assert "pluggy/_" not in stdout


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "test_a.py": (
                "import signal, time\n"
                "def test_deaf():\n"
                "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                f"    with open({str(tmp_path / 'started')!r}, 'w') as f: f.write('1\\n')\n"
                "    time.sleep(600)\n"
            )
        },
    )
    dyno = start_dyno(tmp_path)
    wait_for(tmp_path / "started")
    os.kill(dyno.pid, signal.SIGINT)
    # The first one is taken in when the journal says so.
    while not any(event["event"] == "stopping" for event in journal(tmp_path)):
        os.sched_yield()
    os.kill(dyno.pid, signal.SIGINT)
    dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2


def test_a_signal_while_collecting(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "test_a.py": (
                "import time\n"
                f"with open({str(tmp_path / 'started')!r}, 'w') as f: f.write('1\\n')\n"
                "time.sleep(600)\n"
            )
        },
    )
    dyno = start_dyno(tmp_path)
    wait_for(tmp_path / "started")
    os.kill(dyno.pid, signal.SIGINT)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2, stdout
    assert "KeyboardInterrupt" in stdout


def test_a_signal_while_pytest_is_loaded(tmp_path: Path) -> None:
    started = str(tmp_path / "started")
    plugin = f"import time\nwith open({started!r}, 'w') as f: f.write('1\\n')\ntime.sleep(600)\n"
    write_suite(tmp_path, {"conftest.py": plugin, "test_a.py": "def test_a(): pass\n"})
    dyno = start_dyno(tmp_path)
    wait_for(tmp_path / "started")
    os.kill(dyno.pid, signal.SIGINT)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2, stdout
    assert "dyno: interrupted while pytest was loaded: no test was run" in stdout
    assert "Traceback" not in stdout
