"""Texts that are longer than a report can carry: head and tail stay, the whole is in a file.

A test may print a hundred megabytes, or fail with an assertion on as many. pytest keeps it
all in memory; here it would travel to the runner, into the journal and to the template,
once for every phase that follows. What is not longer than `MOST` is pytest's, to the byte.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from types import MethodType
from typing import IO, Any

import pytest

from dyno._pytest_streams import captures

__all__ = ["MOST", "Wholes", "shorten", "shortened"]

# Characters of one section of a report. Ten thousand lines of a hundred characters: more than
# anybody reads, and little enough that a report of six sections, encoded twice, is 20 MB.
MOST = 1 << 20
# What stays at either end of what is longer.
_END = 128 * 1024

_CHUNK = 1 << 20


def shorten(text: str, file: Path | None = None) -> str:
    """The text, or its head and tail with a line between that names ``file``."""
    if len(text) <= MOST:
        return text
    return _join(text[:_END], text[-_END:], len(text), "characters", file)


def shortened(data: Any) -> Any:
    """Data of plain types with every text in it shortened, and every long list of texts."""
    if isinstance(data, str):
        return shorten(data)
    if isinstance(data, dict):
        return {key: shortened(value) for key, value in data.items()}
    if isinstance(data, tuple):
        return tuple(shortened(value) for value in data)
    if isinstance(data, list):
        if sum(len(text) for text in data if isinstance(text, str)) > MOST:
            return shorten("\n".join(map(str, data))).split("\n")
        return [shortened(value) for value in data]
    return data


def _join(head: str, tail: str, length: int, unit: str, file: Path | None) -> str:
    # Whole lines where there are lines.
    if "\n" in head:
        head = head[: head.rindex("\n") + 1]
    if "\n" in tail[:-1]:
        tail = tail[tail.index("\n") + 1 :]
    left_out = length - len(head) - len(tail)
    whole = f"the whole is in {file}" if file else "the whole is not kept"
    line = f"[dyno: about {left_out:,} {unit} left out; {whole}]\n"
    return head + ("" if head.endswith("\n") else "\n") + line + tail


class Wholes:
    """The files that hold the whole of long texts, in the run's folder."""

    def __init__(self, name: str) -> None:
        folder = os.environ.get("DYNO_RUN_DIR")
        self._folder = Path(folder) / "captured" if folder else None
        self._name = name
        self._count = 0
        self._last: tuple[str, str, str] | None = None

    def bound_capture(self, config: pytest.Config) -> None:
        """Let pytest's capture read no more into memory than a report carries."""
        for capture in captures(config):
            file = getattr(capture, "tmpfile", None)
            if isinstance(getattr(file, "buffer", None), io.BytesIO):
                # `--capture=sys` keeps the text in memory.
                io.TextIOWrapper.__init__(
                    file,  # type: ignore[arg-type]
                    _Spool(),
                    encoding="UTF-8",
                    newline="",
                    write_through=True,
                )
            if file is not None:
                capture.snap = MethodType(self._snap, (capture.snap, file))

    def _snap(self, capture: tuple[Any, Any]) -> str:
        snap, file = capture
        source: IO[bytes] | None = (
            file.buffer.spilled if isinstance(file.buffer, _Spool) else file.buffer
        )
        size = 0 if source is None else os.fstat(source.fileno()).st_size
        if source is not None and not size:
            return ""
        if source is None or size <= MOST:
            text: str = snap()
            return text
        kept = self._copy(source)
        head = os.pread(source.fileno(), _END, 0).decode("utf-8", "replace")
        tail = os.pread(source.fileno(), _END, size - _END).decode("utf-8", "replace")
        file.seek(0)
        file.truncate()
        return _join(head, tail, size, "bytes", kept)

    def _copy(self, source: IO[bytes]) -> Path | None:
        file = self._next_file()
        if file is None:
            return None
        try:
            with file.open("wb") as to:
                at = 0
                while chunk := os.pread(source.fileno(), _CHUNK, at):
                    to.write(chunk)
                    at += len(chunk)
        except OSError:
            _forget(file)
            return None
        return file

    def _next_file(self) -> Path | None:
        if self._folder is None:
            return None
        self._count += 1
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError:
            return None
        return self._folder / f"{self._name}-{self._count}.txt"

    def shorten(self, text: str) -> str:
        """The text, or its head and tail and the name of a file that has the whole."""
        return text if len(text) <= MOST else shorten(text, self.keep(text))

    def keep(self, text: str) -> Path | None:
        """Write a text to a file of its own."""
        file = self._next_file()
        if file is None:
            return None
        try:
            file.write_text(text, "utf-8", "backslashreplace", newline="")
        except OSError:
            _forget(file)
            return None
        return file

    def shorten_sections(self, item_report: Any) -> None:
        """Shorten a report's sections. Those of a test's earlier phases come again."""
        for index, (title, text) in enumerate(item_report.sections):
            if isinstance(text, str) and len(text) > MOST:
                known = self._last
                if known is None or known[:2] != (f"{item_report.nodeid} {title}", text):
                    known = (f"{item_report.nodeid} {title}", text, self.shorten(text))
                    self._last = known
                item_report.sections[index] = (title, known[2])


def _forget(file: Path) -> None:
    # A part would pass for the whole.
    with contextlib.suppress(OSError):
        file.unlink()


class _Spool(io.BytesIO):
    """Bytes in memory that go to a file when they become many."""

    spilled: IO[bytes] | None = None

    def write(self, data: Any) -> int:
        if self.spilled is None:
            if super().tell() + len(data) <= MOST:
                return super().write(data)
            self.spilled = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept open
            self.spilled.write(super().getvalue())
            super().seek(0)
            super().truncate()
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.spilled.write(rest) :]
        return len(data)

    def getvalue(self) -> bytes:
        if self.spilled is None:
            return super().getvalue()
        size = os.fstat(self.spilled.fileno()).st_size
        return os.pread(self.spilled.fileno(), size, 0)

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) if self.spilled is None else self.spilled.read(size or -1)

    def tell(self) -> int:
        return super().tell() if self.spilled is None else self.spilled.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self.spilled is None:
            return super().seek(offset, whence)
        return self.spilled.seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        if self.spilled is None:
            return super().truncate(size)
        length = self.spilled.truncate(size)
        if length == 0:
            self.spilled.close()
            self.spilled = None
            super().seek(0)
        return length
