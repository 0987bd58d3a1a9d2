"""Process trees that do not go by themselves, and how to see that they went."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FAMILY", "alive", "family_ids", "wait_gone"]

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
