"""The way behind the walls of a sandbox, which ``dyno sandbox`` has built (crates/dyno-sandbox): by
the descriptor of the first process there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dyno._children import NotStarted

__all__ = ["Passage", "Way", "go"]

_NEW_USERS = 0x10000000
_PR_SET_CHILD_SUBREAPER = 36
_CAPABILITIES_V3 = 0x20080522


class Way(NamedTuple):
    """What a process needs to `go`."""

    #: Where it says that it has arrived.
    arrival: int
    #: The first process behind the walls, and the namespaces that are not the template's, as
    #: ``setns(2)`` takes them.
    inside: int
    namespaces: int


class Passage:
    """The way of one process into a sandbox. Made by the process that is to be the parent, also
    across the walls."""

    def __init__(self, inside: int, namespaces: int) -> None:
        self._arrivals, arrival = os.pipe()
        self.way = Way(arrival, inside, namespaces)

    def through(self, start: Callable[[], int]) -> int:
        """Start a process, by a fork or otherwise, that is to `go`. Returns the id of the one
        that arrives, which is a child of this process, or in a fork, behind the walls, 0. Raises
        `NotStarted`."""
        with _adopting_orphans():
            middle = start()
            if middle == 0:
                os.close(self._arrivals)
                go(self.way)
                return 0
            os.close(self.way.arrival)
            with open(self._arrivals, "rb") as arrivals:
                told = arrivals.read().decode(errors="replace")
            os.close(self.way.inside)
            _, status = os.waitpid(middle, 0)
        if not told.isdecimal():
            why = told or "it ended on its way"
            raise NotStarted(f"it did not get into its sandbox: {why}", status)
        return int(told)


def go(way: Way) -> None:
    """Get this process, which has one thread, behind the walls. What returns is a fork of it,
    because whoever enters a namespace of processes does so by its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        pid = _go_behind_walls(libc, way.inside, way.namespaces)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(way.arrival, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    if pid:
        # Whoever is to hear it may be gone.
        with contextlib.suppress(OSError):
            os.write(way.arrival, str(pid).encode())
        os._exit(0)
    os.close(way.arrival)
    os.close(way.inside)
    if way.namespaces & _NEW_USERS and os.geteuid():
        _drop_capabilities(libc)


def _go_behind_walls(libc: ctypes.CDLL, inside: int, namespaces: int) -> int:
    """Returns as a fork does."""
    folder = os.getcwd()
    if libc.setns(inside, namespaces):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
    # A namespace of mounts is entered at its root.
    os.chdir(folder)
    return os.fork()


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
