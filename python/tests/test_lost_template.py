"""A template that is killed while tests run: its workers go on, and another takes its place."""

from __future__ import annotations

import os
import signal
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from families import wait_gone
from hostile import IMPORTS, hostile_suite, run_accounted
from running import Outcomes, journal, run_pytest, start_dyno, write_suite

PATIENCE = 60.0

KILLERS = {
    "killed": "def test_kills(): os.kill(os.getppid(), signal.SIGKILL)\n",
    "ended": "def test_kills(): os.kill(os.getppid(), signal.SIGTERM)\n",
    "twice": (
        "def test_kills(): os.kill(os.getppid(), signal.SIGKILL)\n"
        "def test_kills_again():\n"
        "    if 'keeper' not in open(f'/proc/{os.getppid()}/cmdline').read():\n"
        "        os.kill(os.getppid(), signal.SIGKILL)\n"
    ),
}


def pytests_outcomes(folder: Path, how: str) -> Outcomes:
    """What pytest says where the hostile tests are harmless: its parent is whoever runs it."""
    hostile_suite(folder, {how: "def nothing(*args): pass\n" + KILLERS[how]})
    for path in folder.glob("test_h_*.py"):
        path.write_text(path.read_text().replace("os.kill(", "nothing("))
    return run_pytest(folder, "-p", "no:cacheprovider", f"--junitxml={folder}/out.xml").outcomes


def cases(file: Path) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    """The cases of a JUnit file, with what each holds but for what was captured."""
    found = ElementTree.parse(file).getroot().iter("testcase")
    return sorted(
        (case.get("classname"), case.get("name"), tuple(part.tag for part in case))
        for case in found
    )


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("how", KILLERS)
def test_every_test_has_the_outcome_that_it_has_without(
    tmp_path: Path, how: str, workers: str
) -> None:
    folder = tmp_path / "suite"
    expected = pytests_outcomes(folder, how)
    assert f"test_h_00_{how}.py::test_kills" in expected
    hostile_suite(folder, {how: KILLERS[how]})
    got = run_accounted(folder, "-n", workers, f"--junitxml={tmp_path}/out.xml")
    assert got.outcomes == expected
    assert got.code == 1
    assert f"test_h_00_{how}.py::test_kills" in got.stdout.partition("LOST TEMPLATES")[2]
    # The session's plugins know the tests that ran before it, too.
    assert cases(tmp_path / "out.xml") == cases(folder / "out.xml")


def test_a_stopped_template_goes_on(tmp_path: Path) -> None:
    text = "def test_stops(): os.kill(os.getppid(), signal.SIGSTOP)\n"
    hostile_suite(tmp_path, {"stops": text})
    got = run_accounted(tmp_path, "-n", "2")
    assert got.outcomes["test_h_00_stops.py::test_stops"] == ("passed",)
    assert got.code == 1 and "LOST TEMPLATES" not in got.stdout


