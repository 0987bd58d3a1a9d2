#!/usr/bin/env python3
"""Compares dyno with pytest on one checkout: `checkout.py PATH [pytest arguments]`.

What pytest collects is recorded by a plugin of this harness (`recording.py`), so that the
comparison rests on nothing of dyno's; `dyno collect --verify` is asked besides.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison import Collection, Run, Test, differences, left_aside
from outcomes import Outcomes

__all__ = ["Checkout", "TimeUp"]

HERE = Path(__file__).resolve().parent
GRACE = 10.0


class TimeUp(Exception):
    """The time that the checkout had is over. Says which command was running."""


@dataclass
class Checkout:
    """A tree of tests, and the commands that are compared on it."""

    path: Path
    python: Path
    dyno: Path
    args: tuple[str, ...] = ()
    until: float = float("inf")
    """When its time is over, by the monotonic clock."""

    def _run(self, command: Sequence[str | Path], **variables: str) -> tuple[str, str, int, float]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        }
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        search = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        environment |= {"PATH": path, "PYTHONPATH": search, "NO_COLOR": "1", **variables}
        environment.pop("VIRTUAL_ENV", None)
        # A server that a test leaves behind keeps a pipe open; a file waits for nobody.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.monotonic()
            child = subprocess.Popen(
                command,
                cwd=self.path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                left = self.until - started
                code = child.wait(None if left == float("inf") else max(left, 0))
            except subprocess.TimeoutExpired:
                names = " ".join(Path(part).name for part in command[:3])
                raise TimeUp(names) from None
            finally:
                _end(child)
            seconds = time.monotonic() - started
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode(errors="replace"))
        return said[0], said[1], code, seconds

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
        tests = [Test.of(items[place]) for place in end["order"] if place is not None]
        return Collection(tests, end["failed"], code, seconds, out + err)

    def dyno_collect(self, more: Sequence[str] = ()) -> Collection:
        """What dyno says that pytest collects."""
        command: list[str | Path] = [self.dyno, "collect", "--json", "--python", self.python]
        out, err, code, seconds = self._run([*command, *self.args, *more])
        try:
            told = json.loads(out)
        except ValueError:
            return Collection(code=code, seconds=seconds, said=out[-2000:] + err)
        tests = [Test.of(test) for test in told["tests"]]
        text = {file["id"] for file in told["files"] if file["source"] == "text"}
        settled = sum(test.file in text for test in tests)
        failed = [error["node"] for error in told["errors"]]
        return Collection(tests, failed, code, seconds, err, settled)

    def verify(self) -> tuple[str, int]:
        """The last line of `dyno collect --verify`, and its exit code."""
        command: list[str | Path] = [self.dyno, "collect", "--verify", "--python", self.python]
        out, err, code, _ = self._run([*command, *self.args])
        lines = [line for line in (err + out).splitlines() if line.strip()]
        return (lines[-1] if lines else ""), code

    def run_pytest(self, *more: str, backwards: bool = False) -> Run:
        """Runs the tests by pytest; `backwards`, in the opposite of their order."""
        variables = {"RECORD_BACKWARDS": "1"} if backwards else {}
        return self._outcomes([self.python, "-m", "pytest", *more], variables)

    def run_dyno(self, workers: str) -> Run:
        """Runs them by `dyno test -n WORKERS`."""
        return self._outcomes([self.dyno, "test", "--python", self.python, "-n", workers], {})

    def _outcomes(self, command: Sequence[str | Path], variables: dict[str, str]) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "outcomes")
            out, err, code, _ = self._run(
                [*command, "-p", "recording", "-p", "no:cacheprovider", *self.args],
                RECORD_OUTCOMES=str(record),
                **variables,
            )
            if not record.exists():
                return Run({}, code, out + err)
            text = record.read_text(encoding="utf-8", errors="surrogatepass")
        told: dict[str, list[str]] = json.loads(text)
        # Of several tests with one id, who runs first is chance.
        return Run({test: sorted(phases) for test, phases in told.items()}, code, out + err)

    def forget(self) -> None:
        """Removes what dyno remembers of the checkout's collection."""
        shutil.rmtree(self.path / ".dyno/cache/collection", ignore_errors=True)


def _end(child: subprocess.Popen[Any]) -> None:
    """Ends the command and what it left in its process group."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def main() -> int:
    """Compares one checkout and prints what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--dyno", type=Path, default=Path(shutil.which("dyno") or "dyno"))
    parser.add_argument("--outcomes", action="store_true", help="run the tests too")
    parser.add_argument("--workers", default="1,auto", help="for each `-n` of `dyno test`")
    options, args = parser.parse_known_args()
    # Not resolved: a virtual environment's Python is a link.
    python = Path(os.path.abspath(options.python))
    dyno = Path(os.path.abspath(options.dyno))
    checkout = Checkout(options.path.resolve(), python, dyno, tuple(args))
    checkout.forget()
    theirs, cold = checkout.pytest(), checkout.dyno_collect()
    warm = checkout.dyno_collect()
    found = differences(theirs, left_aside(theirs, cold))
    found += [f"warm: {difference}" for difference in differences(cold, warm)]
    if options.outcomes:
        ran = Outcomes.of(checkout, options.workers.split(","), 1)
        found += ran.differences
        for test, why in ran.unstable.items():
            print(f"unstable: {test}: {why}")
    for difference in found:
        print(difference)
    print(checkout.verify()[0])
    if theirs.failed:
        print(f"pytest cannot collect, so not compared: {', '.join(theirs.failed)}")
    print(
        f"{len(theirs.tests)} tests, {cold.settled} settled by the text, {len(found)} differences; "
        f"pytest {theirs.seconds:.2f} s, dyno {cold.seconds:.2f} s cold, {warm.seconds:.2f} s warm"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
