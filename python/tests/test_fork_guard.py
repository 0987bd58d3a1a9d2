"""What a fork does not survive is found where it is, and nowhere else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from dyno import _fork_guard

from running import journal, run_dyno, run_pytest, write_suite


def process(folder: Path, threads: list[str], files: list[str]) -> Path:
    """A folder that looks like ``/proc/PID``."""
    for index, name in enumerate(threads):
        task = folder / "task" / str(index)
        task.mkdir(parents=True)
        (task / "comm").write_text(name + "\n")
    (folder / "fd").mkdir()
    for index, target in enumerate(files):
        (folder / "fd" / str(index)).symlink_to(target)
    return folder


def whats(found: list[dict[str, str]]) -> list[str]:
    return [hazard["what"] for hazard in found if hazard not in OF_WHOEVER_RUNS_THIS]


# pytest-xdist, for one, has a thread beside its tests.
OF_WHOEVER_RUNS_THIS = _fork_guard.hazards(Path("/proc/no-process"))


# As measured: what was started, and whether a fork survives it.
@pytest.mark.parametrize(
    ("threads", "files", "found"),
    [
        (["python3"], ["/dev/null", "socket:[1]"], []),
        (["python3", "python3", "python3"], [], []),
        (["python3", "jemalloc_bg_thd"], [], []),
        (["python3", "tokio-runtime-w", "compute-0"], [], ["thread tokio-runtime-w"]),
        (["python3", "grpc_global_tim", "lifeguard"], [], ["thread grpc_global_tim"]),
        (["python3", "cuda-EvtHandlr"], [], ["thread cuda-EvtHandlr"]),
        (["python3"], ["/dev/nvidia0", "/dev/nvidiactl"], ["/dev/nvidia0", "/dev/nvidiactl"]),
    ],
)
def test_the_table_tells_hazards_from_pools(
    tmp_path: Path, threads: list[str], files: list[str], found: list[str]
) -> None:
    assert whats(_fork_guard.hazards(process(tmp_path, threads, files))) == found


def test_a_thread_of_pythons_is_found_while_it_lives(tmp_path: Path) -> None:
    nothing = process(tmp_path, [], [])
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="keeps running", daemon=True)
    thread.start()
    try:
        assert whats(_fork_guard.hazards(nothing)) == ["Python thread keeps running"]
    finally:
        end.set()
        thread.join()
    assert whats(_fork_guard.hazards(nothing)) == []


def test_a_thread_of_a_controllers_is_let_through(tmp_path: Path) -> None:
    nothing = process(tmp_path, [], [])
    end = threading.Event()
    # As the thread of a module of this name.
    run: dict[str, object] = {"__name__": "pytest_rerunfailures", "wait": end.wait}
    exec("def serve(): wait()", run)
    thread = threading.Thread(target=run["serve"], daemon=True)  # type: ignore[arg-type]
    thread.start()
    try:
        assert whats(_fork_guard.hazards(nothing)) == []
    finally:
        end.set()
        thread.join()


# Its tests find their process forked, or not.
BEATS = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), name='beats', daemon=True).start()
"""


def test_a_template_with_a_thread_is_not_forked(tmp_path: Path) -> None:
    text = (
        "import threading\n"
        "def test_a():\n"
        "    assert 'beats' in [thread.name for thread in threading.enumerate()]\n"
    )
    suite = {"conftest.py": BEATS, "test_a.py": text, "test_b.py": text}
    folder = tmp_path / "suite"
    write_suite(folder, suite)
    expected = run_pytest(folder)
    got = run_dyno(folder, "-n", "2")
    assert (got.outcomes, got.code) == (expected.outcomes, expected.code)
    assert expected.code == 0
    assert "Python thread beats" in got.stdout.partition("FRESH INTERPRETERS")[2]
    assert all(
        "Python thread beats" in str(event["hazards"])
        for event in journal(folder)
        if event["event"] == "worker_started"
    )
    (folder / "conftest.py").write_text("")
    without = run_dyno(folder, "-n", "2")
    assert without.code == 1
    assert "FRESH INTERPRETERS" not in without.stdout


