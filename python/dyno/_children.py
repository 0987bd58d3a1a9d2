"""Workers that a template has started: one descriptor each, which is readable once it ended."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Children"]


class Children:
    """Those that have not been seen to end."""

    def __init__(self) -> None:
        self._started: dict[int, tuple[int, int]] = {}

    def add(self, number: int, pid: int) -> int:
        """Look after a worker. Returns its descriptor."""
        descriptor = os.pidfd_open(pid)
        self._started[descriptor] = (number, pid)
        return descriptor

    def reap(self, descriptor: int) -> dict[str, Any]:
        """How one ended, as the runner is told (`FromTemplate::WorkerExited`)."""
        number, pid = self._started.pop(descriptor)
        os.close(descriptor)
        _, status, usage = os.wait4(pid, 0)
        # KiB on Linux.
        return {"worker": number, "status": status, "peak_kib": usage.ru_maxrss}

    def forget(self) -> None:
        """Let go of them, in a process that has not started them."""
        for descriptor in self._started:
            os.close(descriptor)
        self._started.clear()
