"""Control groups of sealed tests: limits, accounts, and what is left of them. Promises 3 and 4."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from dyno._children import NotStarted
from dyno._walls import Passage

from families import PATIENCE, alive_with, children_of, wait_until
from running import DYNO, TIMEOUT, environment, journal, run_dyno, start_dyno, write_suite
from test_sealed import HANGS, INI, both_are_up, can_be_sealed

TREES = Path("/sys/fs/cgroup")


def groups() -> list[Path]:
    """Control groups of runs."""
    return [path for path in TREES.rglob("dyno.*") if path.is_dir()]


def groups_of(pid: int) -> list[Path]:
    """Those of a run, by the process that drives it."""
    return [path for path in groups() if path.name.split(".")[3] == str(pid)]


def has_groups() -> bool:
    """Whether memory can be limited here: by making a group, and looking."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in own:
        if "memory" in controllers.split(","):
            return os.access(TREES / "memory" / path.lstrip("/"), os.W_OK)
    passed_on = TREES / "cgroup.subtree_control"
    return passed_on.exists() and "memory" in passed_on.read_text() and os.geteuid() == 0


pytestmark = [
    pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here"),
    pytest.mark.skipif(not has_groups(), reason="no control group can be made here"),
]


@pytest.fixture(autouse=True)
def none_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    runs = {run.name for run in tmp_path.glob(".dyno/runs/*")}
    assert not [group for group in groups() if group.name.split(".")[1] in runs]


def test_who_cannot_enter_has_ended_and_says_why() -> None:
    nowhere = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(NotStarted, match="Invalid argument|Operation not permitted") as raised:
        Passage(nowhere, namespaces=0x04000000).through(os.fork)
    assert os.waitstatus_to_exitcode(raised.value.status) == 1


def test_a_sandbox_that_cannot_be_entered_costs_no_test(tmp_path: Path) -> None:
    """As where what holds it up is killed while the worker is on its way."""
    conftest = """
import os, dyno._walls
enter = dyno._walls.go
def go(way):
    try:
        open("tried", "x").close()
    except FileExistsError:
        return enter(way)
    os.write(way.arrival, b"OSError: it is gone")
    os._exit(1)
dyno._walls.go = go
"""
    text = "import pytest\n@pytest.mark.e2e\n@pytest.mark.parametrize('n', range(3))\n"
    text += "def test_a(n): pass\n"
    write_suite(tmp_path, {"pytest.ini": INI, "conftest.py": conftest, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 3}, got.text
    assert got.code == 0
    assert "it did not get into its sandbox: OSError: it is gone" in got.stdout


REACHES = """
import os, subprocess, sys, pytest
pytestmark = pytest.mark.e2e
def test_within(): bytearray(8 << 20)
def test_eats(): bytearray(1 << 30)
def test_server():
    done = subprocess.run([sys.executable, "-c", "bytearray(1 << 30)"])
    assert done.returncode == 0
def test_forks():
    started = []
    try:
        while len(started) < 50:
            started.append(subprocess.Popen(["sleep", "100"]))
    finally:
        for process in started:
            process.kill()
            process.wait()
"""

LIMITS = '[tool.dyno]\nmemory-limit = "256MiB"\nprocess-limit = 30\n'


def test_a_test_that_reaches_a_limit_is_told_so(tmp_path: Path) -> None:
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": REACHES, "pyproject.toml": LIMITS})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 1, "failed": 3}, got.text
    killed = "killed by the kernel: memory limit of 256 MiB exceeded (peak 256 MiB), 1 process"
    assert f"died with SIGKILL while it ran this test: {killed} killed\n" in got.stdout
    section = got.stdout.partition("= LIMITS REACHED =")[2].partition("short test summary")[0]
    for test in ("test_eats", "test_server"):
        assert f"test_a.py::{test}:\n  {killed} killed\n" in section
    assert "test_a.py::test_forks:\n  process limit of 30 reached: a fork failed" in section
    assert "test_within" not in section


def test_what_a_unit_used_is_an_event(tmp_path: Path) -> None:
    text = """
import subprocess, sys, pytest
BUSY = "import time\\nwhile time.process_time() < 0.5: pass"
@pytest.mark.e2e
def test_a():
    x = bytearray(b"x" * (64 << 20))
    # Nobody waits for its end, only for that of its output.
    global process
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    process.stdout.read()
def test_unsealed(): pass
"""
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 2}, got.text
    (used,) = [event for event in journal(tmp_path) if event["event"] == "used"]
    assert used["tests"] == ["test_a.py::test_a"]
    assert used["limits"] == {}
    usage = used["usage"]
    assert isinstance(usage, dict)
    assert 64 << 20 < usage["peak"] < 512 << 20
    assert usage["user_us"] + usage["system_us"] > 500_000
    assert (usage["oom_kills"], usage["refused_forks"]) == (0, 0)


