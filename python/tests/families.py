"""Process trees that do not go by themselves, and how to see that they went."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = [
    "FAMILY",
    "PATIENCE",
    "alive",
    "alive_with",
    "children_of",
    "family_ids",
    "wait_gone",
    "wait_until",
]

# Enough for a slow machine; what is waited for comes within milliseconds.
PATIENCE = 60.0

# A family that will not go by itself. It says the ids of: itself; a child that ignores
# SIGTERM; a daemon that left the session and was orphaned; a stopped child.
FAMILY = """
trap '' TERM
echo $$
sh -c 'trap "" TERM; echo $$; exec sleep 1000' &
(setsid sh -c 'echo $$; exec sleep 1000' &)
sh -c 'echo $$; kill -STOP $$; exec sleep 1000' &
wait
"""


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait for processes to end; those that did not in time."""
    deadline = time.monotonic() + seconds
    late = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                late.append(pid)
        finally:
            os.close(fd)
    return late


def family_ids(log: Path) -> list[int]:
    """The ids of a whole `FAMILY`, once all four have spoken."""
    deadline = time.monotonic() + 30
    while len(ids := [int(line) for line in log.read_text().splitlines()]) < 4:
        assert time.monotonic() < deadline, f"only {ids} have started"
        time.sleep(0.01)
    return ids


def alive_with(variable: str) -> list[int]:
    """Processes that were started with this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # It has ended, or is nobody's business.
        if variable.encode() in environ:
            found.append(int(folder.name))
    return found


def wait_until(what: str, holds: Callable[[], object]) -> None:
    """Wait until ``holds()``."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        os.sched_yield()


def children_of(pid: int) -> dict[int, str]:
    """Its child processes, by id, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if parent == pid:
            found[int(folder.name)] = line
    return found
