"""Waiting ends when the condition holds, or at the deadline; on a clock that no test waits for."""

from __future__ import annotations

import pytest
from dyno.dynamo.waiting import Overdue, eventually


class FakeClock:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def test_true_at_once_takes_no_time() -> None:
    clock = FakeClock()

    assert eventually(lambda: "value", what="anything", clock=clock) == "value"
    assert clock.now == 0.0


def test_true_later_is_seen_when_it_is_true() -> None:
    clock = FakeClock()

    eventually(lambda: clock.now >= 3.0, what="three seconds pass", within=10, clock=clock)
    assert 3.0 <= clock.now < 3.5


def test_never_true_is_overdue_at_the_deadline() -> None:
    clock = FakeClock()

    with pytest.raises(Overdue, match=r"pigs fly: not within 10 s; last seen: 0"):
        eventually(lambda: 0, what="pigs fly", within=10, clock=clock)
    assert 10.0 <= clock.now < 10.5


def test_condition_is_tried_once_after_the_deadline() -> None:
    clock = FakeClock()

    def slow() -> bool:
        clock.now += 60
        return clock.now > 100

    assert eventually(slow, what="the slow machine answers", within=10, clock=clock)
