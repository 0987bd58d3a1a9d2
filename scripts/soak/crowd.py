"""The processes of a run: who is there, what each is, and how to strike one."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Crowd", "Process", "adopt_orphans", "bury", "strike", "wait_for_one"]

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """One process, as `/proc` had it."""

    pid: int
    parent: int
    started: str
    state: str
    command: tuple[str, ...]

    @property
    def is_dead(self) -> bool:
        return self.state in "ZX"

    def __str__(self) -> str:
        return f"{self.pid} ({self.state}, parent {self.parent}) {' '.join(self.command)[:200]}"


def adopt_orphans() -> None:
    """Become a subreaper: whatever a run leaves falls to this process."""
    import ctypes

    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("cannot become a subreaper")


def bury(spare: int | None = None) -> None:
    """Reap all dead children but ``spare``, whose exit somebody else wants."""
    look = os.WEXITED | os.WNOHANG
    with contextlib.suppress(ChildProcessError):
        for pid in _children():
            if pid != spare:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, look)


def _children() -> list[int]:
    own = os.getpid()
    return [process.pid for process in Crowd.look().members.values() if process.parent == own]


class Crowd:
    """All processes of this machine at one moment."""

    def __init__(self, members: dict[int, Process]) -> None:
        self.members = members
        self._below: dict[int, list[int]] = {}
        for process in members.values():
            self._below.setdefault(process.parent, []).append(process.pid)

    @classmethod
    def look(cls) -> Crowd:
        found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
        return cls({process.pid: process for process in found if process})

    def below(self, pid: int) -> list[Process]:
        """All descendants."""
        found: list[Process] = []
        todo = list(self._below.get(pid, ()))
        while todo:
            pid = todo.pop()
            found.append(self.members[pid])
            todo += self._below.get(pid, ())
        return found

    def kinds(self, runner: int, workers: Iterable[int]) -> dict[str, list[Process]]:
        """The living processes of a run by what they are. ``workers`` are those known so far."""
        known = set(workers)
        by_kind: dict[str, list[Process]] = {}
        for process in [*self._one(runner), *self.below(runner)]:
            if not process.is_dead:
                by_kind.setdefault(self._kind(process, runner, known), []).append(process)
        return by_kind

    def _one(self, pid: int) -> list[Process]:
        return [self.members[pid]] if pid in self.members else []

    def _kind(self, process: Process, runner: int, workers: set[int]) -> str:
        if process.pid == runner:
            return "runner"
        if process.pid in workers:
            return "worker"
        role = process.command[1] if len(process.command) > 1 else ""
        parent = self.members.get(process.parent)
        if role in ("keeper", "agent"):
            return role
        if role == "sandbox":
            return "holder" if process.parent == runner else "first"
        if "dyno.template" in process.command or "dyno.fresh" in process.command:
            above = parent.command[1] if parent and len(parent.command) > 1 else ""
            # Forked, and not told of yet; or a sibling.
            return "template" if above == "keeper" else "fork"
        return "server"

    def sandbox_of(self, process: Process) -> str | None:
        """The worker for which a holder or a first process was started."""
        found = re.search(r"/sandboxes/(gw\d+)", " ".join(process.command))
        return found[1] if found else None

    def worker_of(self, process: Process) -> str | None:
        """The worker that started a server or an agent."""
        for variable in environment(process.pid):
            name, _, value = variable.partition("=")
            if name == "PYTEST_XDIST_WORKER":
                return value
        return None

    def ancestors(self, process: Process) -> list[int]:
        found = []
        while process.parent in self.members:
            process = self.members[process.parent]
            found.append(process.pid)
        return found


def read(pid: int) -> Process | None:
    folder = Path("/proc", str(pid))
    try:
        stat = (folder / "stat").read_text(errors="replace")
        command = (folder / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None
    name, _, rest = stat.rpartition(")")
    words = rest.split()
    spoken = tuple(command.rstrip("\0").split("\0")) if command else (name.partition("(")[2],)
    return Process(pid, int(words[1]), words[19], words[0], spoken)


def environment(pid: int) -> list[str]:
    """The variables that it was started with, as far as they may be read."""
    try:
        text = Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return []
    return text.decode(errors="replace").split("\0")


def strike(process: Process, number: int) -> bool:
    """Send a signal to exactly this process. Says whether it was there."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        now = read(process.pid)
        if now is None or now.started != process.started or now.is_dead:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def wait_for_one(processes: list[Process], deadline: float) -> None:
    """Wait until one of them has ended, and no longer than a moment: others may come."""
    try:
        pidfd = os.pidfd_open(processes[0].pid)
    except ProcessLookupError:
        return
    moment = min(0.05, max(0.0, deadline - time.monotonic()))
    select.select([pidfd], [], [], moment)
    os.close(pidfd)
