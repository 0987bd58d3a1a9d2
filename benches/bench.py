#!/usr/bin/env python3
"""Measures dyno against pytest, pytest-xdist, rtest and karva, in one session.

Whole processes, from their start to their end, by the wall; the processors' time of all their
processes; the memory of the largest one. Repetitions are interleaved, so that what the machine
does besides hits all alike; medians are told, and the ratio to pytest. `make bench` runs it and
keeps `docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import trees

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts/parity"))
import projects

__all__: list[str] = []

TIME_LIMIT = 300.0


@dataclass
class Contender:
    """A command on a tree, and what it took."""

    name: str
    command: Sequence[str]
    tree: Path
    # What must be done before each repetition, which is not measured.
    before: Callable[[Path], None] | None = None
    # Measures to the first test's body rather than to the end.
    to_first_test: bool = False
    # Measures from the first test's start to the last one's end, as dyno's journal has them.
    tests_only: bool = False
    codes: Sequence[int] = (0,)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    problem: str = ""

    def run(self) -> None:
        """Runs once and notes it."""
        if self.problem:
            return
        if self.before is not None:
            self.before(self.tree)
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder, "first")
            said = Path(folder, "said")
            # karva looks for its worker on the path.
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
            environment = os.environ | {
                "NO_COLOR": "1",
                "BENCH_FIRST_TEST": str(first),
                # pytest looks through what earlier runs left there.
                "TMPDIR": folder,
                "PATH": path,
            }
            # Python and pytest keep their bytecode, as they do where nobody forbids it.
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            if not self.to_first_test:
                del environment["BENCH_FIRST_TEST"]
            with open(said, "wb") as output:
                began = time.time()
                started = time.perf_counter()
                process = subprocess.Popen(
                    self.command,
                    cwd=self.tree,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
                # Not `Popen.wait`: only this tells what the process used.
                _, status, usage = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.codes:
                tail = said.read_text(errors="replace").strip()[-200:]
                self.problem = f"exit code {process.returncode}: {tail}"
                return
            if self.to_first_test:
                if not first.exists():
                    self.problem = "no test ran"
                    return
                seconds = float(first.read_text()) - began
            if self.tests_only:
                times = [
                    event["at_us"] / 1e6
                    for event in events(self.tree)
                    if event.get("event") in ("test_started", "test_finished")
                ]
                seconds = max(times) - min(times)
        self.seconds.append(seconds)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.megabytes.append(usage.ru_maxrss / 1024)


def events(tree: Path) -> Iterator[dict[str, Any]]:
    """What the journal of the latest run in a tree tells."""
    return map(json.loads, (tree / ".dyno/latest/journal.jsonl").read_text().splitlines())


@dataclass
class Table:
    """Contenders at one piece of work."""

    title: str
    contenders: list[Contender]

    def measure(self, repetitions: int) -> None:
        """Runs all, interleaved; a first round warms the page cache and counts for nothing."""
        for repetition in range(repetitions + 1):
            for contender in self.contenders:
                contender.run()
                if repetition == 0:
                    contender.seconds.clear()
                    contender.cpu.clear()
                    contender.megabytes.clear()

    def __str__(self) -> str:
        lines = [
            f"## {self.title}",
            "",
            "| contender | median, s | least, s | most, s | pytest takes | CPU, s | peak, MB |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        base = next((one for one in self.contenders if one.name == "pytest"), None)
        for one in self.contenders:
            if not one.seconds:
                problem = one.problem.replace("|", "/").replace("\n", " ")
                lines.append(f"| {one.name} | {problem} | | | | | |")
                continue
            median = statistics.median(one.seconds)
            ratio = ""
            if base is not None and base.seconds and base is not one:
                ratio = f"{statistics.median(base.seconds) / median:.1f} times as long"
            lines.append(
                f"| {one.name} | {median:.3f} | {min(one.seconds):.3f} | {max(one.seconds):.3f} "
                f"| {ratio} | {statistics.median(one.cpu):.2f} "
                f"| {statistics.median(one.megabytes):.0f} |"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Commands:
    """Where the contenders are."""

    folder: Path
    dyno: Path

    def peer(self, name: str, *args: str) -> list[str]:
        """A command of the benches' own environment."""
        return [str(self.folder / name), *args]

    def pytest(self, *args: str) -> list[str]:
        """pytest, in that environment."""
        return self.peer("python", "-m", "pytest", *args)

    def own(self, command: str, *args: str) -> list[str]:
        """dyno, with that environment's Python."""
        return [str(self.dyno), command, "--python", str(self.folder / "python"), *args]


