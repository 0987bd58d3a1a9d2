"""The way behind the walls of a sandbox.

``dyno sandbox`` builds them (crates/dyno-sandbox); a process enters by the descriptor of the
first one inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator

__all__ = ["CannotEnter", "Passage", "go"]

_NEW_USERS = 0x10000000
_PR_SET_CHILD_SUBREAPER = 36
_CAPABILITIES_V3 = 0x20080522


class CannotEnter(Exception):
    """A process could not get behind the walls that stand."""


class Passage:
    """The way of one process behind walls that stand. Made by the process that is to be the
    parent, also across the walls."""

    def __init__(self, inside: int, namespaces: int) -> None:
        #: The first process inside, and the namespaces of its own, as ``setns(2)`` takes them.
        self._inside = inside
        self._namespaces = namespaces
        self._arrivals, self._arrival = os.pipe()

    @property
    def descriptors(self) -> tuple[int, int]:
        """What a process has to inherit to `go`."""
        return self._inside, self._arrival

    @property
    def way(self) -> tuple[int, int, int]:
        """What `go` takes."""
        return (*self.descriptors, self._namespaces)

    def through(self, start: Callable[[], int]) -> int:
        """Start a process, by a fork or otherwise, that is to `go`. Returns the id of the one
        that arrives, which is a child of this process, or in a fork, behind the walls, 0."""
        with _adopting_orphans():
            middle = start()
            if middle == 0:
                os.close(self._arrivals)
                go(*self.way)
                return 0
            os.close(self._arrival)
            with open(self._arrivals, "rb") as arrivals:
                told = arrivals.read().decode(errors="replace")
            os.close(self._inside)
            os.waitpid(middle, 0)
        if not told.isdecimal():
            raise CannotEnter(told or "the process ended on its way")
        return int(told)


def go(inside: int, arrival: int, namespaces: int) -> None:
    """Get this process, which has one thread, behind the walls. What returns is a fork of it,
    because whoever enters a namespace of processes does so by its children."""
    folder = os.getcwd()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.setns(inside, namespaces):
            raise OSError(ctypes.get_errno(), "setns")
        # A namespace of mounts is entered at its root.
        os.chdir(folder)
        pid = os.fork()
    except OSError as error:
        os.write(arrival, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    if pid:
        os.write(arrival, str(pid).encode())
        os._exit(0)
    os.close(arrival)
    os.close(inside)
    if namespaces & _NEW_USERS and os.geteuid():
        _drop_capabilities(libc)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Be who one is outside: in a namespace of users of one's own one may do everything, such
    as open a file whose mode forbids it."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    libc.capset(header, none)


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Let a process whose parent ends meanwhile, across whatever wall, become a child of this
    one."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
