"""Waiting for a condition, with a deadline: where tests wait, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Overdue", "eventually"]

T = TypeVar("T")

# Short against a request (about 10 ms) times ten, so that polling costs no test more than a blink,
# and long enough that it takes no processor time from the servers that it waits for.
POLL_SECONDS = 0.05


class Overdue(Exception):
    """A condition did not come true in time."""


class Clock(Protocol):
    """The two functions of `time` that waiting needs."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def eventually(
    condition: Callable[[], T],
    *,
    what: str,
    within: float = 10.0,
    clock: Clock = time,
) -> T:
    """Polls `condition` until it returns something true, and returns that.

    An exception that the condition raises ends the wait. A condition is always tried once more
    after the deadline, so that a slow machine is not mistaken for a wrong answer.

    Raises:
        Overdue: it was still false `within` seconds later; the message has `what` and the last
            value seen.
    """
    deadline = clock.monotonic() + within
    while True:
        last_try = clock.monotonic() >= deadline
        value = condition()
        if value:
            return value
        if last_try:
            raise Overdue(f"{what}: not within {within:g} s; last seen: {value!r}")
        clock.sleep(POLL_SECONDS)
