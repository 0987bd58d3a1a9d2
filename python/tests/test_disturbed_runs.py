"""Runs that are disturbed and not killed: the terminal's keys, the disk, storms of processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

from families import PATIENCE, alive_with, wait_until
from running import (
    DYNO,
    TIMEOUT,
    Run,
    environment,
    journal,
    outcomes_of,
    run_dyno,
    start_dyno,
    write_suite,
)
from terminals import Terminal
from test_kill_matrix import LANES
from test_sealed import INI, can_be_sealed

PASSED = ("passed",)


def marked(text: str, lane: str) -> dict[str, str]:
    """A suite of one file with its tests in a lane."""
    return {
        "pytest.ini": INI,
        "test_a.py": text.replace("MARK", "@pytest.mark.e2e" if lane == "sealed" else ""),
    }


def dyno_test(*args: str) -> tuple[str, ...]:
    return DYNO, "test", "--python", sys.executable, "-n", "2", "-p", "no:cacheprovider", *args


def says_a_traceback(text: str) -> bool:
    return "Traceback" in text or "INTERNALERROR" in text


HANGS = """
import os, pathlib, signal, subprocess, time, pytest

def hang(where):
    if os.environ.get("HANGS_IN") == where:
        if "DEAF" in os.environ:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        pathlib.Path("up").touch()
        time.sleep(600)

@pytest.fixture
def server():
    hang("setup")
    yield
    pathlib.Path("torn").touch()
    hang("teardown")

def test_before(): pass

MARK
def test_hangs(server): hang("call")

MARK
def test_after(): pass
"""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("where", ["setup", "call", "teardown"])
def test_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, times: int, lane: str
) -> None:
    """Once, fixtures are torn down; twice, all ends at once. The rest can be run later."""
    mark = uuid.uuid4().hex
    write_suite(tmp_path, marked(HANGS, lane))
    with monkeypatch.context() as patch:
        patch.setenv("MARKED", mark)
        patch.setenv("HANGS_IN", where)
        if times == 2:
            patch.setenv("DEAF", "1")
        terminal = Terminal(tmp_path, *dyno_test())
    with terminal:
        wait_until("the test hangs", (tmp_path / "up").exists)
        terminal.type("\x03")
        if times == 2:
            wait_until("the first is heard", lambda: '"stopping"' in written(tmp_path))
            terminal.type("\x03")
        code, screen = terminal.end()
    assert code == 2, screen
    assert "! KeyboardInterrupt !" in screen
    assert not says_a_traceback(screen), screen
    assert (tmp_path / "torn").exists() == (where == "teardown" or (where, times) == ("call", 1))
    wait_until("all are dead", lambda: not alive_with(f"MARKED={mark}"))
    tests = [f"test_a.py::test_{name}" for name in ("before", "hangs", "after")]
    early = outcomes_of(journal(tmp_path))
    assert set(early) <= set(tests) and set(early.values()) <= {PASSED}, early
    resumed = run_dyno(tmp_path, "--resume")
    assert (resumed.code, resumed.outcomes) == (0, dict.fromkeys(tests, PASSED)), resumed.text


def written(folder: Path) -> str:
    path = folder / ".dyno" / "latest" / "journal.jsonl"
    return path.read_text() if path.exists() else ""


LIMIT = 4.0

LIMITED = """
import os, pathlib, time, pytest

MARK
def test_limited(bench):
    server = bench.process(["sleep", "1000"])
    pathlib.Path("up").touch()
    while not os.path.exists("go"):
        time.sleep(0.01)
    assert server.is_running()

MARK
def test_after(): pass
"""


@pytest.mark.parametrize("lane", LANES)
def test_ctrl_z_and_back(tmp_path: Path, lane: str) -> None:
    """What runs goes on, nothing starts, and no limit counts the time that nobody looked."""
    rule = f'[[tool.dyno.rules]]\nname = "limited"\ntimeout = "{LIMIT}s"\n'
    write_suite(tmp_path, marked(LIMITED, lane) | {"pyproject.toml": rule})
    shell = '"$0" "$@"; echo stopped with $?; read line; fg %1; echo ended with $?'
    command = dyno_test("-p", "no:timeout")
    with Terminal(tmp_path, "bash", "--norc", "-mc", shell, *command) as terminal:
        wait_until("the test is up", (tmp_path / "up").exists)
        terminal.type("\x1a")
        terminal.wait_for(f"stopped with {128 + signal.SIGTSTP}")
        # The pause itself.
        select.select([], [], [], LIMIT + 0.5)
        (tmp_path / "go").touch()
        terminal.type("\n")
        terminal.wait_for("ended with 0")
        _, screen = terminal.end()
    assert " 2 passed in " in screen
    tests = [f"test_a.py::test_{name}" for name in ("limited", "after")]
    assert outcomes_of(journal(tmp_path)) == dict.fromkeys(tests, PASSED)


# More than fits.
PRINTS = """
import pytest
@pytest.mark.parametrize("n", range(40))
def test_prints(n): print("x" * 5000)
def test_fails(tmp_path):
    (tmp_path / "file").write_text("x")
    assert False
def test_server(bench):
    server = bench.process(["sleep", "1000"])
    assert server.is_running() and server.stop() == -15
