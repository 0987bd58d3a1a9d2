"""What a worker leaves for whoever finds it dead."""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
from pathlib import Path
from typing import IO, NoReturn

from dyno._wire import Connection, Disconnected

__all__ = ["Remains", "leave_word"]


def leave_word(name: str, text: str) -> None:
    """Say, in its place, why a worker ended that could not say so itself."""
    if folder := os.environ.get("DYNO_RUN_DIR"):
        path = Path(folder, "logs", f"{name}.crash").absolute()
        with contextlib.suppress(OSError), path.open("a") as file:
            file.write(f"{text}\n")


class Remains:
    """Files of a worker in the run's folder: its last stacks, and the phase that it was in."""

    def __init__(self, name: str) -> None:
        #: Where a fatal signal writes the stacks, if it does.
        self.stacks: IO[str] | None = None
        self._path: Path | None = None
        self._phase: mmap.mmap | None = None
        if folder := os.environ.get("DYNO_RUN_DIR"):
            # A disk that is full costs the report of a crash its stacks, and the tests nothing.
            with contextlib.suppress(OSError):
                self._begin(Path(folder, "logs", f"{name}.crash").absolute())

    def _begin(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        stacks = path.open("w")
        if faulthandler.is_enabled():
            self.stacks = stacks
            faulthandler.enable(file=stacks)
        else:
            stacks.close()
        with path.with_suffix(".phase").open("wb+") as noted:
            noted.write(b"s\0")
            noted.flush()
            self._phase = mmap.mmap(noted.fileno(), 2)

    def beside(self, kind: str) -> Path | None:
        """Where this worker's file of another kind goes, if the run keeps files."""
        return self._path and self._path.with_suffix(f".{kind}")

    def note_start(self) -> None:
        """Note that one more test begins, with its setup: which one, the runner may not have
        heard when it finds this."""
        if self._phase is not None:
            self._phase[1] = (self._phase[1] + 1) % 256
        self.note_phase("setup")

    def note_phase(self, phase: str) -> None:
        """Note which phase of a test begins: to say so would cost more than most phases."""
        if self._phase is not None:
            self._phase[0] = ord(phase[0])

    def end(self) -> None:
        """Its session has ended in order."""
        if self.stacks is not None and faulthandler.is_enabled():
            faulthandler.enable()
            self.stacks.close()

    def give_up(self, runner: Connection, error: OSError | Disconnected) -> NoReturn:
        """End: the runner is gone, and with it everything that this worker could do.

        Where a test closed the socket, the runner will find word of it where a crash would
        have left its stacks.
        """
        cause = error.__cause__ or error
        if self._path is not None and not runner.is_intact():
            text = (
                f"its connection to dyno is gone: {cause}\n"
                "hint: something closed or replaced file descriptors that it had not opened "
                "(os.closerange, os.dup2)\n"
            )
            with contextlib.suppress(OSError):
                os.write(os.open(self._path, os.O_WRONLY | os.O_APPEND), text.encode())
        os._exit(1)