def test_a_fresh_worker_is_a_worker_like_any_other(tmp_path: Path) -> None:
    """Of pytest-xdist's kind in what plugins see, of the template's in what is shown."""
    conftest = (
        BEATS
        + """
import os, pytest
def pytest_configure(config):
    config.asked = getattr(config, 'workerinput', {}).get('workerid')
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line('the end')
@pytest.fixture(scope='session')
def base(tmp_path_factory):
    yield tmp_path_factory.getbasetemp()
    print('session torn down')
"""
    )
    text = """
import os, subprocess, sys
import pytest
def test_where(base, pytestconfig, tmp_path):
    assert base.name == 'popen-' + os.environ['PYTEST_XDIST_WORKER']
    assert tmp_path.parent == base
    assert pytestconfig.asked == os.environ['PYTEST_XDIST_WORKER']
def test_prints():
    print('from', 'python')
    subprocess.run(['echo', 'from a child'], check=True)
    assert [1, 2] == [1, 3]
def test_dies():
    os._exit(7)
@pytest.mark.parametrize('value', range(3))
def test_after(value):
    pass
"""
    suite = tmp_path / "suite"
    write_suite(suite, {"conftest.py": conftest, "test_a.py": text})
    pytest_says = run_pytest(suite, "--deselect", "test_a.py::test_dies", "-k", "not where")
    got = run_dyno(suite, "-n", "1")
    assert got.closing_counts() == {"passed": 4, "failed": 2}, got.stdout
    assert "exit code 7" in got.stdout
    assert got.stdout.count("the end") == 1
    failure = pytest_says.stdout.partition("___ test_prints ___")[2].partition("=== short")[0]
    assert (
        failure.splitlines()[1:8]
        == (got.stdout.partition("___ test_prints ___")[2].splitlines()[1:8])
    )
    for line in ("from python", "from a child"):
        assert line in got.stdout

    live = run_dyno(suite, "-n", "1", "-s", "-k", "prints")
    assert live.stdout.count("from python") == 1
    assert live.stdout.count("session torn down") == 0


def test_a_test_that_is_not_collected_again_fails_and_says_why(tmp_path: Path) -> None:
    text = BEATS + (
        "import os, pytest\n"
        "@pytest.mark.parametrize('value', [os.getpid()])\n"
        "def test_a(value): pass\n"
        "def test_b(): pass\n"
    )
    write_suite(tmp_path, {"test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 1, "error": 1}
    assert "is not in the collection of this worker" in got.stdout


def test_a_worker_that_cannot_collect_says_what_it_met(tmp_path: Path) -> None:
    conftest = BEATS + (
        "import os, pytest\n"
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'):\n"
        "        raise pytest.UsageError('no workers here')\n"
    )
    write_suite(tmp_path, {"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.code == 3
    assert "no workers here" in got.stdout + got.stderr


def test_without_xdist_no_plugin_is_asked_to_be_its_worker(tmp_path: Path) -> None:
    """pytest-randomly, for one, reads there what only pytest-xdist's hooks let it write."""
    conftest = BEATS + (
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'): config.workerinput['seed']\n"
        "def pytest_configure_node(node): node.workerinput['seed'] = 1\n"
    )
    test = "def test_a(pytestconfig): assert pytestconfig.workerinput['workerid'] == 'gw0'\n"
    write_suite(tmp_path, {"conftest.py": conftest, "test_a.py": test})
    with_xdist = run_dyno(tmp_path, "-n", "1")
    assert with_xdist.closing_counts() == {"passed": 1}, with_xdist.text
    conftest = conftest[: conftest.index("def pytest_configure_node")]
    (tmp_path / "conftest.py").write_text(conftest)
    without = run_dyno(tmp_path, "-n", "1", "-p", "no:xdist")
    assert without.closing_counts() == {"passed": 1}, without.text
