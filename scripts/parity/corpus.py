#!/usr/bin/env python3
"""Compares dyno with pytest on the projects of `projects.toml` and writes a table.

Source releases are fetched from PyPI by pip, held to their hashes, and unpacked below
`.venv/parity/src`; the tests run in `.venv/parity/venv`, which `make parity` fills.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import Checkout, differences, outcomes

__all__: list[str] = []

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = ROOT / ".venv/parity"


@dataclass(frozen=True)
class Project:
    """An entry of `projects.toml`."""

    name: str
    habit: str
    version: str = ""
    sha256: str = ""
    args: tuple[str, ...] = ()
    select: tuple[tuple[str, ...], ...] = ()
    outcomes: bool = True
    package: str = ""
    path: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Project:
        """The project that the table tells of."""
        told["args"] = tuple(told.get("args", ()))
        told["select"] = tuple(map(tuple, told.get("select", ())))
        return cls(**told)


@dataclass
class Row:
    """What the table says of a project."""

    project: Project
    tests: int
    files: int
    settled: int
    seconds: tuple[float, float, float]
    selections: int
    verified: str
    ran: bool
    found: list[str]

    def __str__(self) -> str:
        share = f"{100 * self.settled / self.tests:.1f}" if self.tests else "-"
        pytest, cold, warm = self.seconds
        cells = [
            f"{self.project.name} {self.project.version}".strip(),
            self.project.habit,
            f"{self.files}",
            f"{self.tests}",
            share,
            f"{self.tests - self.settled}",
            f"{self.selections}",
            "yes" if self.ran else "no",
            f"{pytest:.2f}",
            f"{cold:.2f}",
            f"{warm:.2f}",
            f"{len(self.found)}",
        ]
        return "| " + " | ".join(cells) + " |"


HEAD = """\
| project | habits | files | tests | settled by text, % | asked | selections | outcomes \
| pytest, s | dyno cold, s | dyno warm, s | differences |
|---|---|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|"""


def fetch(project: Project) -> Path:
    """The project's sources, fetched if they are not there."""
    if project.path:
        return ROOT / project.path
    if project.package:
        return copy_package(project)
    target = PLACE / "src" / f"{project.name}-{project.version}"
    if target.exists():
        return target
    downloads = PLACE / "downloads" / target.name
    downloads.mkdir(parents=True, exist_ok=True)
    pin = downloads / "pin.txt"
    pin.write_text(f"{project.name}=={project.version} --hash=sha256:{project.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", pin, "-d", downloads],
        check=True,
    )
    (archive,) = downloads.glob("*.tar.gz")
    with tarfile.open(archive) as release:
        release.extractall(downloads, filter="data")
    (folder,) = (entry for entry in downloads.iterdir() if entry.is_dir())
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    return target


def copy_package(project: Project) -> Path:
    """A copy of an installed package: tests that a wheel carries."""
    target = PLACE / "src" / f"{project.name}-{project.version}"
    if not target.exists():
        (source,) = (ROOT / ".venv/lib").glob(f"python3.*/site-packages/{project.package}")
        binaries = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(source, target / project.package, ignore=binaries)
        (target / "pytest.ini").write_text("[pytest]\n")
    return target


def compare(project: Project, dyno: Path | None, run: bool) -> Row:
    """Everything about one project."""
    own = project.package or project.path
    python = (ROOT / ".venv" if own else PLACE / "venv") / "bin/python"
    checkout = Checkout(fetch(project), python, dyno or python.with_name("dyno"), project.args)
    checkout.forget()
    theirs, cold = checkout.pytest(), checkout.dyno_collect()
    found = differences(theirs, cold)
    warm = checkout.dyno_collect()
    found += [f"warm: {difference}" for difference in differences(theirs, warm)]
    if not theirs.tests:
        found.append(f"pytest collected nothing: {theirs.said[-1000:]}")
    verified, code = checkout.verify()
    if code:
        found.append(f"dyno collect --verify: exit code {code}: {verified}")
    for selection in project.select:
        selected = differences(checkout.pytest(selection), checkout.dyno_collect(selection))
        found += [f"{' '.join(selection)}: {difference}" for difference in selected]
    ran = run and project.outcomes
    if ran:
        found += outcomes(checkout, ["1", "auto"])
    return Row(
        project,
        len(theirs.tests),
        len({test.partition("::")[0] for test in theirs.ids}),
        cold.settled,
        (theirs.seconds, cold.seconds, warm.seconds),
        len(project.select),
        verified,
        ran,
        found,
    )


def page(rows: Sequence[Row], told: Sequence[str]) -> str:
    """The page that `docs/parity.md` keeps."""
    tests, settled = sum(row.tests for row in rows), sum(row.settled for row in rows)
    differing = sum(len(row.found) for row in rows)
    share = f"{100 * settled / max(tests, 1):.1f} % settled by the text"
    total = f"{len(rows)} projects, {tests} tests, {share}, {differing} differences."
    lines = [
        "# Parity with pytest",
        "",
        "Written by `make parity`; `scripts/parity` says what is compared.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores.",
        "pytest and plugins are those of `requirements/parity.txt`.",
        "",
        HEAD,
        *map(str, rows),
        "",
        total,
    ]
    if told:
        lines += ["", "## Differences", "", "```", *told, "```"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Compares the projects and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of projects; all, if none is named")
    parser.add_argument("--dyno", type=Path, help="the command, if not the environment's own")
    parser.add_argument("--no-outcomes", action="store_true", help="collect only, run nothing")
    parser.add_argument("--page", type=Path, help="where to write the table")
    options = parser.parse_args()
    # Of Python 3.11, which the projects need; the rest of the repository is checked for 3.10.
    tomllib = importlib.import_module("tomllib")
    told_projects = tomllib.loads((HERE / "projects.toml").read_text())["project"]
    projects = [Project.of(told) for told in told_projects]
    dyno = options.dyno and options.dyno.resolve()
    rows, told = [], []
    print(HEAD)
    for project in projects:
        if options.names and project.name not in options.names:
            continue
        row = compare(project, dyno, not options.no_outcomes)
        print(row, flush=True)
        rows.append(row)
        told += [f"{project.name}: {difference}" for difference in row.found[:20]]
    print("\n".join(told))
    if options.page:
        options.page.write_text(page(rows, told))
    return any(row.found for row in rows)


if __name__ == "__main__":
    sys.exit(main())