@pytest.mark.skip(reason="not here")
def test_skips(): pass
MARK
def test_other(bench): assert bench.process(["true"]).wait(30) == 0
"""


@pytest.mark.skipif(not can_be_sealed(), reason="nothing can be mounted here")
@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("when", ["before", "during"])
def test_a_full_disk_costs_the_record_and_no_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, lane: str
) -> None:
    folder, temporary = tmp_path / "suite", tmp_path / "temporary"
    temporary.mkdir()
    write_suite(folder, marked(PRINTS, lane))
    (folder / ".dyno").mkdir()
    fill = "head -c 65536 /dev/zero > .dyno/filler;" if when == "before" else ""
    shell = (
        "mount -t tmpfs -o size=64k none .dyno;"
        f'{fill} "$@" && code=0 || code=$?; ls -A .dyno/runs > ../listed; exit $code'
    )
    behind = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, "sh"]
    monkeypatch.setenv("TMPDIR", str(temporary))
    done = subprocess.run(
        [*behind, *dyno_test()],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    got = Run(done.returncode, done.stdout, done.stderr)
    assert got.code == 1, got.text
    assert got.closing_counts() == {"passed": 42, "failed": 1, "skipped": 1}, got.text
    assert not says_a_traceback(got.text), got.text
    left = (tmp_path / "listed").read_text().split()
    if when == "before":
        assert "No space left on device" in got.stderr and "this run is kept in" in got.stderr
        assert left == [], "half a run"
        assert len(list(temporary.glob("dyno-runs/.dyno/runs/*/journal.jsonl"))) == 1
    else:
        assert got.text.count("no space is left for the journal") == 1
        assert "hint: the run goes on, but what follows cannot be reported again" in got.text
        assert len(left) == 1


# Not the folders that are the /tmp of sealed tests, which these cannot do without.
REMOVES = """
import os, pathlib, shutil, pytest
def test_removes():
    shutil.rmtree(".dyno/cache", ignore_errors=True)
    (run,) = pathlib.Path(".dyno/runs").iterdir()
    shutil.rmtree(run / "logs")
    (run / "journal.jsonl").unlink()
    os.unlink(".dyno/latest")
    if not list((run / "sandboxes").glob("*")):
        shutil.rmtree(".dyno", ignore_errors=True)
def test_fails(): assert False
MARK
def test_server(bench): assert bench.process(["sleep", "1000"]).stop() == -15
MARK
def test_after(): pass
"""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_removed_folder_costs_the_record_and_no_outcome(
    tmp_path: Path, workers: str, lane: str
) -> None:
    write_suite(tmp_path, marked(REMOVES, lane))
    got = run_dyno(tmp_path, "-n", workers, "-p", "no:cacheprovider")
    assert got.code == 1, got.text
    assert got.closing_counts() == {"passed": 3, "failed": 1}, got.text
    assert "was removed while the run was on" in got.stdout
    assert "hint: this run can be neither reported nor resumed" in got.stdout
    assert not says_a_traceback(got.text), got.text
    report = subprocess.run(
        [DYNO, "report"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert report.returncode == 3
    assert report.stderr.count("No such file or directory") <= 1


# 10,000 children that nobody waits for, and as many that lose their parents.
STORMS = """
import os, subprocess, sys, time, pytest
ZOMBIES = "import os\\nfor _ in range(1000): os.fork() or os._exit(0)\\n"
ORPHANS = "import os\\nfor _ in range(1000):\\n"
ORPHANS += "  if not os.fork(): os.fork(); os._exit(0)\\n  os.wait()\\n"
COMMAND = [sys.executable, "-SEc"]

def parent_of(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])

def zombies(parent):
    found = 0
    for name in os.listdir("/proc"):
        try:
            words = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        found += words[0] == "Z" and int(words[1]) == parent
    return found

MARK
@pytest.mark.parametrize("storm", [ZOMBIES, ORPHANS], ids=["zombies", "orphans"])
def test_storm(storm, bench):
    for _ in range(10):
        subprocess.run([*COMMAND, storm], check=True)
    keeper = 1 if os.getppid() == 0 else parent_of(os.getppid())
    deadline = time.monotonic() + 60
    while zombies(keeper):
        assert time.monotonic() < deadline
        time.sleep(0.01)

MARK
def test_a_server_among_zombies(bench):
    import dyno
    code = ZOMBIES + "print('up', flush=True)\\nos.kill(os.getpid(), 19)\\nos.wait()\\n"
    server = bench.process([*COMMAND, code], ready=dyno.log("up"))
    assert len(os.listdir("/proc")) > 1000
    assert server.stop() == -15

MARK
def test_after(bench): assert bench.process(["true"]).wait(30) == 0
"""


@pytest.mark.parametrize("lane", LANES)
def test_storms_of_processes(tmp_path: Path, lane: str) -> None:
    write_suite(tmp_path, marked(STORMS, lane))
    got = run_dyno(tmp_path, "-n", "2", "-p", "no:cacheprovider")
    assert (got.code, got.closing_counts()) == (0, Counter(passed=4)), got.text
    assert "LEAKS" not in got.stdout


def test_a_killed_group_takes_the_run_along_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a supervisor kills a job: its process group, not each process."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("MARKED", mark)
    monkeypatch.setenv("HANGS_IN", "call")
    write_suite(tmp_path, marked(HANGS, "shared"))
    dyno = start_dyno(tmp_path, "-n", "2")
    wait_until("the test hangs", (tmp_path / "up").exists)
    os.killpg(dyno.pid, signal.SIGKILL)
    dyno.communicate(timeout=PATIENCE)
    wait_until("all are dead", lambda: not alive_with(f"MARKED={mark}"))
