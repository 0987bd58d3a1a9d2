"""Workers that a template has started: one descriptor each, which is readable once it ended."""

from __future__ import annotations

import contextlib
import os
from typing import Any

__all__ = ["Children", "Gate", "NotStarted", "let_go"]


class NotStarted(Exception):
    """A worker was not started, or did not arrive where it was to go.

    ``status`` is that with which it ended, as `os.waitpid` gives it.
    """

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Gate:
    """Holds a fork back until its parent has told of it.

    A worker that speaks before anybody has heard whose process it is could not be ended, nor
    its end be told, if the parent died just then.
    """

    def __init__(self) -> None:
        self._waits, self._opens = os.pipe()

    def wait(self) -> None:
        """In the fork: end where the parent dies before."""
        os.close(self._opens)
        is_open = os.read(self._waits, 1)
        os.close(self._waits)
        if not is_open:
            os._exit(1)

    def open(self) -> None:
        """In the parent: let the fork go on, if there is one."""
        os.close(self._waits)
        with contextlib.suppress(OSError):
            os.write(self._opens, b"g")
        os.close(self._opens)

    def shut(self) -> None:
        """In the parent: nobody is to go on."""
        os.close(self._waits)
        os.close(self._opens)


def let_go(*descriptors: int) -> None:
    """Close what a worker has now."""
    for descriptor in descriptors:
        os.close(descriptor)


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