@pytest.mark.parametrize("whom", ["the runner", "the holders", "all"])
def test_whoever_is_killed_no_group_is_left(tmp_path: Path, whom: str) -> None:
    name = uuid.uuid4().hex
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": HANGS % name})
    dyno = start_dyno(tmp_path, "-n", "2")
    wait_until("the tests start", lambda: both_are_up(tmp_path))
    holders = [pid for pid, line in children_of(dyno.pid).items() if " sandbox " in line]
    assert len(holders) == 2
    assert len({group.name for group in groups_of(dyno.pid)}) == 2
    # None of them may do anything about the death of another.
    victims = [dyno.pid] * (whom != "the holders") + holders * (whom != "the runner")
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for victim in victims:
            os.kill(victim, number)
    dyno.communicate(timeout=PATIENCE)
    wait_until("all are dead", lambda: not alive_with(f"LEFT={name}"))
    if whom == "all":
        assert groups_of(dyno.pid)
        write_suite(tmp_path, {"test_a.py": "import pytest\n@pytest.mark.e2e\ndef test(): pass\n"})
        assert run_dyno(tmp_path, "-n", "2").closing_counts() == {"passed": 1}
    wait_until("its groups are gone", lambda: not groups_of(dyno.pid))


# Makes all trees of control groups read-only.
FREEZE = (
    "awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts | "
    "while read place; do mount -o remount,bind,ro $place; done; "
)


def test_limits_that_cannot_be_held_are_named(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.e2e\n@pytest.mark.parametrize('n', range(3))\n"
    text += "def test_a(n): bytearray(300 << 20)\n"
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text, "pyproject.toml": LIMITS})
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", f'{FREEZE}exec "$@"']
    command = [*shell, "sh", DYNO, "test", "--python", sys.executable, "-n", "2"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    section = done.stdout.partition("= MISSING LIMITS =")[2].splitlines()[1:4]
    assert section[0].startswith("sealed tests ran without these limits")
    for line, limit in zip(section[1:], ("memory-limit", "process-limit"), strict=True):
        assert line.startswith(f"  {limit}: cannot make ") and "Read-only file system" in line


@pytest.mark.parametrize("kinds", [["pid"], ["net", "mnt", "pid", "ipc", "uts"]])
@pytest.mark.parametrize("known_by", ["its group", "its environment"])
def test_without_a_wall_of_processes_what_is_left_ends_too(
    tmp_path: Path, kinds: list[str], known_by: str
) -> None:
    """It is named, and dead before the next unit has its slot."""
    clean = "-i" if known_by == "its group" else "--"
    forbid = FREEZE if known_by == "its environment" else ""
    name = uuid.uuid4().hex
    # Of no other test that runs on this machine.
    long, longer = (f"{1000 + uuid.uuid4().int % 10**6}.{n}" for n in range(2))
    text = f"""
import os, pathlib, subprocess, pytest
pytestmark = pytest.mark.e2e
def test_leaves():
    env = {{**os.environ, "LEFT": "{name}"}}
    subprocess.Popen(["sh", "-c", "(setsid sleep {long} &)"], env=env, start_new_session=True)
    subprocess.Popen(["env", "{clean}", "sh", "-c", "trap '' TERM; sleep {longer}"])
def test_after():
    lines = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(line.startswith((b"sleep\\0{long}", b"sleep\\0{longer}")) for line in lines)
"""
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    forbid += "".join(f"echo 0 > /proc/sys/user/max_{kind}_namespaces; " for kind in kinds)
    # One at a time and in order.
    rule = "[tool.dyno]\ntokens = { one = 1 }\n[[tool.dyno.rules]]\ntokens = ['one']\n"
    (tmp_path / "pyproject.toml").write_text(rule)
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", f'{forbid}exec "$@"']
    command = [*shell, "sh", DYNO, "test", "--python", sys.executable, "-n", "2"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISSING WALLS" in done.stdout
    leaks = done.stdout.partition("= LEAKS =")[2]
    assert "test_a.py::test_leaves:\n" in leaks
    assert f"still ran, and was killed: sleep {long}\n" in leaks
    assert alive_with(f"LEFT={name}") == []
