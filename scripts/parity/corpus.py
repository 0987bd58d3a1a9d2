#!/usr/bin/env python3
"""Compares dyno with pytest on the projects of `projects.toml` and writes a table.

Source releases are fetched from PyPI by pip, held to their hashes, and unpacked below
`.venv/parity/src`; the tests run in the environment there, which `make parity` fills. What came
of a part (collection, outcomes, times) of a project is kept in `.venv/parity/results` and made
anew only when dyno, the project or the environment is another, so a run that was ended goes on
where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from checkout import Checkout, TimeUp
from comparison import Collection, contradicted, differences, left_aside, without
from outcomes import Outcomes
from page import HEAD, page, row
from projects import PLACE, PYTHON, ROOT, Project, read

__all__: list[str] = []

HERE = Path(__file__).resolve().parent
RESULTS = PLACE / "results"
# What a result is made by; the page can be another.
HARNESS = ["checkout.py", "comparison.py", "corpus.py", "outcomes.py", "recording.py"]
Told = dict[str, Any]


def collection(checkout: Checkout, project: Project, _options: argparse.Namespace) -> Told:
    """Ids, order and markers: of everything, cold and warm, and of selections."""
    checkout.forget()
    theirs, cold, warm = checkout.pytest(), checkout.dyno_collect(), checkout.dyno_collect()
    unstable: set[str] = set()
    if any(differences(theirs, left_aside(theirs, ours)) for ours in (cold, warm)):
        unstable = contradicted(theirs, checkout.pytest())

    def compare(theirs: Collection, ours: Collection, what: str) -> list[str]:
        stable = without(theirs, unstable), without(left_aside(theirs, ours), unstable)
        return [f"{what}: {difference}" for difference in differences(*stable)]

    found = compare(theirs, cold, "cold") + compare(theirs, warm, "warm")
    if not theirs.tests:
        found.append(f"pytest collected nothing: {theirs.said[-1000:]}")
    verified, code = checkout.verify()
    if code:
        found.append(f"dyno collect --verify: exit code {code}: {verified}")
    for selection in project.select:
        ours = checkout.dyno_collect(selection)
        found += compare(checkout.pytest(selection), ours, " ".join(selection))
    return {
        "tests": len(theirs.tests),
        "files": len({test.file for test in theirs.tests}),
        "settled": cold.settled,
        "failed": theirs.failed,
        "selections": len(project.select),
        "differences": found,
        "unstable": {
            test.id: "two collections of pytest's differ"
            for test in theirs.tests
            if test.function in unstable
        },
    }


def outcomes(checkout: Checkout, project: Project, options: argparse.Namespace) -> Told:
    """What became of each test."""
    if project.no_outcomes:
        return {"tests": 0, "runs": 0, "differences": [], "unstable": {}}
    told = asdict(Outcomes.of(checkout, options.workers.split(","), options.runs))
    del told["renamed"]
    return told


def times(checkout: Checkout, _project: Project, _options: argparse.Namespace) -> Told:
    """Seconds: of pytest, of dyno cold, of dyno warm."""
    checkout.forget()
    theirs, cold, warm = checkout.pytest(), checkout.dyno_collect(), checkout.dyno_collect()
    seconds = [theirs.seconds, cold.seconds, warm.seconds]
    return {"seconds": seconds, "differences": [], "unstable": {}}


PARTS: dict[str, Callable[[Checkout, Project, argparse.Namespace], Told]] = {
    "collection": collection,
    "outcomes": outcomes,
    "times": times,
}


def digest(paths: Sequence[Path]) -> str:
    """Of the contents of these files, and of the Python files in these folders."""
    hashed = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()


def build(python: Path, dyno: Path) -> str:
    """Tells one build of dyno from another: the command and the Python package."""
    command: list[str | Path] = [python, "-c", "import dyno; print(*dyno.__path__, sep='\\n')"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return digest([dyno, *map(Path, told.stdout.split())])


def measure(project: Project, part: str, options: argparse.Namespace) -> Told:
    """One part of one project: the kept result if it still holds, else a new one."""
    dyno = Path(os.path.abspath(options.dyno or PYTHON.with_name("dyno")))
    key = [
        build(PYTHON, dyno),
        repr(project),
        digest([ROOT / "requirements/parity.txt", *(HERE / name for name in HARNESS)]),
        [options.workers, options.runs] if part == "outcomes" else [],
    ]
    kept = RESULTS / f"{project.name}.{part}.json"
    if kept.exists() and not options.again:
        told: Told = json.loads(kept.read_text(encoding="utf-8"))
        if told["key"] == key and told["limit"] is None:
            return told
    print(f"{project.title}: {part}", file=sys.stderr, flush=True)
    until = time.monotonic() + options.limit
    checkout = Checkout(project.folder(), PYTHON, dyno, project.args, until)
    told = {"key": key, "limit": None, "when": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
    told["workers"], told["runs"] = options.workers, options.runs
    try:
        told["result"] = PARTS[part](checkout, project, options)
    except TimeUp as over:
        told["limit"] = f"{part} took longer than {options.limit} s, in `{over}`"
        told["result"] = None
    RESULTS.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
    partial.rename(kept)
    return told


def kept_of(project: Project) -> dict[str, Told]:
    """All that is kept of the project, by part."""
    files = {part: RESULTS / f"{project.name}.{part}.json" for part in PARTS}
    return {
        part: json.loads(file.read_text(encoding="utf-8"))
        for part, file in files.items()
        if file.exists()
    }


def main() -> int:
    """Compares the projects and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of projects; all, if none is named")
    parser.add_argument("--dyno", type=Path, help="the command, if not the environment's own")
    parser.add_argument("--parts", default=",".join(PARTS), help="of each project [%(default)s]")
    parser.add_argument("--no-outcomes", action="store_true", help="run no test")
    parser.add_argument(
        "-n", dest="workers", default="1,auto", help="for each `-n` of `dyno test` [%(default)s]"
    )
    parser.add_argument("--runs", type=int, default=1, help="with each of them [%(default)s]")
    parser.add_argument(
        "--limit", type=float, default=1800, help="seconds for each part [%(default)s]"
    )
    parser.add_argument("--again", action="store_true", help="use no kept result")
    parser.add_argument("--page", type=Path, help="where to write the table")
    options = parser.parse_args()
    parts = [part for part in options.parts.split(",") if part]
    if options.no_outcomes:
        parts = [part for part in parts if part != "outcomes"]
    projects = read()
    unknown = {*options.names} - {project.name for project in projects}
    if unknown or not {*parts} <= PARTS.keys():
        parser.error(f"no such project or part: {', '.join([*unknown, *{*parts} - PARTS.keys()])}")
    # So that what runs is ended, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = [project for project in projects if not options.names or project.name in options.names]
    good = True
    print("\n".join(HEAD))
    for project in wanted:
        try:
            told = [measure(project, part, options) for part in parts]
        except (OSError, subprocess.CalledProcessError, ValueError):
            # Another project can still be measured.
            traceback.print_exc()
            good = False
            continue
        good &= all(one["limit"] is None and not one["result"]["differences"] for one in told)
        print(row(project, kept_of(project)), flush=True)
        for one in told:
            for difference in (one["result"] or {"differences": [one["limit"]]})["differences"]:
                print(f"  {difference}"[:2000], flush=True)
    if options.page:
        options.page.write_text(page([(project, kept_of(project)) for project in projects]))
    return not good


if __name__ == "__main__":
    sys.exit(main())