def forget(tree: Path) -> None:
    """Removes what any contender remembers of a tree, but for Python's bytecode."""
    for name in (".dyno", ".pytest_cache", ".karva_cache"):
        shutil.rmtree(tree / name, ignore_errors=True)


def collect_trivial(run: Commands, place: Path) -> Table:
    """10,000 trivial tests in 200 files, collected."""
    tree = place / "trivial-10000"
    trees.trivial(tree, 10_000, 200)
    return Table(
        "Collect 10,000 trivial tests in 200 files",
        [
            Contender("pytest", run.pytest("--collect-only", "-q"), tree),
            Contender("rtest", run.peer("rtest", "--collect-only"), tree),
            Contender("dyno, cold", run.own("collect", "-q"), tree, forget),
            Contender("dyno, no cache", run.own("collect", "-q", "--no-cache"), tree),
            Contender("dyno, warm", run.own("collect", "-q"), tree),
        ],
    )


def collect_realistic(run: Commands, place: Path, *, hooked: bool) -> Table:
    """4,000 realistic tests in 500 files, collected."""
    tree = place / ("hooked" if hooked else "realistic")
    trees.realistic(tree, 500, 4_000, hooked=hooked)
    hook = ", with a hook that text does not settle" if hooked else ""
    return Table(
        f"Collect 4,000 tests in 500 files{hook}",
        [
            Contender("pytest", run.pytest("--collect-only", "-q"), tree),
            Contender("rtest", run.peer("rtest", "--collect-only"), tree),
            Contender("dyno, cold", run.own("collect", "-q"), tree, forget),
            Contender("dyno, warm", run.own("collect", "-q"), tree),
        ],
    )


def first_test(run: Commands, place: Path, *, engine: bool) -> Table:
    """The time to the first test of a selection of one file in fifty."""
    tree = place / ("first-engine" if engine else "first")
    trees.realistic(tree, 500, 4_000, engine=engine)
    select = ("-m", "rare")

    def contender(
        name: str, command: list[str], before: Callable[[Path], None] | None = None
    ) -> Contender:
        # The asynchronous tests among them fail, as nothing here runs them.
        return Contender(name, command, tree, before, to_first_test=True, codes=(0, 1))

    return Table(
        "Time to the first test of `-m rare`: 80 of 4,000 tests, 10 of 500 files"
        + (", where every other file but these imports a package of 400 modules" if engine else ""),
        [
            contender("pytest, on one of the 10 files", run.pytest("-q", *select, trees.RARE)),
            contender("pytest", run.pytest("-q", *select)),
            contender("pytest-xdist -n 2", run.pytest("-q", "-n", "2", *select)),
            contender("dyno test, cold", run.own("test", *select), forget),
            contender("dyno test, warm", run.own("test", *select)),
        ],
    )


def run_trivial(run: Commands, place: Path) -> Table:
    """10,000 trivial tests, run."""
    tree = place / "run-10000"
    trees.trivial(tree, 10_000, 200)
    return Table(
        "Run 10,000 trivial tests in 200 files",
        [
            Contender("pytest", run.pytest("-q"), tree),
            Contender("pytest-xdist -n 2", run.pytest("-q", "-n", "2"), tree),
            Contender("rtest, its own runner", run.peer("rtest", "--runner", "native"), tree),
            Contender("karva", run.peer("karva", "test"), tree),
            Contender("dyno test -n 1", run.own("test", "-n", "1"), tree),
            Contender("dyno test -n auto", run.own("test", "-n", "auto"), tree),
        ],
    )


