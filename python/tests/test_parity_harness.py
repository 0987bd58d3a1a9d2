"""The parity harness tells what pytest is unsure of from what dyno gets wrong."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/parity"))

import comparison
from comparison import Collection, Run, contradicted, differences, left_aside, without
from outcomes import Outcomes


def collected(*ids: str, failed: Iterable[str] = (), code: int = 0) -> Collection:
    return Collection([comparison.Test(name, []) for name in ids], list(failed), code)


def test_what_cannot_be_imported_is_left_aside() -> None:
    theirs = collected("a.py::t", failed=["b.py", "bad"], code=2)
    ours = collected("a.py::t", "b.py::t", "bad/c.py::t", "bad2/d.py::t", code=0)
    assert differences(theirs, left_aside(theirs, ours)) == ["only dyno has bad2/d.py::t"]


def test_a_class_that_fails_is_compared() -> None:
    theirs = collected(failed=["a.py::TestX"], code=2)
    ours = collected("a.py::TestX::t", code=2)
    assert differences(theirs, left_aside(theirs, ours)) == ["only dyno has a.py::TestX::t"]


def test_what_two_collections_differ_in_is_unstable_and_nothing_else() -> None:
    one = collected("a.py::clock[1]", "a.py::set[x]", "a.py::set[y]", "a.py::t")
    other = collected("a.py::clock[2]", "a.py::set[y]", "a.py::set[x]", "a.py::t")
    unstable = contradicted(one, other)
    assert unstable == {"a.py::clock", "a.py::set"}
    assert without(one, unstable).ids == ["a.py::t"]
    assert contradicted(one, one) == set()


class Fake:
    """Gives each run's outcomes of the test `t`; a letter stands for what became of it."""

    def __init__(self, pytest: str, dyno: str, backwards: str = "", xdist: str = "") -> None:
        self.plain, self.dyno = list(pytest), list(dyno)
        self.code: int | None = None
        self.backwards, self.xdist = backwards or pytest[0], xdist or pytest[0]

    def run_pytest(self, *more: str, backwards: bool = False) -> Run:
        if backwards:
            return outcome(self.backwards)
        if more:
            return outcome(self.xdist)
        return outcome(self.plain.pop(0) if len(self.plain) > 1 else self.plain[0])

    def run_dyno(self, workers: str) -> Run:
        run = outcome(self.dyno.pop(0))
        return Run(run.phases, run.code if self.code is None else self.code)


def outcome(letter: str) -> Run:
    return Run({"t": [letter], "other": ["p"]}, 0 if letter == "p" else 1)


@pytest.mark.parametrize(
    ("fake", "workers", "differences", "unstable"),
    [
        (Fake("p", "p"), "2", 0, ""),
        (Fake("p", "f"), "2", 1, ""),
        (Fake("pf", "f"), "1", 0, "two runs of pytest differ"),
        (Fake("ppf", "f"), "1", 0, "runs of pytest differ"),
        (Fake("p", "f", backwards="f"), "2", 0, "depends on the order"),
        (Fake("p", "f", xdist="f"), "2", 0, "depends on the process"),
        # One worker runs pytest's own order: what order or process do to it is no excuse.
        (Fake("p", "f", backwards="f", xdist="f"), "1", 1, ""),
        # What pytest is sure of is told at each run that differs.
        (Fake("p", "fpf"), "2", 2, ""),
    ],
)
def test_a_test_is_unstable_only_where_pytest_contradicts_itself(
    fake: Fake, workers: str, differences: int, unstable: str
) -> None:
    found = Outcomes.of(fake, [workers], len(fake.dyno))
    assert len(found.differences) == differences
    assert found.unstable.keys() == ({"t"} if unstable else set())
    assert found.unstable.get("t", "").startswith(unstable)


@pytest.mark.parametrize(("workers", "differing"), [("2", 0), ("1", 1)])
def test_tests_of_a_file_that_meet_under_xdist_are_unstable(workers: str, differing: int) -> None:
    class Meeting(Fake):
        def run_pytest(self, *more: str, backwards: bool = False) -> Run:
            broken = "f" if "a.py" in more else "p"
            return Run({"a.py::t": ["p"], "a.py::u": [broken], "b.py::t": ["p"]}, 0)

        def run_dyno(self, workers: str) -> Run:
            return Run({"a.py::t": ["f"], "a.py::u": ["p"], "b.py::t": ["p"]}, 1)

    found = Outcomes.of(Meeting("p", "p"), [workers], 1)
    assert len(found.differences) == differing
    assert found.unstable.keys() == (set() if differing else {"a.py::t"})


def test_a_test_whose_id_is_another_each_time_is_unstable() -> None:
    clock = itertools.count()

    class Clock(Fake):
        def run_pytest(self, *more: str, backwards: bool = False) -> Run:
            return Run({f"t[{next(clock)}]": ["p"], "other": ["p"]}, 0)

        def run_dyno(self, workers: str) -> Run:
            return Run({f"t[{next(clock)}]": ["p"], "other": ["p"], "new": ["p"]}, 0)

    found = Outcomes.of(Clock("p", "p"), ["2"], 1)
    assert found.unstable.keys() == {"t[0]", "t[1]", "t[2]"}
    (difference,) = found.differences
    assert difference.startswith("outcome of new with -n 2: pytest None")


def test_exit_codes_are_compared() -> None:
    fake = Fake("p", "p")
    fake.code = 3
    (difference,) = Outcomes.of(fake, ["2"], 1).differences
    assert difference.startswith("exit code with -n 2: pytest 0, dyno 3")
