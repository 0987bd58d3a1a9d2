"""Hears at once that a server has died, in a process that is busy with a test.

The agent sends a signal, whose handler runs in the main thread between two steps of the test,
also where that sleeps or waits for a socket. Nothing else would come through without a thread,
and a thread makes every fork of a test a warning. SIGURG is ignored by whoever has no handler
for it, so one that comes late does no harm.

What is to be done then is asked of the agent over the same connection that the test uses. So the
handler does it only where no call is on its way; a call that waits for its answer is interrupted
where that breaks nothing, and one that is in the middle of a message does it when it is done.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Alarm"]


class _Rung(BaseException):
    """Breaks a wait."""


class Alarm:
    """The alarm of one process: what rings, and what is done about it."""

    #: The signal that rings.
    signal = signal.SIGURG.value

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._before: Any = None
        self._installed = False
        # Of the main thread alone: calls that are on their way, whether one of them waits, and
        # whether the alarm has rung meanwhile.
        self._calls = 0
        self._breaks = False
        self._rung = False

    def install(self) -> bool:
        """Listen. False where somebody else does, or this is not the main thread."""
        if self._installed:
            return True
        if not _is_main() or signal.getsignal(self.signal) not in _NOBODY:
            return False
        self._before = signal.signal(self.signal, self._ring)
        self._installed = True
        return True

    def restore(self) -> None:
        """Listen no more."""
        if self._installed and _is_main() and signal.getsignal(self.signal) == self._ring:
            signal.signal(self.signal, self._before)
        self._installed = False

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """A call is on its way."""
        if not _is_main():
            yield
            return
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
        # Where the call failed, that is told, and the alarm with the next call.
        self.answer()

    def interrupts(self, wait: Callable[[], object]) -> None:
        """Wait for something, and come back at once where it rings."""
        if not _is_main():
            wait()
            return
        try:
            try:
                self._breaks = True
                # It may have rung just before.
                if not self._rung:
                    wait()
            finally:
                self._breaks = False
        except _Rung:
            pass

    def answer(self) -> None:
        """Do what is to be done, if it has rung."""
        __tracebackhide__ = True
        if self._rung and _is_main():
            self._rung = False
            self._heard()

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        self._rung = True
        if self._breaks:
            self._breaks = False
            raise _Rung
        if self._calls == 0:
            self.answer()


_NOBODY = (signal.SIG_DFL, signal.SIG_IGN, None)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
