"""A command in a terminal of its own: what it shows is read, and what it asks is answered."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from pathlib import Path
from types import TracebackType

from running import environment

# Long enough for a loaded machine; what is awaited comes within a second.
PATIENCE = 60.0

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A pseudo-terminal of 80 columns with one command as its session."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.screen = ""
        self._seen = 0
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            try:
                os.chdir(folder)
                env = environment(TERM="xterm", COLUMNS="80", PYTHON_COLORS="0")
                os.execvpe(command[0], command, env)
            finally:
                os._exit(127)

    def __enter__(self) -> Terminal:  # noqa: PYI034 - `Self` is Python 3.11's
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._end)

    def wait_for(self, text: str) -> str:
        """What came up to and with ``text``, from where the last wait ended."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.screen.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} never came:\n{self.screen}"
            assert self._read(deadline), f"{text!r} never came:\n{self.screen}"
        came = self.screen[self._seen : at + len(text)]
        self._seen = at + len(text)
        return came

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def interrupt(self, answer: str) -> None:
        """Type Ctrl-C until it is answered: one that comes between a prompt and the reading
        behind it is lost, in readline, until the next."""
        deadline = time.monotonic() + PATIENCE
        while answer not in self.screen[self._seen :]:
            assert time.monotonic() < deadline, f"no answer to Ctrl-C:\n{self.screen}"
            self.type("\x03")
            ready, _, _ = select.select([self._end], [], [], 1.0)
            if ready:
                self._read(deadline)
        self.wait_for(answer)

    def answer(self, prompt: str, text: str) -> str:
        """Wait for a prompt and type a line; returns what came before."""
        came = self.wait_for(prompt)
        self.type(text + "\n")
        return came

    def end(self) -> tuple[int, str]:
        """Wait for the command's end: its exit code and the whole screen."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status), self.screen

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more comes:\n{self.screen}"
        try:
            data = os.read(self._end, 65536)
        except OSError:
            return False
        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        self.screen = _ESCAPES.sub("", self.screen + text)
        return bool(data)
