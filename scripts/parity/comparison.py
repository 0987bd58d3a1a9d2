"""In what two collections, or the outcomes of two runs, differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = [
    "Collection",
    "Run",
    "Test",
    "contradicted",
    "differences",
    "differing",
    "left_aside",
    "without",
]


@dataclass(frozen=True)
class Test:
    """A test as either side tells of it."""

    id: str
    markers: list[tuple[str, list[str | None], list[tuple[str, str | None]]]]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Test:
        """The test that a record or a document tells of."""
        markers = [
            (
                marker["name"],
                list(marker.get("args", [])),
                [(argument["name"], argument["value"]) for argument in marker.get("kwargs", [])],
            )
            for marker in told.get("markers", [])
        ]
        return cls(told["id"], markers)

    @property
    def file(self) -> str:
        """The file that its id begins with."""
        return self.id.partition("::")[0]

    @property
    def function(self) -> str:
        """Its id without parameters."""
        return self.id.partition("[")[0]


@dataclass
class Collection:
    """A collection, in order."""

    tests: list[Test] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """The nodes that could not be collected."""
    code: int = 0
    seconds: float = 0.0
    said: str = ""
    settled: int = 0
    """How many of the tests dyno knows from their text."""

    @property
    def ids(self) -> list[str]:
        """Node ids, in order."""
        return [test.id for test in self.tests]


@dataclass(frozen=True)
class Run:
    """What became of each test: its phases, sorted; and the exit code."""

    phases: dict[str, list[str]]
    code: int
    said: str = ""


def left_aside(theirs: Collection, ours: Collection) -> Collection:
    """Ours without the tests of files and folders that pytest could not collect.

    dyno lists them from their text, as its documentation says; pytest cannot confirm them.
    A class that pytest cannot collect is no such thing: its file was imported.
    """
    broken = [node for node in theirs.failed if "::" not in node]
    if not broken:
        return ours
    tests = [test for test in ours.tests if not any(_holds(node, test.file) for node in broken)]
    # The exit codes tell of the errors, not of the tests.
    return replace(ours, tests=tests, code=theirs.code)


def _holds(node: str, file: str) -> bool:
    return node in ("", ".", file) or file.startswith(f"{node}/")


def contradicted(one: Collection, other: Collection) -> set[str]:
    """The functions of whose tests two collections of pytest's tell differently.

    Ids, order or markers that depend on a clock, on chance, or on the order of a set.
    """
    found = set((Counter(one.ids) - Counter(other.ids)).elements())
    found |= set((Counter(other.ids) - Counter(one.ids)).elements())
    functions = {test.partition("[")[0] for test in found}
    left = without(one, functions).tests, without(other, functions).tests
    for mine, theirs in zip(*left, strict=True):
        if mine.id != theirs.id:
            functions |= {mine.function, theirs.function}
        elif not _same_markers(mine, theirs):
            functions.add(mine.function)
    return functions


def without(collection: Collection, functions: set[str]) -> Collection:
    """The collection without the tests of these functions."""
    tests = [test for test in collection.tests if test.function not in functions]
    return replace(collection, tests=tests)


def differences(theirs: Collection, ours: Collection) -> list[str]:
    """Each difference in ids, order, markers and exit code, with both sides."""
    found = []
    expected, got = Counter(theirs.ids), Counter(ours.ids)
    found += [f"only pytest has {test}" for test in (expected - got).elements()]
    found += [f"only dyno has {test}" for test in (got - expected).elements()]
    if not found and theirs.ids != ours.ids:
        place, (one, other) = next(
            (place, pair)
            for place, pair in enumerate(zip(theirs.ids, ours.ids, strict=True))
            if pair[0] != pair[1]
        )
        found.append(f"order, from place {place}: pytest has {one}, dyno has {other}")
    if theirs.code != ours.code:
        said = ours.said.strip()[-300:]
        found.append(f"exit code: pytest {theirs.code}, dyno {ours.code}: {said}")
    if theirs.ids == ours.ids:
        for test, its in zip(theirs.tests, ours.tests, strict=True):
            if not _same_markers(test, its):
                found.append(
                    f"markers of {test.id}\n    pytest: {test.markers}\n    dyno:   {its.markers}"
                )
    return found


def _same_markers(one: Test, other: Test) -> bool:
    def same(theirs: str | None, ours: str | None) -> bool:
        return ours is None or theirs == ours

    return len(one.markers) == len(other.markers) and all(
        name == its_name
        and len(args) == len(its_args)
        and all(map(same, args, its_args))
        and [key for key, _ in kwargs] == [key for key, _ in its_kwargs]
        and all(same(value, its) for (_, value), (_, its) in zip(kwargs, its_kwargs, strict=True))
        for (name, args, kwargs), (its_name, its_args, its_kwargs) in zip(
            one.markers, other.markers, strict=True
        )
    )


def differing(one: Run, other: Run, among: Iterable[str] | None = None) -> list[str]:
    """The tests whose phases differ between two runs, sorted."""
    tests: Sequence[str] | set[str] = (
        one.phases.keys() | other.phases.keys() if among is None else list(among)
    )
    return sorted(test for test in tests if one.phases.get(test) != other.phases.get(test))
