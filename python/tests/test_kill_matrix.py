"""Whoever is killed, however: each test has an outcome, the reason is told, nothing is left.

The test that runs when it happens has started two families that will not go by themselves: each
a server that ignores SIGTERM, with a child that does too, a daemon and a stopped child. One of
the families is the bench's, the other one's own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from families import PATIENCE, alive_with, children_of, wait_until
from running import DYNO, environment, journal, outcomes_of, start_dyno, write_suite
from test_sealed import INI, can_be_sealed

sealed_only = pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")
LANES = ["shared", pytest.param("sealed", marks=sealed_only)]

SUITE = f"""
import os, pathlib, subprocess, sys, time, pytest
sys.path.insert(0, {str(Path(__file__).parent)!r})
from families import FAMILY, family_ids

def test_before(): pass

MARK
def test_hit(bench, tmp_path):
    server = bench.process(["sh", "-c", FAMILY], name="family", stop_timeout=0.1)
    with open(tmp_path / "log", "w") as log:
        own = subprocess.Popen(["sh", "-c", FAMILY], stdout=log, start_new_session=True)
    family_ids(server.log_path)
    family_ids(tmp_path / "log")
    pathlib.Path("port").write_text(str(bench.port()))
    pathlib.Path("up").touch()
    while not os.path.exists("go"):
        time.sleep(0.01)
        server.is_running()

MARK
def test_after(bench): assert bench.process(["true"]).wait(30) == 0
"""

HIT = "test_a.py::test_hit"


class Road(NamedTuple):
    """Somebody is killed, and what comes of it."""

    victim: str
    number: int
    #: Of the run.
    code: int
    #: Of the test that is hit.
    outcome: tuple[str, ...] | None
    #: What the screen tells.
    told: str
    lanes: tuple[str, ...] = ("shared", "sealed")


# Whether the kernel did it, for want of memory, is told behind "died with SIGKILL", and here may
# be so: of another process at that moment.
KILL, SEGV = signal.SIGKILL, signal.SIGSEGV
FAILED, PASSED = ("failed",), ("passed",)
ROADS = [
    Road("runner", KILL, -KILL, None, ""),
    Road(
        "keeper", KILL, 3, None, "the keeper, the process of dyno's above the template, was killed"
    ),
    Road("template", KILL, 0, PASSED, "a template, a Python process that collects and forks, was"),
    Road("template", SEGV, 0, PASSED, "was ended by SIGSEGV; another takes its place"),
    Road("worker", KILL, 1, FAILED, "died with SIGKILL"),
    Road("worker", SEGV, 1, FAILED, "died with SIGSEGV while it ran this test"),
    Road("agent", KILL, 1, ("failed", "error"), "the dyno agent is gone"),
    Road("server", KILL, 0, PASSED, ""),
    Road("holder", KILL, 1, FAILED, "died with SIGKILL", ("sealed",)),
    Road("first", KILL, 1, FAILED, "died with SIGKILL", ("sealed",)),
]


def roads() -> Iterator[object]:
    for lane in ("shared", "sealed"):
        for road in ROADS:
            if lane in road.lanes:
                name = f"{lane}-{road.victim}-{signal.Signals(road.number).name}"
                marks = [sealed_only] if lane == "sealed" else []
                yield pytest.param(lane, road, marks=marks, id=name)


def named(pid: int, word: str) -> list[int]:
    return [child for child, line in children_of(pid).items() if f" {word} " in line]


def find(victim: str, runner: int, folder: Path) -> int:
    """The process of a run in which `test_hit` is up."""
    events = journal(folder)
    (keeper,) = named(runner, "keeper")
    (template,) = [int(str(e["pid"])) for e in events if e["event"] == "template_started"]
    (hit,) = [e["worker"] for e in events if e["event"] == "test_started" and e["test"] == HIT]
    started = {e["worker"]: e["pid"] for e in events if e["event"] == "worker_started"}
    worker = int(str(started[hit]))
    match victim:
        case "runner" | "keeper" | "template" | "worker":
            return {"runner": runner, "keeper": keeper, "template": template}.get(victim, worker)
        case "agent":
            return named(worker, "agent")[0]
        case "server":
            (agent,) = named(worker, "agent")
            return next(pid for pid, line in children_of(agent).items() if "kill -STOP" in line)
    holders = {pid: line for pid, line in children_of(runner).items() if " sandbox " in line}
    (holder,) = [pid for pid, line in holders.items() if f"/sandboxes/gw{hit} " in line]
    return holder if victim == "holder" else next(iter(children_of(holder)))


def has_memory(pid: int) -> bool:
    """Whether a process lives: a dead one that nobody has buried yet has no memory."""
    try:
        return "VmSize" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def leases() -> set[str]:
    text = Path("/proc/net/unix").read_text()
    return set(re.findall(r"@dyno/port/(\d+)", text))


@pytest.mark.parametrize(("lane", "road"), list(roads()))
def test_whoever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane: str, road: Road
) -> None:
    folder, temporary = tmp_path / "suite", tmp_path / "temporary"
    temporary.mkdir()
    mark = uuid.uuid4().hex
    monkeypatch.setenv("KILL_MATRIX", mark)
    monkeypatch.setenv("TMPDIR", str(temporary))
    text = SUITE.replace("MARK", "@pytest.mark.e2e" if lane == "sealed" else "")
    write_suite(folder, {"pytest.ini": INI, "test_a.py": text})
    dyno = start_dyno(folder, "-n", "2", "-p", "no:cacheprovider")
    try:
        wait_until("the test is up", lambda: (folder / "up").exists() or dyno.poll() is not None)
        assert dyno.poll() is None, dyno.communicate()
        victim = find(road.victim, dyno.pid, folder)
        os.kill(victim, road.number)
        if road.outcome == PASSED:
            # It goes on when the victim is dead.
            wait_until("it is dead", lambda: not has_memory(victim))
            (folder / "go").touch()
        stdout, _ = dyno.communicate(timeout=PATIENCE)
    finally:
        dyno.kill()
    assert dyno.returncode == road.code, stdout
    assert road.told in stdout
    assert "Traceback" not in stdout and "INTERNALERROR" not in stdout
    got = outcomes_of(journal(folder))
    assert got.get(HIT) == road.outcome, stdout
    if road.code in (0, 1):
        assert (got["test_a.py::test_before"], got["test_a.py::test_after"]) == (PASSED, PASSED)
    else:
        report = subprocess.run(
            [DYNO, "report"], cwd=folder, env=environment(), capture_output=True, text=True
        )
        assert report.returncode == (3 if road.code == 3 else 2)
        assert HIT in report.stdout or road.code == 3
    wait_until("all are dead", lambda: not alive_with(f"KILL_MATRIX={mark}"))
    if lane == "shared":
        assert (folder / "port").read_text() not in leases()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert [path.name for path in temporary.iterdir() if "pytest-of-" not in path.name] == []
