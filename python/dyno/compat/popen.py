"""A process of the bench with the shape of `subprocess.Popen`."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from types import TracebackType

from dyno.compat.kin import find
from dyno.fixtures.errors import BenchError, ProcessFailed, StillRunning
from dyno.fixtures.process import Process

__all__ = ["Popen"]


class Popen:
    """What a suite does with the ``proc`` of its ManagedProcess."""

    # Its output is in the log.
    stdin = None
    stdout = None
    stderr = None

    def __init__(self, process: Process) -> None:
        #: The same process as the bench has it.
        self.process = process
        #: What was run.
        self.args: Sequence[str] = list(process.command)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: returncode: {self.returncode} args: {self.args!r}>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal, ``None`` while it runs; 255 where nobody is left
        to say."""
        try:
            return self.process.returncode
        except BenchError:
            if find(self.pid) is not None:
                raise
            return 255

    def poll(self) -> int | None:
        """As `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs after ``timeout`` seconds.
        """
        ended = self.poll()
        if ended is not None:
            return ended
        try:
            return self.process.wait(float("inf") if timeout is None else timeout)
        except StillRunning:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout) from None

    def communicate(
        self,
        input: None = None,
        timeout: float | None = None,
    ) -> tuple[None, None]:
        """Wait for its end. What it has written is in the log."""
        self.wait(timeout)
        return None, None

    def send_signal(self, sig: int) -> None:
        """Send a signal to it alone; nothing where it has ended."""
        if self.poll() is None:
            try:
                self.process.signal(sig)
            except ProcessFailed:
                if self.poll() is None:
                    raise

    def terminate(self) -> None:
        """SIGTERM to it alone."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it alone."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Popen:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wait()
