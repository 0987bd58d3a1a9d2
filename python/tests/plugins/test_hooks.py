"""Which hooks run where: those of conftests at every level, and of pytest-xdist."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from running import Run, run_dyno, run_pytest, write_suite
from side_by_side import pair

# Writes down each call of a hook, with the process: `main`, or a worker's name.
RECORDER = """
import os, pytest

def note(hook, what=""):
    where = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with open(os.environ["HOOKS"], "a") as file:
        file.write(f"{where} {LEVEL} {hook} {what}\\n")

def pytest_runtest_protocol(item): note("protocol", item.nodeid)
def pytest_runtest_setup(item): note("setup", item.nodeid)
def pytest_runtest_call(item): note("call", item.nodeid)
def pytest_runtest_teardown(item): note("teardown", item.nodeid)
def pytest_runtest_makereport(item, call): note("makereport", item.nodeid + call.when)
def pytest_pyfunc_call(pyfuncitem): note("pyfunc_call", pyfuncitem.nodeid)
def pytest_fixture_setup(fixturedef, request):
    # One of the session is set up in each worker.
    if fixturedef.scope == "function": note("fixture_setup", fixturedef.argname)
def pytest_exception_interact(node, call, report): note("interact", node.nodeid)
def pytest_assertrepr_compare(op): note("assertrepr", op)
def pytest_runtest_logstart(nodeid): note("logstart", nodeid)
def pytest_runtest_logreport(report): note("logreport", report.nodeid + report.when)
def pytest_runtest_logfinish(nodeid): note("logfinish", nodeid)
@pytest.fixture(autouse=True)
def fixture_LEVEL(): yield
"""


def conftest(level: str) -> str:
    return RECORDER.replace("fixture_LEVEL", f"fixture_{level}") + f"\nLEVEL = '{level}'\n"


LEVELS = {
    "conftest.py": conftest("root"),
    "test_top.py": "def test_top(): pass\n",
    "a/conftest.py": conftest("a"),
    "a/test_a.py": "def test_fails(): assert [1] == [2]\ndef test_passes(): pass\n",
    "a/deep/conftest.py": conftest("deep"),
    "a/deep/test_deep.py": "import pytest\ndef test_skips(): pytest.skip('no')\n",
    "b/conftest.py": conftest("b"),
    "b/test_b.py": "def test_b(): pass\n",
}
TOLD = ("logstart", "logreport", "logfinish")


def calls(file: Path) -> list[list[str]]:
    return [line.split(" ", 3) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_hooks_of_conftests_at_every_level(
    tmp_path: Path, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path, LEVELS)
    monkeypatch.setenv("HOOKS", str(tmp_path / "pytest.log"))
    expected = run_pytest(tmp_path)
    monkeypatch.setenv("HOOKS", str(tmp_path / "dyno.log"))
    got = run_dyno(tmp_path, "-n", workers)
    assert got.outcomes == expected.outcomes
    once = Counter(tuple(call[1:]) for call in calls(tmp_path / "pytest.log"))
    assert {level for level, *_ in once} == {"root", "a", "deep", "b"}
    made = calls(tmp_path / "dyno.log")
    # What runs a test is called where it runs, and what tells of it there and in the template.
    in_workers = Counter(tuple(call[1:]) for call in made if call[0] != "main")
    in_template = Counter(tuple(call[1:]) for call in made if call[0] == "main")
    assert in_workers == once
    told = {call: times for call, times in once.items() if call[1] in TOLD}
    assert in_template == told


# What a suite does that starts a server a worker, as pytest-xdist's documentation shows.
SESSIONS = """
import json, os, pytest

def note(hook, **what):
    where = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with open(os.environ["HOOKS"], "a") as file:
        file.write(json.dumps([where, hook, what]) + "\\n")

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.server = config.workerinput["server"]
    else:
        config.server = "none"
    note("configure", server=config.server)

def pytest_sessionstart(session): note("sessionstart", server=session.config.server)

def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ran"] = [item.nodeid for item in session.items]
    note("sessionfinish", exitstatus=int(exitstatus))

def pytest_unconfigure(config): note("unconfigure")

@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["server"] = "of " + node.gateway.id
    note("configure_node", id=node.gateway.id, count=node.workerinput["workercount"],
         same=node.config is not None)

@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node): note("testnodeready", id=node.gateway.id)

@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    note("testnodedown", id=node.gateway.id, error=error, ran=len(node.workeroutput["ran"]),
         exitstatus=node.workeroutput["exitstatus"])