def run_waiting(run: Commands, place: Path) -> Table:
    """1,000 tests that wait a tenth of a second each."""
    tree = place / "waiting"
    trees.waiting(tree, 1_000, 20, 0.1)
    return Table(
        "Run 1,000 tests that wait 0.1 s each, 8 at a time: 12.5 s is the least",
        [
            Contender("pytest-xdist -n 8", run.pytest("-q", "-n", "8"), tree),
            Contender("dyno test -n 8", run.own("test", "-n", "8"), tree),
            Contender(
                "dyno test -n 8, first test to last",
                run.own("test", "-n", "8"),
                tree,
                tests_only=True,
            ),
        ],
    )


def run_sealed(run: Commands, place: Path) -> Table:
    """A sandbox for each test, and a bare fork for each."""
    contenders = []
    for lane in ("own", "sealed"):
        tree = place / lane
        trees.in_lane(tree, lane, 100)
        contenders.append(
            Contender(f'dyno test, lane = "{lane}"', run.own("test", "-n", "2"), tree)
        )
    return Table(
        "Run 100 empty tests, one after the other, each in a process of its own", contenders
    )


def run_one(run: Commands, place: Path) -> Table:
    """One test of 10,000, by its node id."""
    tree = place / "one"
    trees.trivial(tree, 10_000, 200)
    folder = sorted((tree / "tests").glob("test_*.py"))
    node = f"{folder[0].relative_to(tree)}::test_0"
    return Table(
        "Run one test of 10,000, named by its node id",
        [
            Contender("pytest", run.pytest("-q", node), tree),
            Contender("pytest, on its file", run.pytest("-q", node.partition("::")[0]), tree),
            Contender("dyno test", run.own("test", node), tree),
        ],
    )


def start_up(run: Commands, place: Path) -> Table:
    """To the body of the first test."""
    tree = place / "start"
    trees.one_test(tree)
    return Table(
        "Time to the first test of a tree of one",
        [
            Contender(
                "python -c 'import pytest', whole", run.peer("python", "-c", "import pytest"), tree
            ),
            Contender("pytest", run.pytest("-q"), tree, to_first_test=True),
            Contender("pytest-xdist -n 1", run.pytest("-q", "-n", "1"), tree, to_first_test=True),
            Contender("dyno test", run.own("test"), tree, to_first_test=True),
        ],
    )


def run_dynamo(run: Commands, place: Path) -> Table:
    """The component tests that the Dynamo wheel carries, in the environment of `make parity`."""
    (project,) = (one for one in projects.read() if one.name == "ai-dynamo")
    tree = place / "dynamo"
    shutil.copytree(project.folder(), tree)
    there = Commands(projects.PYTHON.parent, run.dyno)
    options = ["-q", "--continue-on-collection-errors", "-p", "no:cacheprovider"]

    def contender(name: str, command: list[str]) -> Contender:
        # Some of its tests fail on a machine without an engine.
        return Contender(name, command, tree, codes=(0, 1))

    return Table(
        "Run the component tests of the Dynamo wheel",
        [
            contender("pytest", there.pytest(*options)),
            contender("pytest-xdist -n 2", there.pytest(*options, "-n", "2")),
            contender("dyno test -n 2", there.own("test", *options, "-n", "2")),
        ],
    )


def run_suite(run: Commands, _place: Path) -> Table:
    """This repository's suite: servers of Dynamo's, sealed under dyno."""
    there = Commands(projects.ROOT / ".venv" / "bin", run.dyno)
    options = ["-q", "-p", "no:cacheprovider", "tests"]
    return Table(
        "Run this repository's suite",
        [
            Contender("pytest", there.pytest(*options), projects.ROOT),
            Contender("dyno test", there.own("test", *options), projects.ROOT),
        ],
    )


