"""Runs pytest and dyno on a suite and takes down what each said of every test."""

from __future__ import annotations

import ast
import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# What a test's reports were counted as, such as `("passed",)` or `("failed", "error")`.
Outcomes = dict[str, tuple[str, ...]]

DYNO = os.environ.get("DYNO_BINARY") or os.path.join(sysconfig.get_path("scripts"), "dyno")

# Long enough for a loaded machine; a run that takes this long hangs.
TIMEOUT = 120

# It holds what it needs, for a test may replace or empty anything.
_RECORDER = """
import os, pytest

reports = {}
path, open_file, write, close = os.environ["RECORDER_FILE"], os.open, os.write, os.close
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
text = repr

def pytest_runtest_logreport(report):
    config = recorder_config
    category = config.hook.pytest_report_teststatus(report=report, config=config)[0]
    if category:
        reports.setdefault(report.nodeid, []).append(category)

def pytest_configure(config):
    global recorder_config
    recorder_config = config

@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config):
    file = open_file(path, flags, 0o600)
    write(file, text(reports).encode())
    close(file)
"""


@dataclass
class Run:
    """One finished run."""

    code: int
    stdout: str
    stderr: str
    outcomes: Outcomes = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def closing_counts(self) -> Counter[str]:
        """The counts of pytest's closing line."""
        lines = [line for line in self.stdout.splitlines() if re.search(r" in \d", line)]
        counts: Counter[str] = Counter()
        for number, word in re.findall(r"(\d+) ([a-z]+)", lines[-1].rpartition(" in ")[0]):
            counts[word.removesuffix("s")] += int(number)
        return counts


def write_suite(folder: Path, files: dict[str, str]) -> None:
    """Write a suite; a root directory is marked by an empty `pytest.ini` unless given."""
    for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@functools.cache
def temproot() -> str:
    """Where the runs of this process have their temporary folders: pytest sessions that end at one
    moment stumble over each other's (`cleanup_dead_symlinks`)."""
    folder = tempfile.mkdtemp(prefix="dyno-runs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(**more: str) -> dict[str, str]:
    """An environment in which a nested run does not see the one that it is nested in."""
    nested = ("PYTEST_", "DYNO_", "COLUMNS", "CI", "BUILD_NUMBER")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(nested)}
    own = {"DYNO_BINARY": DYNO, "PYTEST_DEBUG_TEMPROOT": temproot()}
    return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1", **more}


def run_pytest(folder: Path, *args: str, timeout: float = TIMEOUT) -> Run:
    """Run plain pytest in ``folder``."""
    plugin = Path(tempfile.mkdtemp(prefix="recorder-"))
    (plugin / "outcome_recorder.py").write_text(_RECORDER)
    file = plugin / "outcomes.json"
    done = _run(
        [sys.executable, "-m", "pytest", "-p", "outcome_recorder", *args],
        folder,
        environment(RECORDER_FILE=str(file), PYTHONPATH=_join(str(plugin))),
        timeout,
    )
    reports = ast.literal_eval(file.read_text()) if file.exists() else {}
    shutil.rmtree(plugin)
    done.outcomes = {test: tuple(categories) for test, categories in reports.items()}
    return done


def run_dyno(folder: Path, *args: str, timeout: float = TIMEOUT) -> Run:
    """Run `dyno test` in ``folder`` and read its journal."""
    command = [DYNO, "test", "--python", sys.executable, *args]
    done = _run(command, folder, environment(), timeout)
    done.outcomes = outcomes_of(journal(folder))
    return done


def start_dyno(folder: Path, *args: str) -> subprocess.Popen[str]:
    """Start `dyno test` in a process group of its own."""
    return subprocess.Popen(
        [DYNO, "test", "--python", sys.executable, *args],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _join(folder: str) -> str:
    return os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def _run(command: list[str], folder: Path, env: dict[str, str], timeout: float) -> Run:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"{command} hangs:\n{stdout}\n{stderr}") from None
    return Run(process.returncode, stdout, stderr)


def journal(folder: Path) -> list[dict[str, object]]:
    """The events of the latest run under ``folder``."""
    path = folder / ".dyno" / "latest" / "journal.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()[1:]
    return [json.loads(line) for line in lines if line.endswith("}")]


def outcomes_of(events: list[dict[str, object]]) -> Outcomes:
    outcomes: dict[str, list[str]] = {}
    for event in events:
        if event["event"] == "reported":
            report: dict[str, object] = event["report"]  # type: ignore[assignment]
            status: dict[str, str | None] = report["status"]  # type: ignore[assignment]
            if status["category"]:
                outcomes.setdefault(str(report["test"]), []).append(status["category"])
    return {test: tuple(categories) for test, categories in outcomes.items()}


def last_start(journal: Path) -> str:
    """The event of the test that began last, as a line of a journal; empty where none has."""
    starts = [line for line in journal.read_text().splitlines() if '"test_started"' in line]
    return starts[-1] if starts else ""