"""
TESTS = {
    f"test_{n}.py": (
        "import time\n"
        # Long enough for the second worker to get one of them.
        "def test_it(pytestconfig, worker_id):\n"
        "    time.sleep(0.3)\n"
        "    assert pytestconfig.server == 'of ' + worker_id\n"
    )
    for n in range(4)
}


def noted(file: Path) -> list[Any]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    # pytest-xdist may kill a worker that has said its last before it comes so far.
    kept = [line for line in lines if line[1] != "unconfigure" or line[0] == "main"]
    return sorted(kept, key=repr)


def test_sessions_and_nodes_are_those_of_xdist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path, {"conftest.py": SESSIONS, **TESTS})
    monkeypatch.setenv("HOOKS", str(tmp_path / "xdist.log"))
    assert run_pytest(tmp_path, "-n", "2").code == 0
    monkeypatch.setenv("HOOKS", str(tmp_path / "dyno.log"))
    assert run_dyno(tmp_path, "-n", "2").code == 0
    assert noted(tmp_path / "dyno.log") == noted(tmp_path / "xdist.log")


def test_a_node_that_dies_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conftest = (
        "import os, pytest\n"
        "@pytest.hookimpl(optionalhook=True)\n"
        "def pytest_testnodedown(node, error):\n"
        "    with open(os.environ['HOOKS'], 'a') as file:\n"
        "        file.write(f'{error} {hasattr(node, \"workeroutput\")}\\n')\n"
    )
    write_suite(
        tmp_path, {"conftest.py": conftest, "test_a.py": "import os\ndef test_a(): os._exit(1)\n"}
    )
    monkeypatch.setenv("HOOKS", str(tmp_path / "dyno.log"))
    run_dyno(tmp_path, "-n", "1")
    assert (tmp_path / "dyno.log").read_text().splitlines() == ["Not properly terminated False"]


# One that knows nothing of workers: what it starts once it ends once.
START_AND_STOP = """
import os

def note(what):
    with open(os.environ["HOOKS"], "a") as file: file.write(what + "\\n")

def pytest_configure(config):
    note("start")
    config.server = os.getpid()

def pytest_unconfigure(config): note("stop")
"""


def test_what_the_template_configured_is_not_unconfigured_by_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = {f"test_{n}.py": "def test_it(pytestconfig): pytestconfig.server\n" for n in range(4)}
    write_suite(tmp_path, {"conftest.py": START_AND_STOP, **tests})
    monkeypatch.setenv("HOOKS", str(tmp_path / "log"))
    assert run_dyno(tmp_path, "-n", "2").code == 0
    assert (tmp_path / "log").read_text().split() == ["start", "stop"]


def test_what_hooks_of_the_session_print_is_shown_once(tmp_path: Path) -> None:
    conftest = (
        "def pytest_sessionstart(): print('it starts')\n"
        "def pytest_sessionfinish(): print('it ends')\n"
        "def pytest_terminal_summary():\n"
        "    with open('summaries', 'a') as file: file.write('x')\n"
    )
    tests = {f"test_{n}.py": "def test_it(): pass\n" for n in range(4)}
    runs = pair(tmp_path, {"conftest.py": conftest, **tests})
    for said in ("it starts", "it ends"):
        assert runs.got.stdout.count(said) == runs.expected.stdout.count(said) == 1
    assert (runs.dyno / "summaries").read_text() == "x"


def test_a_configure_that_fails_in_a_worker_is_a_warning(tmp_path: Path) -> None:
    conftest = (
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'): raise ValueError('not told')\n"
    )
    write_suite(tmp_path, {"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"})
    got = run_dyno(tmp_path, "-n", "1")
    assert got.outcomes == {"test_a.py::test_a": ("passed",)}
    assert "pytest_configure failed in a worker: ValueError('not told')" in got.stdout


def test_workeroutput_that_cannot_be_sent_fails_the_run(tmp_path: Path) -> None:
    conftest = (
        "def pytest_sessionfinish(session):\n"
        "    if hasattr(session.config, 'workeroutput'):\n"
        "        session.config.workeroutput['f'] = lambda: 1\n"
    )
    write_suite(tmp_path, {"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"})
    got = run_dyno(tmp_path, "-n", "1")
    assert got.code == 3
    assert "workeroutput cannot be sent" in got.text


def header(run: Run) -> str:
    found = re.search("^plugins: .*", run.stdout, re.MULTILINE)
    assert found is not None
    return found[0]


def test_every_plugin_is_loaded_as_under_pytest(tmp_path: Path) -> None:
    runs = pair(tmp_path, {"test_a.py": "def test_a(): pass\n"})
    runs.check()
    names = {part.strip() for part in header(runs.expected).removeprefix("plugins:").split(",")}
    assert len(names) > 12
    got = {part.strip() for part in header(runs.got).removeprefix("plugins:").split(",")}
    assert got == names