@dataclass
class WorkersMemory:
    """What workers have of their own, and what they share with their template."""

    runs: list[tuple[str, list[str], Path]]
    rows: list[str] = field(default_factory=list)

    def measure(self, _repetitions: int) -> None:
        """Runs each once: pages are counted, not timed."""
        for name, command, tree in self.runs:
            subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL, check=False)
            for end in (one for one in events(tree) if one.get("event") == "worker_ended"):
                own, shared = (end["memory"][kind] / 1024 for kind in ("own_kib", "shared_kib"))
                self.rows.append(f"| {name} | {end['worker']} | {own:.0f} | {shared:.0f} |")

    def __str__(self) -> str:
        head = ["| tree | worker | its own, MiB | shared, MiB |", "|---|--:|--:|--:|"]
        title = "## Resident memory of workers at the end of their session"
        return "\n".join([title, "", *head, *self.rows])


def memory(run: Commands, place: Path) -> WorkersMemory:
    """Of two workers each."""
    trivial, engine = place / "memory-trivial", place / "memory-engine"
    trees.trivial(trivial, 10_000, 200)
    trees.realistic(engine, 500, 4_000, engine=True)
    command = run.own("test", "-n", "2")
    return WorkersMemory(
        [
            ("10,000 trivial tests", command, trivial),
            ("4,000 tests, half of them beside a package of 400 modules", command, engine),
        ]
    )


def linear(run: Commands, place: Path) -> Table:
    """Cost against size."""
    contenders = []
    for tests in (1_000, 10_000, 100_000):
        tree = place / f"linear-{tests}"
        trees.trivial(tree, tests, tests // 50)
        cold = run.own("collect", "-q")
        contenders.append(Contender(f"dyno, cold, {tests:,} tests", cold, tree, forget))
        contenders.append(Contender(f"dyno, warm, {tests:,} tests", cold, tree))
    return Table("Size: trivial tests, 50 a file", contenders)


def machine() -> str:
    """The machine and the versions, for the page."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    names = ("pytest", "pytest-xdist", "rtest", "karva")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({model}), {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {versions}."
    )


def main() -> int:
    """Measures and prints, and writes the page."""
    tables: dict[str, Callable[[Commands, Path], Table | WorkersMemory]] = {
        "trivial": collect_trivial,
        "realistic": lambda run, place: collect_realistic(run, place, hooked=False),
        "hooked": lambda run, place: collect_realistic(run, place, hooked=True),
        "first": lambda run, place: first_test(run, place, engine=False),
        "engine": lambda run, place: first_test(run, place, engine=True),
        "run": run_trivial,
        "waiting": run_waiting,
        "sealed": run_sealed,
        "one": run_one,
        "start": start_up,
        "dynamo": run_dynamo,
        "suite": run_suite,
        "memory": memory,
        "linear": linear,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(tables)}; all if none is named")
    parser.add_argument("--dyno", type=Path, default=Path(shutil.which("dyno") or "dyno"))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--page", type=Path, help="where to write the tables")
    options = parser.parse_args()
    run = Commands(Path(sys.executable).parent, options.dyno.absolute())
    parts = []
    with tempfile.TemporaryDirectory(prefix="dyno-bench-") as place:
        for name in options.names or tables:
            table = tables[name](run, Path(place))
            table.measure(options.repetitions)
            parts.append(str(table))
            print(table, "", sep="\n", flush=True)
    if options.page:
        head = (
            "# Benchmarks\n\nWritten by `make bench`; `benches/bench.py` says how it measures: "
            f"whole processes, medians of {options.repetitions} interleaved repetitions, after one "
            f"that does not count.\n\n{machine()}\n"
        )
        options.page.write_text(head + "\n" + "\n\n".join(parts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
