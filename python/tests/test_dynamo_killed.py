"""Promise 4 with real servers: dyno is killed while Dynamo serves, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from families import wait_gone
from running import DYNO, environment

ROOT = Path(__file__).parents[2]

PATIENCE = 120.0


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def parents() -> dict[int, int]:
    """The parent of each process that is not a zombie."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state not in "ZX":
                found[int(entry.name)] = int(parent)
    return found


def descendants(root: int) -> set[int]:
    parent_of = parents()
    family = {root}
    while more := {pid for pid, parent in parent_of.items() if parent in family} - family:
        family |= more
    return family - {root}


@pytest.mark.timeout(2 * PATIENCE)
def test_no_process_of_dynamo_outlives_a_killed_dyno() -> None:
    dyno = subprocess.Popen(
        [DYNO, "test", "--python", sys.executable, "-n", "2", "tests/serve/test_chat.py"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        family: set[int] = set()
        while not all(
            any(name in command_of(pid) for pid in family)
            for name in ("dynamo.frontend", "dynamo.mocker")
        ):
            assert dyno.poll() is None, "the run ended before it was killed"
            assert time.monotonic() < deadline, "Dynamo never started"
            family = descendants(dyno.pid)
        family |= descendants(dyno.pid)
    finally:
        os.kill(dyno.pid, signal.SIGKILL)
        dyno.wait()
    assert len(family) > 5
    late = wait_gone(family, 30)
    assert not late, {pid: command_of(pid) for pid in late}
