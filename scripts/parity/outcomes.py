"""Outcomes under dyno and under pytest, and which tests pytest itself is not sure of.

A test is *unstable* when pytest contradicts itself about it: two of its runs differ, or, which
counts only against more than one worker, a run in the opposite order or one by pytest-xdist
with as many workers differs from them. Which of the tests that share a folder or a port meet is
chance, so of those it is enough that pytest-xdist breaks a test of the same file. Where dyno's
one worker runs pytest's own order, none of this but two runs that differ is an excuse. Every
unstable test is told, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from comparison import Run, differing

__all__ = ["Outcomes"]

# A test that fails one time in three shows itself in two runs with a chance of 44 %, in five
# with 86 %. The further three are made only where dyno differs.
FURTHER_RUNS = 3


class Runs(Protocol):
    """What can be run: a checkout."""

    def run_pytest(self, *more: str, backwards: bool = False) -> Run:
        """By pytest."""

    def run_dyno(self, workers: str) -> Run:
        """By dyno."""


@dataclass
class Outcomes:
    """What came of comparing."""

    tests: int = 0
    runs: int = 0
    """How many runs of dyno's were compared."""
    differences: list[str] = field(default_factory=list)
    unstable: dict[str, str] = field(default_factory=dict)
    """Test, and how pytest contradicts itself about it."""
    renamed: set[str] = field(default_factory=set)
    """Functions of whose tests the ids are others each time."""

    @classmethod
    def of(cls, checkout: Runs, workers: Sequence[str], times: int) -> Outcomes:
        """Runs pytest twice, dyno `times` times with each number of workers, and compares."""
        first, second = checkout.run_pytest(), checkout.run_pytest()
        self = cls(tests=len(first.phases))
        if not first.phases:
            self.differences.append(f"pytest ran nothing: {first.said.strip()[-500:]}")
            return self
        self.unstable = dict.fromkeys(differing(first, second), "two runs of pytest differ")
        self.renamed = {_function(test) for test in first.phases.keys() ^ second.phases.keys()}
        peers = _Peers(checkout, first)
        for number in workers:
            for _ in range(times):
                self.runs += 1
                self._compare(first, checkout.run_dyno(number), number, peers)
        return self

    def _compare(self, expected: Run, got: Run, number: str, peers: _Peers) -> None:
        for test in got.phases.keys() ^ expected.phases.keys():
            if _function(test) in self.renamed:
                self.unstable.setdefault(test, "two runs of pytest give it other ids")
        left = [test for test in differing(expected, got) if test not in self.unstable]
        for why, run in peers.ways(number):
            if not left:
                break
            its = run()
            contradicted = set(differing(expected, its, its.phases.keys() & set(left)))
            self.unstable |= dict.fromkeys(sorted(contradicted), why)
            left = [test for test in left if test not in contradicted]
        if left and number != "1":
            meeting = peers.meeting(number, sorted({_file(test) for test in left}))
            why = f"meets others outside the process: pytest-xdist -n {number} breaks its file too"
            self.unstable |= {test: why for test in left if _file(test) in meeting}
            left = [test for test in left if _file(test) not in meeting]
        self.differences += [
            f"outcome of {test} with -n {number}: "
            f"pytest {expected.phases.get(test)}, dyno {got.phases.get(test)}"
            for test in left
        ]
        if expected.code != got.code and not self.unstable and not left:
            said = got.said.strip()[-500:]
            self.differences.append(
                f"exit code with -n {number}: pytest {expected.code}, dyno {got.code}: {said}"
            )


def _function(test: str) -> str:
    return test.partition("[")[0]


def _file(test: str) -> str:
    return test.partition("::")[0]


class _Peers:
    """Further runs without dyno, each made when it is first asked for."""

    def __init__(self, checkout: Runs, first: Run) -> None:
        self._checkout = checkout
        self._first = first
        self._made: dict[str, Run] = {}

    def ways(self, workers: str) -> list[tuple[str, Callable[[], Run]]]:
        """The ways in which pytest may contradict itself, and the run that shows it."""
        again: list[tuple[str, Callable[[], Run]]] = [
            ("runs of pytest differ", self._once(f"again {number}", self._checkout.run_pytest))
            for number in range(FURTHER_RUNS)
        ]
        if workers == "1":
            return again

        def backwards() -> Run:
            return self._checkout.run_pytest(backwards=True)

        def by_xdist() -> Run:
            return self._checkout.run_pytest("-n", workers)

        order = "depends on the order: pytest backwards differs"
        process = f"depends on the process: pytest-xdist -n {workers} differs"
        # Who meets whom is chance there.
        by_chance = [
            (process, self._once(f"xdist {workers} {number}", by_xdist))
            for number in range(FURTHER_RUNS)
        ]
        return [(order, self._once("backwards", backwards)), *by_chance, *again]

    def meeting(self, workers: str, files: Sequence[str]) -> set[str]:
        """The files that pytest-xdist breaks when it runs these alone.

        Tests that share a folder or a port meet by chance, and others each time.
        """
        found = set()
        for _ in range(FURTHER_RUNS):
            its = self._checkout.run_pytest("-n", workers, *files)
            found |= {_file(test) for test in differing(self._first, its, its.phases.keys())}
        return found & set(files)

    def _once(self, name: str, run: Callable[[], Run]) -> Callable[[], Run]:
        def made() -> Run:
            if name not in self._made:
                self._made[name] = run()
                # A run that came to nothing contradicts nothing.
                if not self._made[name].phases:
                    self._made[name] = self._first
            return self._made[name]

        return made
