#!/usr/bin/env python3
"""Compares dyno with pytest on one checkout: `checkout.py PATH [pytest arguments]`.

What pytest collects is recorded by a plugin of this harness (`recording.py`), so that the
comparison rests on nothing of dyno's; `dyno collect --verify` is asked besides.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Checkout", "Collection", "differences", "outcomes"]

HERE = Path(__file__).resolve().parent
TIME_LIMIT = 900.0


@dataclass(frozen=True)
class Checkout:
    """A tree of tests, and the commands that are compared on it."""

    path: Path
    python: Path
    dyno: Path
    args: tuple[str, ...] = ()

    def _run(self, command: Sequence[str | Path], **variables: str) -> tuple[str, str, int, float]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        }
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        search = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        environment |= {"PATH": path, "PYTHONPATH": search, "NO_COLOR": "1", **variables}
        environment.pop("VIRTUAL_ENV", None)
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout, done.stderr, done.returncode, time.monotonic() - started

    def pytest(self, more: Sequence[str] = ()) -> Collection:
        """What pytest collects."""
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "record")
            command: list[str | Path] = [
                self.python,
                "-m",
                "pytest",
                "--collect-only",
                "-qq",
                "-p",
                "recording",
            ]
            out, err, code, seconds = self._run(
                [*command, *self.args, *more], RECORD_TO=str(record)
            )
            if not record.exists():
                return Collection(code=code, seconds=seconds, said=out + err)
            text = record.read_text(encoding="utf-8", errors="surrogatepass")
        *lines, last = text.splitlines()
        items = [json.loads(line) for line in lines]
        end = json.loads(last)
        places = [place for place in end["order"] if place is not None]
        tests = [_test(items[place]) for place in places]
        return Collection(tests, end["failed"], code, seconds, out + err)

    def dyno_collect(self, more: Sequence[str] = ()) -> Collection:
        """What dyno says that pytest collects."""
        command: list[str | Path] = [self.dyno, "collect", "--json", "--python", self.python]
        out, err, code, seconds = self._run([*command, *self.args, *more])
        try:
            told = json.loads(out)
        except ValueError:
            return Collection(code=code, seconds=seconds, said=out[-2000:] + err)
        tests = [_test(test) for test in told["tests"]]
        text = {file["id"] for file in told["files"] if file["source"] == "text"}
        settled = sum(test.id.partition("::")[0] in text for test in tests)
        return Collection(tests, told.get("errors", []), code, seconds, err, settled)

    def verify(self) -> tuple[str, int]:
        """The last line of `dyno collect --verify`, and its exit code."""
        command: list[str | Path] = [self.dyno, "collect", "--verify", "--python", self.python]
        out, err, code, _ = self._run([*command, *self.args])
        lines = [line for line in (err + out).splitlines() if line.strip()]
        return (lines[-1] if lines else ""), code

    def outcomes(self, command: Sequence[str | Path]) -> dict[str, list[str]]:
        """What became of each test under this command."""
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "outcomes")
            self._run(
                [*command, "-p", "recording", "-p", "no:cacheprovider", *self.args],
                RECORD_OUTCOMES=str(record),
            )
            if not record.exists():
                return {}
            told: dict[str, list[str]] = json.loads(record.read_text(encoding="utf-8"))
            return told

    def forget(self) -> None:
        """Removes what dyno remembers of the checkout."""
        shutil.rmtree(self.path / ".dyno", ignore_errors=True)


@dataclass(frozen=True)
class Test:
    """A test as either side tells of it."""

    id: str
    markers: list[tuple[str, list[str | None], list[tuple[str, str | None]]]]


@dataclass
class Collection:
    """A collection, in order."""

    tests: list[Test] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)
    code: int = 0
    seconds: float = 0.0
    said: str = ""
    settled: int = 0

    @property
    def ids(self) -> list[str]:
        """Node ids, in order."""
        return [test.id for test in self.tests]


def _test(told: dict[str, Any]) -> Test:
    markers = [
        (
            marker["name"],
            list(marker.get("args", [])),
            [(argument["name"], argument["value"]) for argument in marker.get("kwargs", [])],
        )
        for marker in told.get("markers", [])
    ]
    return Test(told["id"], markers)


def differences(theirs: Collection, ours: Collection) -> list[str]:
    """Each difference, with both sides."""
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
        found.append(
            f"exit code: pytest {theirs.code}, dyno {ours.code}: {ours.said.strip()[-300:]}"
        )
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


def outcomes(checkout: Checkout, workers: Sequence[str]) -> list[str]:
    """Differences of outcome between pytest and dyno with each number of workers."""
    expected = checkout.outcomes([checkout.python, "-m", "pytest"])
    found = [] if expected else ["pytest ran nothing"]
    for number in workers:
        got = checkout.outcomes([checkout.dyno, "test", "-n", number])
        found += [
            f"outcome of {test} with -n {number}: pytest {expected.get(test)}, dyno {got.get(test)}"
            for test in sorted(expected.keys() | got.keys())
            if expected.get(test) != got.get(test)
        ]
    return found


def main() -> int:
    """Compares one checkout and prints what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--dyno", type=Path, default=Path(shutil.which("dyno") or "dyno"))
    parser.add_argument("--outcomes", action="store_true", help="run the tests too")
    options, args = parser.parse_known_args()
    # Not resolved: a virtual environment's Python is a link.
    python = Path(os.path.abspath(options.python))
    checkout = Checkout(options.path.resolve(), python, options.dyno, tuple(args))
    checkout.forget()
    theirs, cold = checkout.pytest(), checkout.dyno_collect()
    warm = checkout.dyno_collect()
    found = differences(theirs, cold)
    found += [f"warm: {difference}" for difference in differences(cold, warm)]
    if options.outcomes:
        found += outcomes(checkout, ["1", "auto"])
    for difference in found:
        print(difference)
    print(checkout.verify()[0])
    print(
        f"{len(theirs.tests)} tests, {cold.settled} settled by the text, {len(found)} differences; "
        f"pytest {theirs.seconds:.2f} s, dyno {cold.seconds:.2f} s cold, {warm.seconds:.2f} s warm"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