def test_a_worker_that_crashes_without_its_template_is_told(tmp_path: Path) -> None:
    """The keeper, to which it fell, says how it ended."""
    text = (
        "def test_kills():\n"
        "    parent = os.getppid()\n"
        "    os.kill(parent, signal.SIGKILL)\n"
        "    while os.getppid() == parent: os.sched_yield()\n"
        "def test_crashes(): os.abort()\n"
        "def test_after(): pass\n"
    )
    write_suite(tmp_path, {"test_h.py": IMPORTS + text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.outcomes == {
        "test_h.py::test_kills": ("passed",),
        "test_h.py::test_crashes": ("failed",),
        "test_h.py::test_after": ("passed",),
    }
    assert "died with SIGABRT" in got.stdout


def test_a_suite_that_kills_every_template_ends(tmp_path: Path) -> None:
    text = (
        "@pytest.mark.parametrize('n', range(9))\n"
        "def test_kills(n): os.kill(os.getppid(), signal.SIGKILL); os.abort()\n"
    )
    write_suite(tmp_path, {"test_h.py": IMPORTS + text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.code == 3, got.text
    assert set(got.outcomes.values()) == {("failed",)}
    assert "no worker can be forked any more" in got.stdout


def test_a_test_that_is_not_collected_again_is_named_and_not_passed_over(tmp_path: Path) -> None:
    text = (
        "def test_kills(): os.kill(os.getppid(), signal.SIGKILL); os.abort()\n"
        "@pytest.mark.parametrize('pid', [os.getpid()])\n"
        "def test_other(pid): pass\n"
    )
    write_suite(tmp_path, {"test_h.py": IMPORTS + text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.code == 3, got.text
    assert got.outcomes == {"test_h.py::test_kills": ("failed",)}
    assert "were not collected again" in got.stdout and "test_other[" in got.stdout


HANGS = """
import time
def test_hangs():
    with open({started!r}, 'w') as file: file.write('1')
    time.sleep(600)
"""


def test_a_signal_ends_a_run_whose_template_was_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    write_suite(tmp_path, {"test_a.py": HANGS.format(started=str(started))})
    dyno = start_dyno(tmp_path, "-n", "1")
    while not started.exists():
        os.sched_yield()
    pids = {e["event"]: int(str(e["pid"])) for e in journal(tmp_path) if "pid" in e}
    os.kill(pids["template_started"], signal.SIGKILL)
    while not any(event["event"] == "template_lost" for event in journal(tmp_path)):
        os.sched_yield()
    os.kill(dyno.pid, signal.SIGINT)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2, stdout
    assert wait_gone(pids.values(), 30) == []


def test_a_killed_keeper_ends_the_run_and_nothing_is_left(tmp_path: Path) -> None:
    text = (
        "def test_before(): pass\n"
        "def test_kills():\n"
        "    template = os.getppid()\n"
        "    stat = open(f'/proc/{template}/stat').read()\n"
        "    keeper = int(stat.rpartition(')')[2].split()[1])\n"
        "    assert 'keeper' in open(f'/proc/{keeper}/cmdline').read()\n"
        "    os.kill(keeper, signal.SIGKILL)\n"
        "    time.sleep(600)\n"
    )
    write_suite(tmp_path, {"test_h.py": IMPORTS + text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.code == 3, got.text
    assert got.outcomes == {"test_h.py::test_before": ("passed",)}


def test_a_worker_whose_template_and_keeper_are_killed_ends_as_it_would(tmp_path: Path) -> None:
    text = (
        "def kill_parent():\n"
        "    parent = os.getppid()\n"
        "    os.kill(parent, signal.SIGKILL)\n"
        "    while os.getppid() == parent: os.sched_yield()\n"
        "def test_kills():\n"
        "    kill_parent()\n"
        "    while 'template_lost' not in open('.dyno/latest/journal.jsonl').read():\n"
        "        os.sched_yield()\n"
        "    kill_parent()\n"
        "def test_after(): pass\n"
    )
    write_suite(tmp_path, {"test_h.py": IMPORTS + text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.code == 0, got.text
    assert got.outcomes == {f"test_h.py::test_{name}": ("passed",) for name in ("kills", "after")}
    ends = [event for event in journal(tmp_path) if event["event"] == "worker_ended"]
    assert [(end["exit"], end["failure"]) for end in ends] == [({"code": 0}, None)]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor: no template has siblings")
@pytest.mark.parametrize("numbers", [range(30), [0], [29]])
def test_a_template_that_shares_the_import_is_replaced_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: list[int]
) -> None:
    """Whichever it is, and also where each of them is killed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "suite"
    files = {f"test_{n}.py": f"def test_{n}(): pass\ndef test_more(): pass\n" for n in range(30)}
    # Once each, or the third loss would end the run.
    kills = (
        "import os, signal\n"
        "def test_kills():\n"
        "    path = f'../killed.{os.getppid()}'\n"
        "    if len([name for name in os.listdir('..') if name.startswith('killed.')]) < 2:\n"
        "        if b'keeper' not in open(f'/proc/{os.getppid()}/cmdline', 'rb').read():\n"
        "            open(path, 'w').close()\n"
        "            os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    files |= {f"test_{n}.py": files[f"test_{n}.py"] + kills for n in numbers}
    write_suite(folder, files)
    got = run_accounted(folder, "-n", "2")
    assert got.code == 0, got.text
    assert len(got.outcomes) == 60 + len(numbers)
    assert "LOST TEMPLATES" in got.stdout
