"""What becomes of what pytest's terminal reporter writes in a template."""

from __future__ import annotations

import enum
import io
import sys

from dyno._wire import Connection

__all__ = ["Terminal", "Voice"]


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
