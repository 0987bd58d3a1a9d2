#!/usr/bin/env python3
"""Breaks Dynamo deliberately, one way at a time, and tells which tests of the suite notice.

First the suite's files concerned run on a Dynamo that is whole, with everything in place but a
breakage; what fails there proves nothing. Then each breakage of `breakages.py` runs its files. A
test that passed and now does not has caught it. `make mutants` runs it and keeps `docs/mutants.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from breakages import BREAKAGES, NONE, Breakage, Source

__all__: list[str] = []

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# A breakage that makes every wait of a file last to its end takes minutes.
RUN_SECONDS = 900.0

HEAD = """# What the suite notices

Written by `make mutants`. Each row is a Dynamo that was broken on purpose
(`scripts/mutants/breakages.py`): by an option that it was started with, by what its engine says, by
what passes between a client and the frontend, or by a line of its source. The files that concern it
were run; a test that passes on a whole Dynamo and not on this one has caught it.
"""


@dataclass(frozen=True)
class Run:
    """What came of running some files: which tests passed, and which did not."""

    passed: frozenset[str]
    failed: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Row:
    """A breakage, and who noticed."""

    breakage: Breakage
    caught_by: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        first = f"`{self.caught_by[0]}`" if self.caught_by else "**nobody**"
        more = f" and {len(self.caught_by) - 1} more" if len(self.caught_by) > 1 else ""
        what = f"`{self.breakage.name}`: {self.breakage.what}"
        return f"| {what} | {first}{more} | {self.seconds:.0f} |"


def main() -> None:
    """Runs the breakages that are asked for, or all; exit code 1 where one was not noticed."""
    options = parse()
    chosen = [BREAKAGES[name] for name in options.names] or list(BREAKAGES.values())
    if astray := [each.name for each in chosen if each.source and not applies(each.source)]:
        sys.exit(f"not once in the module's text what is to be changed: {', '.join(astray)}")
    files = sorted({file for breakage in chosen for file in breakage.tests})
    whole = run(options, files, {"DYNO_BREAKAGE": NONE.name})
    print(f"a whole Dynamo: {len(whole.passed)} passed, {len(whole.failed)} failed", flush=True)
    for test in whole.failed:
        print(f"  fails without a breakage: {test}", flush=True)

    rows = []
    for breakage in chosen:
        rows.append(attempt(options, breakage, whole))
        print(rows[-1], flush=True)
    page = "\n".join(["| broken | caught by | s |", "|---|---|--:|", *map(str, rows)])
    missed = [row.breakage.name for row in rows if not row.caught_by]
    told = f"{len(rows) - len(missed)} of {len(rows)} breakages are caught"
    told += f"; not: {', '.join(missed)}." if missed else "."
    print(told)
    if options.page and not options.names:
        options.page.write_text(f"{HEAD}\n{told}\n\n{page}\n")
    sys.exit(1 if missed or whole.failed else 0)


def parse() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BREAKAGE", help=", ".join(BREAKAGES))
    parser.add_argument("--dyno", default="dyno")
    parser.add_argument("--page", type=Path, help="where to write the table of all")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BREAKAGES]:
        parser.error(f"no such breakage: {', '.join(unknown)}; there are: {', '.join(BREAKAGES)}")
    return options


def applies(source: Source) -> bool:
    """Whether the module has the text exactly once: else its import fails, which any test of it
    would notice. Nothing is imported for it."""
    name, *rest = source.module.split(".")
    spec = PathFinder.find_spec(name)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    if spec is None or spec.origin is None:
        return False
    return Path(spec.origin).read_text().count(source.old) == 1


def attempt(options: argparse.Namespace, breakage: Breakage, whole: Run) -> Row:
    """Runs the files of one breakage."""
    environment = {"DYNO_BREAKAGE": breakage.name}
    if breakage.source is not None:
        path = os.pathsep.join(filter(None, [str(HERE / "site"), os.environ.get("PYTHONPATH")]))
        environment["PYTHONPATH"] = path
        environment["DYNO_BREAKAGE_SOURCE"] = json.dumps(asdict(breakage.source))
    ran = run(options, breakage.tests, environment)
    caught = [test for test in ran.failed if test in whole.passed]
    return Row(breakage, tuple(caught), ran.seconds)


def run(options: argparse.Namespace, files: Sequence[str], environment: dict[str, str]) -> Run:
    """Runs files of the suite under `dyno test`.

    Ends the program where the run itself fails: what was not run has noticed nothing.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        ended = subprocess.run(
            [options.dyno, "test", "-q", f"--junitxml={report}", *files],
            cwd=ROOT,
            env={**os.environ, "DYNAMO_PYTHON": str(HERE / "stand_in.py"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=RUN_SECONDS,
            check=False,
        )
        if ended.returncode not in (0, 1) or not report.exists():
            sys.exit(f"{ended.stdout}\ndyno ended with exit code {ended.returncode}")
        cases = list(ET.parse(report).iter("testcase"))
    failed = [_name(case) for case in cases if {"failure", "error"} & _tags(case)]
    passed = {_name(case) for case in cases if not {"failure", "error", "skipped"} & _tags(case)}
    return Run(frozenset(passed), tuple(dict.fromkeys(failed)), time.monotonic() - started)


def _tags(case: ET.Element) -> set[str]:
    return {each.tag for each in case}


def _name(case: ET.Element) -> str:
    """The test's file and name, as a reader would look for it."""
    return f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"


if __name__ == "__main__":
    main()
