"""What becomes of what pytest's terminal reporter writes in a template, and in a worker."""

from __future__ import annotations

import enum
import io
import sys
import threading
from typing import IO

from dyno._wire import Connection

__all__ = ["LastWords", "Terminal", "Voice"]


class Voice(enum.Enum):
    """What becomes of what pytest's terminal reporter writes."""

    OUTPUT = "output"
    SUMMARY = "summary"
    SILENT = "silent"


class Terminal(io.TextIOBase):
    """The file that pytest's terminal reporter writes to: frames for the runner."""

    encoding = "utf-8"

    def __init__(self, runner: Connection) -> None:
        self.runner = runner
        self._parts: list[str] = []
        self.voice = Voice.OUTPUT

    def write(self, text: str) -> int:
        if self.voice is not Voice.SILENT:
            self._parts.append(text)
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        if self._parts and self.voice is not Voice.SILENT:
            text = "".join(self._parts).encode("utf-8", "replace").decode()
            self._parts.clear()
            self.runner.send(self.voice.value, text=text)

    def turn(self, voice: Voice) -> None:
        self.flush()
        self._parts.clear()
        self.voice = voice

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def writable(self) -> bool:
        return True


class LastWords(io.TextIOBase):
    """The same in a worker, where the reporter is silent.

    It writes from the thread that runs the tests. What another thread writes there is what
    pytest-timeout says before it ends the process: the stacks, which go to ``log``.
    """

    encoding = "utf-8"

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._main = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() != self._main:
            self._log.write(text)
        return len(text)

    def flush(self) -> None:
        if threading.get_ident() != self._main:
            self._log.flush()

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def writable(self) -> bool:
        return True
