"""What benchmarks measured in earlier runs, and whether a figure is worse than that.

The history is a file of one JSON object a line. It is advice: what cannot be read is passed over,
and what was measured on another machine is not compared. A run that is worse is not added, so what
got slow stays a failure until somebody looks at it, or deletes the file.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from statistics import median

__all__ = ["Better", "Figure", "History", "Run", "machine", "worse"]

# Fewer say too little about what is usual.
ENOUGH_RUNS = 5

# Older ones are of another Dynamo, and of another state of the machine.
NEWEST_RUNS = 50

# A neighbour on the machine costs less than this; a lost index or a lost thread pool more.
WORST_RATIO = 2.0


class Better(Enum):
    """Which way a figure is better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Figure:
    """What was measured. Its name has its unit."""

    value: float
    better: Better

    def ratio(self, usual: float) -> float:
        """How many times worse it is than usual; below 1 it is better."""
        if self.better is Better.LOWER:
            return self.value / usual
        return usual / self.value


@dataclass(frozen=True)
class Run:
    """The figures of one benchmark in one run, by their names."""

    benchmark: str
    machine: str
    figures: Mapping[str, float]


class History:
    """A file of runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self, benchmark: str, machine: str) -> list[Run]:
        """The newest runs of a benchmark on a machine, the newest last."""
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        runs = [run for line in lines if (run := _run(line)) is not None]
        return [r for r in runs if (r.benchmark, r.machine) == (benchmark, machine)][-NEWEST_RUNS:]

    def add(self, run: Run) -> None:
        """Adds a run by one write, so that runs side by side lose none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(run), sort_keys=True) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def worse(figures: Mapping[str, Figure], earlier: Iterable[Run]) -> list[str]:
    """What is far worse than the median of earlier runs, if there are enough of them, in words."""
    found = []
    runs = list(earlier)
    for name, figure in figures.items():
        values = [run.figures[name] for run in runs if name in run.figures]
        if len(values) < ENOUGH_RUNS:
            continue
        usual = median(values)
        if usual > 0 and (figure.value <= 0 or figure.ratio(usual) > WORST_RATIO):
            found.append(
                f"{name} is {figure.value:.6g}; the median of {len(values)} is {usual:.6g}"
            )
    return found


def machine() -> str:
    """What makes figures of two runs comparable: the processors, their number and architecture."""
    model = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{len(os.sched_getaffinity(0))} x {model}, {platform.machine()}"


def _run(line: str) -> Run | None:
    try:
        told = json.loads(line)
        figures = {str(name): float(value) for name, value in told["figures"].items()}
        return Run(str(told["benchmark"]), str(told["machine"]), figures)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
