"""A debugger in a test: the terminal is borrowed from dyno for as long as it asks.

dyno prints, so a test has no terminal. Before pytest makes a debugger (``--pdb``,
``--trace``, ``breakpoint()``) the runner is asked for it: then all that was printed before
is on the screen, Ctrl-C is the test's, and what is typed comes to it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from dyno._pytest_streams import (
    before_debugger,
    shows_failures_in_debugger,
    suspend_capture,
)

__all__ = ["Debugger"]

_STREAMS = (0, 1, 2)

_NO_TERMINAL = (
    "a debugger needs a terminal, and this test has none: tests run side by side, or dyno "
    "runs in its terminal's background\n"
    "hint: `dyno test -n 1` lets breakpoint() ask, `dyno test --pdb` stops at failures"
)


class NoTerminal(OSError):
    """A debugger was to ask where nobody can answer."""

    def __str__(self) -> str:
        return _NO_TERMINAL


class Debugger:
    """The pytest plugin that borrows the terminal.

    ``borrow`` waits until the terminal is this process's, ``give_back`` says that it is not
    needed any more. ``show`` has what pytest's reporter writes shown in its place.
    """

    def __init__(self) -> None:
        self._saved: dict[int, int] = {}
        self._terminal: os.stat_result | None = None
        self._config: pytest.Config

    def serve(
        self,
        given: str,
        borrow: Callable[[], None],
        give_back: Callable[[], None],
        show: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        shown: Callable[[Any], None] | None = None,
    ) -> None:
        """Say what this process has: ``given`` is the wire's word for its standard input."""
        self._given = given
        self._borrow = borrow
        self._give_back = give_back
        self._show = show
        self._shown = shown

    def begin(self, config: pytest.Config) -> None:
        """Stand before every debugger from now on."""
        self._config = config
        config.add_cleanup(before_debugger(self._enter))

    def _enter(self) -> None:
        suspend_capture(self._config)
        if self._given == "shared" or self._terminal is not None:
            return
        if self._given == "none":
            if _reads_nothing():
                raise NoTerminal
            return
        for stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()  # type: ignore[union-attr]
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            raise NoTerminal from None
        self._borrow()
        self._terminal = os.fstat(terminal)
        for stream_number in _STREAMS:
            self._saved[stream_number] = os.dup(stream_number)
            os.dup2(terminal, stream_number)
        os.close(terminal)

    def leave(self) -> None:
        """Give the terminal back, if it was borrowed."""
        if self._terminal is None:
            return
        for stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()  # type: ignore[union-attr]
        for number, saved in self._saved.items():
            # Capture may have taken it in the meantime.
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(number), self._terminal):
                    os.dup2(saved, number)
            os.close(saved)
        self._saved.clear()
        self._terminal = None
        self._give_back()

    def pytest_enter_pdb(self, pdb: Any) -> None:
        # It asks again where it was told to stop, and nobody makes a new one for that.
        asks = pdb.interaction

        def interaction(*args: Any, **kwargs: Any) -> Any:
            self._enter()
            return asks(*args, **kwargs)

        pdb.interaction = interaction

    @pytest.hookimpl(trylast=True)
    def pytest_leave_pdb(self) -> None:
        self.leave()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_exception_interact(self, report: Any) -> Generator[None, object, object]:
        if not shows_failures_in_debugger(self._config):
            return (yield)
        try:
            with self._show():
                return (yield)
        finally:
            self.leave()
            if self._shown is not None and hasattr(report, "_pdbshown"):
                self._shown(report)


def _reads_nothing() -> bool:
    """Whether what a debugger reads is what dyno gave, and not what the test put there."""
    try:
        file = sys.stdin.fileno()
        return file == 0 and os.path.samestat(os.fstat(0), os.stat(os.devnull))
    except (AttributeError, OSError, ValueError):
        return False
