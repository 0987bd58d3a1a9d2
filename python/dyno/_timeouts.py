"""Ends a phase of a test that takes too long, from within.

The runner has the clock and sends a signal. Its handler raises in the test, as `pytest.fail`
does, so fixtures are torn down and pytest reports the place; the stacks of all threads go with
the report. `faulthandler` writes them to a file besides, at once and in C, for a process that
never comes back to Python: then the runner ends it and reads them there.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import IO, Any

import _pytest
import pluggy
import pytest

from dyno._wire import Connection

__all__ = ["Timeouts", "is_of_pytest"]

#: `dyno_wire::worker::TOO_LONG`: SIGSTKFLT, which Python names since 3.11.
TOO_LONG = 16


class Timeouts:
    """The plugin of one worker. ``limits`` are those of the test that runs."""

    def __init__(self, runner: Connection, stacks: Path | None) -> None:
        self._runner = runner
        self._file: IO[str] | None = None
        self.limits: dict[str, int | None] = {}
        self._item: pytest.Item
        self._phase = ""
        self._began = 0.0
        self._limit: float | None = None
        self._told = False
        self._before: Any = signal.signal(TOO_LONG, self._too_long)
        if stacks is not None:
            self._file = stacks.open("w")
            faulthandler.register(TOO_LONG, file=self._file, all_threads=True, chain=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "teardown"))

    def _limited(
        self,
        item: pytest.Item,
        phase: str,
        clock: Callable[[], float] = time.monotonic,  # Held: tests replace the clock.
    ) -> Generator[None, object, object]:
        limit = self.limits.get(phase)
        if limit is None:
            return (yield)
        # Before the runner's clock for it starts: else its signal could seem to come early.
        self._item, self._phase, self._began = item, phase, clock()
        self._limit = limit / 1e6
        self._runner.send("phase", phase=phase)
        try:
            return (yield)
        finally:
            self._limit = None
            if self._told:
                self._forget_stacks()

    def _too_long(
        self, _number: int, frame: FrameType | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        __tracebackhide__ = True
        limit = self._limit
        # It may come late, in a phase that has just begun.
        if limit is None or clock() - self._began < limit:
            return
        self._limit = None
        self._told = True
        self._item.add_report_section(self._phase, "stacks", _stacks(frame))
        pytest.fail(f"Timeout: {self._phase} took longer than {limit:g}s")

    def _forget_stacks(self) -> None:
        """The test came back: what is in the file is in its report."""
        self._told = False
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if self._file is not None:
            faulthandler.unregister(TOO_LONG)
            self._file.close()
        signal.signal(TOO_LONG, self._before)


def _stacks(interrupted: FrameType | None) -> str:
    """Where each thread is; of this one, which was interrupted there, below pytest's frames."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    texts = []
    for ident, frame in sys._current_frames().items():
        is_own = ident == threading.get_ident()
        stack = traceback.extract_stack(interrupted if is_own else frame)
        if is_own:
            last = max((at for at, entry in enumerate(stack) if is_of_pytest(entry)), default=-1)
            stack = traceback.StackSummary.from_list(stack[last + 1 :])
        place = "".join(stack.format())
        texts.append(f"Thread {names.get(ident, 'of unknown name')} ({ident}):\n{place}")
    return "\n".join(texts)


_RUNNERS = tuple(
    f"{Path(file).parent}{os.sep}" for file in (_pytest.__file__, pluggy.__file__, __file__)
)


def is_of_pytest(entry: traceback.FrameSummary) -> bool:
    """Whether it is a frame of what runs tests, not of a test."""
    return entry.filename.startswith(_RUNNERS)
