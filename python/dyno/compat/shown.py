"""Shows what a process writes on this process's own standard output.

By a child that follows the log: a thread would make each fork of a test a warning, and the agent
has no hold of this process's output.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["Shown", "followers"]

_PROGRAM = Path(__file__).with_name("follow.py")

# How long it may take to show what is left.
_GOODBYE = 10.0

# Those that run, by their ids.
_running: set[int] = set()


def followers() -> frozenset[int]:
    """The ids of all children that show something."""
    return frozenset(_running)


class Shown:
    """One log that is being shown."""

    def __init__(self, log: Path, prefix: str) -> None:
        for stream in (sys.stdout, sys.stderr):
            # What this process said before comes before.
            if stream is not None and not stream.closed:
                stream.flush()
        command = [sys.executable, "-I", "-S", os.fspath(_PROGRAM), os.fspath(log)]
        self._owner = os.getpid()
        self._child = subprocess.Popen(
            [*command, prefix, str(self._owner)], stdin=subprocess.PIPE, stdout=1
        )
        _running.add(self._child.pid)

    def finish(self) -> None:
        """Show what is left, and no more."""
        child = self._child
        assert child.stdin is not None
        child.stdin.close()
        if os.getpid() != self._owner:
            return
        try:
            child.wait(_GOODBYE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        _running.discard(child.pid)
