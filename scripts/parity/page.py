"""The page that `docs/parity.md` keeps, written from kept results alone."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from projects import ROOT, Project

__all__ = ["HEAD", "page", "row"]

COLUMNS = [
    *("project", "habits", "files", "tests", "settled by text, %", "asked", "not importable"),
    *("selections", "tests run", "runs", "unstable"),
    *("pytest, s", "dyno cold, s", "dyno warm, s", "differences"),
]
HEAD = [f"| {' | '.join(COLUMNS)} |", f"|---|---|{'--:|' * (len(COLUMNS) - 2)}"]
MOST = 20
Parts = dict[str, Any]

EXPLANATION = """\
Written by `make parity` from what it measured; nothing here is typed by hand.

- **Collection**: `dyno collect` against `pytest --collect-only`: ids, order, markers with their \
arguments, exit code; cold and warm, by a recording plugin of the harness's own \
(`scripts/parity`) and by `dyno collect --verify`; and so for selections by `-m` and `-k`.
- **Not importable**: files and folders that pytest cannot collect in this environment. dyno \
lists their tests from the text; they are not compared.
- **Outcomes**: each phase of each test under `dyno test -n N` against plain `pytest`, and the \
exit code. *Runs* counts dyno's.
- **Unstable**: tests about which pytest contradicts itself: two of its collections or two of its \
runs differ, or, against more than one worker, its run in the opposite order or pytest-xdist's \
with as many workers, of the whole or of the file. They are listed below, and are no differences.
- **Times** are single runs of collection; `docs/benchmarks.md` measures with care."""


def _results(parts: Parts) -> dict[str, Any]:
    return {part: told["result"] for part, told in parts.items() if told["result"]}


def _differences(parts: Parts) -> list[str]:
    return [
        difference for result in _results(parts).values() for difference in result["differences"]
    ]


def _unstable_of(parts: Parts) -> dict[str, str]:
    """Test, and how pytest contradicts itself about it."""
    found: dict[str, str] = {}
    for result in _results(parts).values():
        found |= result["unstable"]
    return found


def row(project: Project, parts: Parts) -> str:
    """The project's row. A dash stands for what was not measured."""
    results = _results(parts)
    cells: list[object] = [project.title, project.habit, *["-"] * 5]
    if found := results.get("collection"):
        tests, settled = found["tests"], found["settled"]
        share = f"{100 * settled / tests:.1f}" if tests else "-"
        cells[2:] = [found["files"], tests, share, tests - settled, len(found["failed"])]
    cells.append(found["selections"] if found else "-")
    ran = results.get("outcomes")
    cells += [ran["tests"], ran["runs"]] if ran and ran["runs"] else ["-"] * 2
    cells.append(len(_unstable_of(parts)) if parts else "-")
    timed = results.get("times")
    cells += [f"{seconds:.2f}" for seconds in timed["seconds"]] if timed else ["-"] * 3
    over = any(told["limit"] for told in parts.values())
    cells.append(f"{len(_differences(parts))}{', time limit' if over else ''}" if parts else "-")
    return f"| {' | '.join(map(str, cells))} |"


def page(measured: Sequence[tuple[Project, Parts]]) -> str:
    """The whole page."""
    results = [_results(parts) for _, parts in measured]
    collected = [result["collection"] for result in results if "collection" in result]
    ran = [result["outcomes"] for result in results if "outcomes" in result]
    tests = sum(found["tests"] for found in collected)
    settled = sum(found["settled"] for found in collected)
    wrong = sum(len(_differences(parts)) for _, parts in measured)
    share = f"{100 * settled / max(tests, 1):.1f} % settled by the text"
    times = sum(one["tests"] * one["runs"] for one in ran)
    unstable = sum(len(_unstable_of(parts)) for _, parts in measured)
    summary = (
        f"{len(collected)} projects, {tests} tests, {share}; {times} outcomes compared, "
        f"{unstable} unstable tests; {wrong} differences."
    )
    lines = [
        *("# Parity with pytest", "", EXPLANATION, "", _when(measured), "", *HEAD),
        *(row(project, parts) for project, parts in measured),
        *("", summary),
        *_section("Differences", _told(measured)),
        *_section("Not measured", _missing(measured)),
        *_section("Unstable tests", _unstable(measured)),
        *_section("Not importable", _failed(measured)),
    ]
    # A message may hold a path of the machine that measured.
    return "\n".join(lines).replace(f"{ROOT}/", "") + "\n"


def _when(measured: Sequence[tuple[Project, Parts]]) -> str:
    told = [one for _, parts in measured for one in parts.values()]
    days = sorted({one["when"] for one in told})
    builds = len({one["key"][0] for one in told})
    ran = {(one["workers"], one["runs"]) for _, parts in measured for one in _ran(parts)}
    workers = "; ".join(f"`-n` {workers}, {runs} each" for workers, runs in sorted(ran))
    return (
        f"{' to '.join({days[0]: 0, days[-1]: 0}) if days else 'Never measured'}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"pytest {_pytest_version()}; {workers or 'no test was run'}; "
        f"{builds} build{'' if builds == 1 else 's'} of dyno."
    )


def _ran(parts: Parts) -> list[Any]:
    told = parts.get("outcomes")
    return [told] if told and told["result"] and told["result"]["runs"] else []


def _pytest_version() -> str:
    pins = (ROOT / "requirements/parity.txt").read_text(encoding="utf-8").splitlines()
    return next((pin[8:] for pin in pins if pin.startswith("pytest==")), "?")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *lines] if lines else []


def _told(measured: Sequence[tuple[Project, Parts]]) -> list[str]:
    lines = []
    for project, parts in measured:
        found = _differences(parts)
        lines += [f"{project.name}: {difference[:1000]}" for difference in found[:MOST]]
        if len(found) > MOST:
            lines.append(f"{project.name}: and {len(found) - MOST} more")
    return ["```", *lines, "```"] if lines else []


def _missing(measured: Sequence[tuple[Project, Parts]]) -> list[str]:
    lines = []
    for project, parts in measured:
        over = (told["limit"] for told in parts.values() if told["limit"])
        lines += [f"- {project.name}: {_without_folders(limit)}" for limit in over]
        if project.no_outcomes:
            lines.append(f"- {project.name}: no outcomes: {project.no_outcomes}")
    for part in ("collection", "outcomes", "times"):
        names = [project.name for project, parts in measured if part not in parts]
        if names:
            lines.append(f"- No {part}: {', '.join(names)}")
    return lines


def _unstable(measured: Sequence[tuple[Project, Parts]]) -> list[str]:
    lines = []
    for project, parts in measured:
        unstable = _unstable_of(parts)
        for why, count in Counter(unstable.values()).items():
            lines.append(f"- {project.name}, {count}: {why}")
            its = [test for test, reason in unstable.items() if reason == why]
            lines += [f"  - `{test[:200]}`" for test in its[:MOST]]
            if count > MOST:
                lines.append(f"  - and {count - MOST} more")
    return lines


def _failed(measured: Sequence[tuple[Project, Parts]]) -> list[str]:
    lines = []
    for project, parts in measured:
        failed = _results(parts).get("collection", {}).get("failed", [])
        if failed:
            lines.append(f"- {project.name}: {', '.join(f'`{node}`' for node in failed)}")
    return lines


def _without_folders(text: str) -> str:
    """A command without the places of this machine."""
    return re.sub(r"(?:/[^\s`/]+)*/(?=[^\s`/])", "", text)
