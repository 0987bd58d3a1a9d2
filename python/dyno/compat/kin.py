"""The processes of this machine, and which of them may be ended by their name.

Those that this session's agents have started may, and behind the walls of a sandbox all but the
test and what serves it. Nobody else: a name says nothing about whose a process is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kin", "end_trees", "find", "is_sealed", "look", "own_and_strangers"]

# Between two looks at processes that are to end.
_LOOK = 0.02

# How long killed processes may take to be gone, as the agent gives its own.
_MOST_WAIT = 10.0

# The kernel keeps so much of a program's name.
_COMM = 15


@dataclass(frozen=True)
class Kin:
    """One process, as psutil shows it: the part of that which suites use."""

    pid: int
    parent: int
    #: When it started, in ticks: with its id it is the process, by itself it may be another.
    start: int
    comm: str

    def name(self) -> str:
        """Its program's name."""
        words = self.cmdline()
        name = os.path.basename(words[0]) if words else ""
        # The kernel cuts it, the command has the whole.
        return name if len(self.comm) == _COMM and name.startswith(self.comm) else self.comm

    def cmdline(self) -> list[str]:
        """Its command; empty where it has ended."""
        try:
            raw = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(word) for word in raw.split(b"\0")[:-1]]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        now = find(self.pid)
        return now is not None and now.start == self.start

    def children(self, recursive: bool = False) -> list[Kin]:
        """Its children, or all that descend from it."""
        everyone = look()
        if recursive:
            return _below(everyone, {self.pid})
        return [one for one in everyone if one.parent == self.pid]

    def send_signal(self, sig: int) -> None:
        """Send it a signal; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.is_running():
                    signal.pidfd_send_signal(handle, sig)
            finally:
                os.close(handle)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end.

        Raises:
            TimeoutError: it runs after ``timeout`` seconds.
        """
        if _await_end([self], float("inf") if timeout is None else timeout):
            raise TimeoutError(f"process {self.pid} runs after {timeout} s")


def look() -> list[Kin]:
    """All processes that run, as far as they can be seen."""
    ids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [one for one in map(find, ids) if one is not None]


def find(pid: int) -> Kin | None:
    """A process; ``None`` where there is none, or only what its parent has not yet asked for."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name may have any character, parentheses and spaces too.
    head, _, rest = text.rpartition(")")
    words = rest.split()
    if words[0] in "ZX":
        return None
    return Kin(pid, int(words[1]), int(words[19]), head.partition("(")[2])


def is_sealed() -> bool:
    """Whether this process is behind a wall of a sandbox that hides all other processes."""
    try:
        words = Path("/proc/1/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[1:3] == [b"sandbox", b"--lifeline"]


def own_and_strangers(
    found: Iterable[Kin], agents: set[int], helpers: Iterable[int]
) -> tuple[list[Kin], list[Kin]]:
    """Of those, the ones that may be ended, and the ones that somebody else has started. The test,
    what it descends from, its agents and its helpers are neither."""
    everyone = look()
    # The first process of a sandbox is no ancestor of a test that has come in from outside.
    spared = {1, os.getpid(), *agents, *helpers}
    parents = {one.pid: one.parent for one in everyone}
    up = os.getppid()
    while up > 0 and up not in spared:
        spared.add(up)
        up = parents.get(up, 0)
    below = {one.pid for one in _below(everyone, agents)}
    sealed = is_sealed()
    left = [one for one in found if one.pid not in spared]
    own = [one for one in left if sealed or one.pid in below]
    return own, [one for one in left if one not in own]


def end_trees(roots: Iterable[Kin], grace: float) -> None:
    """SIGTERM to processes and all that descend from them, SIGKILL to who is left after ``grace``
    seconds."""
    roots = list(roots)
    family = [*roots, *_below(look(), {one.pid for one in roots})]
    if grace > 0:
        for one in family:
            one.terminate()
        _await_end(family, grace)
    # Stopped first, so that none of them starts another, or goes on without another, meanwhile.
    stopped: set[Kin] = set()
    left = {one for one in family if one.is_running()}
    while new := {*left, *_below(look(), {one.pid for one in left | stopped})} - stopped:
        for one in new:
            one.send_signal(signal.SIGSTOP)
        stopped |= new
    for one in stopped:
        one.kill()
    _await_end(list(stopped), _MOST_WAIT)


def _await_end(processes: list[Kin], timeout: float) -> list[Kin]:
    deadline = time.monotonic() + timeout
    while left := [one for one in processes if one.is_running()]:
        if time.monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    return left


def _below(everyone: list[Kin], roots: set[int]) -> list[Kin]:
    found: list[Kin] = []
    known = set(roots)
    while more := [one for one in everyone if one.parent in known and one.pid not in known]:
        found += more
        known |= {one.pid for one in more}
    return found
