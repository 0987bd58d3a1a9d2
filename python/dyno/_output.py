"""A worker's standard output and error: pipes that the runner reads.

What nothing captures goes into them, from Python, from C and from child processes. Marks
between the texts say before which message each stands (``dyno_wire::template::Output``).

What is needed while a test's patches are in force is held from the start.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from select import poll as _poll
from typing import Any

import pytest

from dyno import _pytest_private as private
from dyno._pytest_streams import live_log

__all__ = ["Output"]

_write, _getpid, _dup2 = os.write, os.getpid, os.dup2
_POLLOUT = 4


class Output:
    """The worker's ends of its pipes: one for both streams, or one for each."""

    def __init__(self, pipes: list[int], settings: dict[str, Any]) -> None:
        self._pipes = pipes
        self._control: str = settings["control"]
        self._number = 0
        self._streams = [stream for stream in (sys.__stdout__, sys.__stderr__) if stream]
        # A child that a test forks has the pipes, too, and no messages.
        self._pid = os.getpid()
        self._marks: bool = settings["marks"] != "none"
        self.marks_reports: bool = settings["marks"] == "reports"
        self.input: str = settings["input"]

    def begin(self) -> None:
        """Put the pipes in the place of the standard streams."""
        for stream in self._streams:
            # Python buffers whole blocks where it began without a terminal.
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.reconfigure(line_buffering=True)
        _dup2(self._pipes[0], 1)
        _dup2(self._pipes[-1], 2)

    def flush(self) -> None:
        """Let go of lines that are not whole."""
        for stream in self._streams:
            # A test may have closed it.
            with contextlib.suppress(OSError, ValueError):
                stream.flush()

    def mark(self) -> None:
        """Say that what was printed up to here stands before the next message."""
        if not self._marks or _getpid() != self._pid:
            return
        self.flush()
        self._number += 1
        mark = self._word(str(self._number))
        for pipe in self._pipes:
            _write_all(pipe, mark)

    def _word(self, word: str) -> bytes:
        return f"\0{self._control} {word}\0".encode()

    def log(self, text: str) -> None:
        """Print a text of pytest's live log."""
        self.flush()
        body = text.encode("utf-8", "replace")
        _write_all(self._pipes[0], self._word("log") + body + self._word("end"))

    @contextlib.contextmanager
    def shows_reporter(self, config: pytest.Config) -> Iterator[None]:
        """Print what pytest's terminal reporter writes meanwhile."""
        before = private.redirect_terminal(config, _Reporter(self))
        try:
            yield
        finally:
            if before is not None:
                private.redirect_terminal(config, before)

    def take_live_log(self, config: pytest.Config) -> None:
        """Let pytest's live log come here. Its reporter is silent."""
        handler = live_log(config)
        if handler is not None:
            handler.setStream(LiveLog(self, config))


class _Reporter(io.TextIOBase):
    """What pytest's terminal reporter writes to where it is heard."""

    encoding = "utf-8"

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.log(text)
        return len(text)

    def writable(self) -> bool:
        return True


class LiveLog:
    """What pytest's live log writes to in place of the terminal reporter."""

    def __init__(self, output: Output, config: pytest.Config) -> None:
        self._output = output
        self._config = config

    def write(self, text: str, **_markup: bool) -> None:
        # Empty lines set it off from the names of tests, which are not beside it where
        # every line has a prefix.
        if self._output.marks_reports or text.strip():
            self._output.log(text)

    def section(self, title: str, sep: str = "=", **markup: bool) -> None:
        if self._output.marks_reports:
            self._output.log(private.separator(self._config, title, sep, **markup))

    def flush(self) -> None:
        """Nothing is held back."""


def _write_all(pipe: int, data: bytes) -> None:
    while data:
        try:
            data = data[_write(pipe, data) :]
        except BlockingIOError:
            # A test has made its standard output non-blocking, and so this.
            waiting = _poll()
            waiting.register(pipe, _POLLOUT)
            waiting.poll()
        except OSError:
            return  # Nobody reads it any more.
