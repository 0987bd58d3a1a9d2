"""The siblings of a template: how they are forked, and waited for."""

from __future__ import annotations

import os
import select
import socket
import sys
import warnings

from dyno._wire import Connection

__all__ = ["Siblings", "fork"]

# How long, in seconds, what runs at exit in a sibling may take.
_GRACE = 10.0


def fork() -> int:
    """Fork this process, with nothing left to write in both."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python 3.12 and newer warn of threads, and a suite may make that an error.
        warnings.simplefilter("ignore")
        return os.fork()


class Siblings:
    """Those that the runner offers sockets for. None is left of them in a sibling."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._pidfds: list[int] = []

    def offer(self, runner: Connection, count: int) -> None:
        """Take the sockets of ``count`` siblings, which the runner sends one by one."""
        for _ in range(count):
            runner.receive()
            self._sockets.append(socket.socket(fileno=runner.take_descriptor()))

    def decline(self) -> None:
        """Fork none."""
        for end in self._sockets:
            end.close()
        self._sockets.clear()

    def fork(self) -> socket.socket | None:
        """Fork them all. Returns, in a sibling, its socket."""
        ends, self._sockets = self._sockets, []
        for end in ends:
            pid = fork()
            if pid == 0:
                for other in ends:
                    if other is not end:
                        other.close()
                for pidfd in self._pidfds:
                    os.close(pidfd)
                self._pidfds.clear()
                return end
            self._pidfds.append(os.pidfd_open(pid))
        for end in ends:
            end.close()
        return None

    def wait(self) -> None:
        """Wait until they have ended. What runs at their exit must not hold the run."""
        for pidfd in self._pidfds:
            select.select([pidfd], [], [], _GRACE)
            os.close(pidfd)
        self._pidfds.clear()
