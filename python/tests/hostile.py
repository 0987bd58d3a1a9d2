"""Suites with a hostile test among peaceful ones, and what must hold of every run of them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from running import Outcomes, Run, journal, outcomes_of, run_dyno, run_pytest, write_suite

__all__ = [
    "IMPORTS",
    "PEACEFUL",
    "hostile_suite",
    "peaceful_outcomes",
    "run_accounted",
    "run_pytest_and_clear",
]

IMPORTS = (
    "import atexit, builtins, ctypes, faulthandler, io, json, locale, os, pickle, resource\n"
    "import signal, socket, struct, subprocess, sys, threading, time\n"
    "import pytest\n"
    "def refuse(*args, **kwargs): raise RuntimeError('refused')\n"
)

# Before and after the hostile ones in pytest's order, so in one worker beside them.
PEACEFUL = {
    f"test_{place}.py": (
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def shared(): return []\n"
        "def test_passes(shared): shared.append(1)\n"
        "def test_fails(shared): assert shared == []\n"
        "def test_writes(tmp_path): (tmp_path / 'file').write_text('x')\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_n(n): pass\n"
        "def test_skips(): pytest.skip('no')\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_xfails(): assert False\n"
    )
    for place in ("a", "z")
}

_TOKEN = "HOSTILE_TOKEN"


def hostile_suite(folder: Path, tests: dict[str, str]) -> None:
    """Write one file for each text, with its imports, among the peaceful ones."""
    files = {
        f"test_h_{index:02}_{name}.py": IMPORTS + text
        for index, (name, text) in enumerate(tests.items())
    }
    write_suite(folder, PEACEFUL | files)


def peaceful_outcomes(folder: Path) -> Outcomes:
    """What pytest says of the peaceful tests alone."""
    write_suite(folder, PEACEFUL)
    return run_pytest(folder, "-p", "no:cacheprovider").outcomes


def run_pytest_and_clear(folder: Path, *args: str) -> Run:
    """Run pytest, and kill what it leaves."""
    os.environ[_TOKEN] = f"{folder}-pytest"
    try:
        return run_pytest(folder, *args)
    finally:
        for pid in _given(os.environ.pop(_TOKEN)):
            os.kill(pid, signal.SIGKILL)


def run_accounted(folder: Path, *args: str) -> Run:
    """Run dyno, and hold it to what must be true whatever the tests do.

    Each collected test that was begun is ended once, the screen counts what the journal
    has, and no process is left.
    """
    token = f"{folder}-{'-'.join(args)}"
    os.environ[_TOKEN] = token
    try:
        got = run_dyno(folder, "-p", "no:cacheprovider", *args)
    finally:
        del os.environ[_TOKEN]
    left = [(Path("/proc") / str(pid) / "cmdline").read_bytes() for pid in _given(token)]
    assert left == [], got.text
    events = journal(folder)
    assert events[-1]["event"] == "run_finished"
    begun = Counter(str(event["test"]) for event in events if event["event"] == "test_started")
    ended = Counter(str(event["test"]) for event in events if event["event"] == "test_finished")
    assert set(begun.values()) <= {1}, begun
    if got.code in (0, 1):
        collected = next(event for event in events if event["event"] == "collected")
        items: list[dict[str, str]] = collected["items"]  # type: ignore[assignment]
        assert ended == begun == Counter(item["id"] for item in items), got.text
    counted = Counter(word for words in outcomes_of(events).values() for word in words)
    shown = got.closing_counts()
    assert {word: shown[word] for word in counted} == dict(counted), got.stdout
    return got


def _given(token: str) -> list[int]:
    """Processes that have the token in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
                if f"{_TOKEN}={token}".encode() in variables:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
