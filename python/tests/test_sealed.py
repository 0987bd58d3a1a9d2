"""Sealed tests: each unit in a world of its own, with pytest's outcomes. Promises 3 and 4."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from families import PATIENCE, alive_with, children_of, wait_until
from running import (
    DYNO,
    TIMEOUT,
    environment,
    journal,
    run_dyno,
    run_pytest,
    start_dyno,
    write_suite,
)

NAMESPACES = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork"]


def can_be_sealed() -> bool:
    """Whether this machine lets somebody make namespaces at all. Some containers do not."""
    made = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, check=False)
    return made.returncode == 0


pytestmark = pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")

INI = "[pytest]\nmarkers = e2e\n"


# All hold what they made until all have it.
SIDE_BY_SIDE = """
import os, pathlib, socket, time, pytest
pytestmark = pytest.mark.e2e

@pytest.mark.parametrize("n", range(8))
def test_n(n):
    server = socket.create_server(("127.0.0.1", 8000))
    other = socket.create_server(("0.0.0.0", 2379))
    name = socket.socket(socket.AF_UNIX)
    name.bind("\\0dyno test")
    for place in ("/dev/shm/sealed-x", "/tmp/sealed-x"):
        with open(place, "x") as file:
            file.write(str(n))
    pathlib.Path(f"there-{n}").touch()
    deadline = time.monotonic() + 60
    while len(list(pathlib.Path().glob("there-*"))) < 8:
        assert time.monotonic() < deadline
        os.sched_yield()
    assert pathlib.Path("/tmp/sealed-x").read_text() == str(n)
    with socket.create_connection(("127.0.0.1", 8000)) as client:
        assert server.accept()[1] == client.getsockname()
"""


def test_the_same_ports_and_files_side_by_side(tmp_path: Path) -> None:
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": SIDE_BY_SIDE})
    got = run_dyno(tmp_path, "-n", "8")
    assert got.closing_counts() == {"passed": 8}, got.text
    assert "MISSING WALLS" not in got.stdout
    assert not Path("/tmp/sealed-x").exists()
    assert not Path("/dev/shm/sealed-x").exists()
    assert list((tmp_path / ".dyno" / "latest").glob("sandboxes/*")) == []


CONFTEST = """
import os, pathlib, tempfile, pytest
made = tempfile.mkdtemp()

@pytest.fixture(scope="module")
def shared():
    yield []

@pytest.fixture
def breaks():
    yield
    raise RuntimeError("torn")
"""

OUTCOMES = """
import os, pathlib, socket, sys, pytest
import conftest
pytestmark = pytest.mark.e2e

def test_shares(shared): shared.append(1)
def test_shares_too(shared): assert shared == [1]
def test_fails(): assert os.getcwd() == "elsewhere"
def test_skips(): pytest.skip("today")
@pytest.mark.xfail(strict=True)
def test_xfails(): assert False
def test_broken_teardown(breaks): pass
def test_what_a_conftest_made(tmp_path):
    pathlib.Path(conftest.made, "file").write_text("x")
    (tmp_path / "file").write_text("kept")
def test_hostname(): socket.gethostbyname(socket.gethostname())
def test_own_address():
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.connect(("192.0.2.1", 9))
    assert not probe.getsockname()[0].startswith("127.")
def test_processes(): assert os.path.exists(f"/proc/{os.getpid()}/stat")
def test_forbidden(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0)
    if os.geteuid():
        with pytest.raises(PermissionError): (tmp_path / "a").read_text()
@pytest.mark.parametrize("who", ["user"])
def test_identity(who): assert os.stat(".").st_uid == os.geteuid()
"""


def test_outcomes_are_pytests(tmp_path: Path) -> None:
    files = {"pytest.ini": INI, "conftest.py": CONFTEST, "test_a.py": OUTCOMES}
    write_suite(tmp_path, files)
    expected = run_pytest(tmp_path)
    got = run_dyno(tmp_path, "-n", "3")
    assert got.outcomes == expected.outcomes
    assert len(got.outcomes) == 12
    assert got.code == expected.code == 1
    failures = [
        run.stdout.partition("= FAILURES =")[2].partition("short test summary")[0]
        for run in (got, expected)
    ]
    assert "+ " + str(tmp_path) in failures[0]
    assert failures[0] == failures[1]


def test_one_worker_seals_nothing_and_a_rule_decides(tmp_path: Path) -> None:
    own = os.readlink("/proc/self/ns/net")
    text = f"""
import os, pytest
def is_sealed(): return os.readlink("/proc/self/ns/net") != {own!r}
@pytest.mark.e2e
def test_e2e(): assert is_sealed() == (os.environ["PYTEST_XDIST_WORKER_COUNT"] != "1")
def test_plain(): assert not is_sealed()
@pytest.mark.filterwarnings("ignore")
def test_ruled(): assert is_sealed()
"""
    rule = '[[tool.dyno.rules]]\nname = "ruled"\nlane = "sealed"\n'
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text, "pyproject.toml": rule})
    for workers in ("1", "2"):
        got = run_dyno(tmp_path, "-n", workers)
        assert got.closing_counts() == {"passed": 3}, got.text


LEAVES = """
import os, subprocess, sys, pytest
pytestmark = pytest.mark.e2e
def leave(code):
    subprocess.Popen(["sh", "-c", code], env={**os.environ, "LEFT": "%s"}, start_new_session=True)
def test_daemon(): leave("(setsid sleep 1000 &)"); leave("trap '' TERM INT HUP; sleep 1000")
def test_stopped(): leave("kill -STOP $$")
def test_crash(): leave("sleep 1000"); os.abort()
def test_exits(): leave("sleep 1000"); os._exit(0)
"""


def test_nothing_is_left_running(tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": LEAVES % name})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 2, "failed": 2}, got.text
    assert "SIGABRT" in got.stdout
    assert alive_with(f"LEFT={name}") == []


LEAKY = """
import socket, subprocess, sys, pytest
@pytest.fixture(scope="module")
def shared(): pass
@pytest.mark.e2e
def test_clean(shared, tmp_path): (tmp_path / "x").write_text("x")
@pytest.mark.e2e
def test_leaky(shared):
    serve = "import socket, time; s = socket.create_server(('', 8123)); print(flush=True); "
    server = [sys.executable, "-c", serve + "time.sleep(1000)"]
    subprocess.Popen(server, stdout=subprocess.PIPE, start_new_session=True).stdout.readline()
    open("/dev/shm/sealed-left", "w").write("x")
    open("/tmp/sealed-left", "w").write("x")
@pytest.mark.e2e
def test_other(): pass
"""


def test_what_a_test_leaves_is_named(tmp_path: Path) -> None:
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": LEAKY})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 3}, got.text
    section = got.stdout.partition("= LEAKS =")[2].splitlines()[1:5]
    assert section[0] == "test_a.py::test_leaky:"
    assert section[1].startswith("  still ran, and was killed: ")
    assert section[1].endswith("(listens on 8123)")
    assert section[2:] == ["  left in /dev/shm: sealed-left", "  left in /tmp: sealed-left"]
    leaked = [event for event in journal(tmp_path) if event["event"] == "leaked"]
    assert [str(event["leaks"]).count("test_leaky") for event in leaked] == [3]


def test_what_a_failed_test_left_can_be_looked_at(tmp_path: Path) -> None:
    text = (
        "import os, pytest\npytestmark = pytest.mark.e2e\n"
        "def leave(name):\n"
        "    with open(f'/tmp/{name}', 'w') as file: file.write(name)\n"
        "def test_fails(): leave('failed'); assert False\n"
        "def test_dies(): leave('died'); os._exit(3)\n"
        "def test_passes(): leave('passed')\n"
    )
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    run_dyno(tmp_path, "-n", "2")
    kept = (tmp_path / ".dyno" / "latest").glob("sandboxes/gw*/tmp/*")
    assert sorted(path.read_text() for path in kept) == ["died", "failed"]


@pytest.mark.parametrize("where", ["the table", "a rule", "a profile"])
def test_a_leak_may_be_an_error(tmp_path: Path, where: str) -> None:
    text, args = {
        "the table": ('[tool.dyno]\nleaks = "fail"\n', []),
        "a rule": ('[[tool.dyno.rules]]\nname = "leaky"\nleaks = "fail"\n', []),
        "a profile": ('[tool.dyno.profiles.ci]\nleaks = "fail"\n', ["--profile", "ci"]),
    }[where]
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": LEAKY, "pyproject.toml": text})
    got = run_dyno(tmp_path, "-n", "2", "--junitxml=junit.xml", *args)
    assert (got.code, got.closing_counts()) == (1, {"passed": 3, "error": 1}), got.text
    assert got.outcomes["test_a.py::test_leaky"] == ("passed", "error")
    assert "  shm: sealed-left\n" in got.stdout
    assert 'errors="1"' in (tmp_path / "junit.xml").read_text()


HANGS = """
import os, pathlib, subprocess, pytest
@pytest.fixture
def server():
    left = {**os.environ, "LEFT": "%s"}
    process = subprocess.Popen(["sleep", "1000"], env=left, start_new_session=True)
    yield process
    process.kill()
    pathlib.Path("torn-down").write_text("yes\\n")
@pytest.mark.e2e
def test_hangs(server):
    pathlib.Path("up").write_text("yes\\n")
    server.wait()
@pytest.mark.e2e
def test_beside(server):
    pathlib.Path("up-too").write_text("yes\\n")
    server.wait()
"""


def hanging(tmp_path: Path) -> str:
    """A suite whose tests wait for their servers; what these have in their environment."""
    name = uuid.uuid4().hex
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": HANGS % name})
    return f"LEFT={name}"


def both_are_up(folder: Path) -> bool:
    return (folder / "up").exists() and (folder / "up-too").exists()


def test_a_killed_runner_leaves_nothing(tmp_path: Path) -> None:
    left = hanging(tmp_path)
    dyno = start_dyno(tmp_path, "-n", "2")
    try:
        wait_until("the tests start", lambda: both_are_up(tmp_path))
        assert len(alive_with(left)) == 2
    finally:
        dyno.kill()
    wait_until("all are dead", lambda: not alive_with(left))
    dyno.communicate(timeout=PATIENCE)
    assert not (tmp_path / "torn-down").exists()


def test_ctrl_c_tears_down(tmp_path: Path) -> None:
    left = hanging(tmp_path)
    dyno = start_dyno(tmp_path, "-n", "2")
    wait_until("the tests start", lambda: both_are_up(tmp_path))
    dyno.send_signal(signal.SIGINT)
    dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 2
    assert (tmp_path / "torn-down").exists()
    assert alive_with(left) == []


@pytest.mark.parametrize("whom", ["the holder", "the first"])
def test_what_holds_the_walls_up_is_killed(tmp_path: Path, whom: str) -> None:
    """The test behind them dies of it and says so, and no other does."""
    text = (
        HANGS
        + """
@pytest.mark.e2e
def test_after(): pass
"""
    )
    name = uuid.uuid4().hex
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text % name})
    dyno = start_dyno(tmp_path, "-n", "2")
    wait_until("the tests start", lambda: both_are_up(tmp_path))
    holders = [pid for pid, line in children_of(dyno.pid).items() if " sandbox " in line]
    assert len(holders) == 2
    for holder in holders:
        (first,) = children_of(holder)
        os.kill(holder if whom == "the holder" else first, signal.SIGKILL)
    stdout, _ = dyno.communicate(timeout=PATIENCE)
    assert dyno.returncode == 1, stdout
    assert "2 failed, 1 passed" in stdout
    assert stdout.count("died with SIGKILL") >= 2
    assert alive_with(f"LEFT={name}") == []


def test_a_template_that_is_killed_is_replaced_and_sealed_tests_go_on(tmp_path: Path) -> None:
    text = """
import os, pathlib, signal, time, pytest
@pytest.mark.e2e
def test_waits():
    pathlib.Path("up").touch()
    deadline = time.monotonic() + 60
    while not os.path.exists("killed"):
        assert time.monotonic() < deadline
        os.sched_yield()
def test_kills():
    deadline = time.monotonic() + 60
    while not os.path.exists("up"):
        assert time.monotonic() < deadline
        os.sched_yield()
    os.kill(os.getppid(), signal.SIGKILL)
    pathlib.Path("killed").touch()
@pytest.mark.e2e
def test_after(): assert os.path.exists("killed")
"""
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 3}, got.text
    assert any(event["event"] == "template_lost" for event in journal(tmp_path))


def test_what_a_fork_does_not_survive_is_sealed_too(tmp_path: Path) -> None:
    beats = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), name='beats', daemon=True).start()\n"
    )
    text = (
        "import os, socket, threading, pytest\n"
        "@pytest.mark.e2e\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_a(n):\n"
        "    assert 'beats' in [thread.name for thread in threading.enumerate()]\n"
        "    assert os.getpid() < 10\n"
        "    open('/tmp/sealed-y', 'x').close()\n"
    )
    write_suite(tmp_path, {"pytest.ini": INI, "conftest.py": beats, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 2}, got.text
    assert "FRESH INTERPRETERS" in got.stdout


def test_a_timeout_and_a_retry_hold_behind_walls(tmp_path: Path) -> None:
    text = """
import os, threading, pytest
@pytest.mark.e2e
@pytest.mark.timeout(1)
def test_hangs(): threading.Event().wait()
@pytest.mark.e2e
def test_flaky():
    with open("tries", "a") as file: file.write("x")
    open("/tmp/sealed-z", "x").close()
    assert os.path.getsize("tries") > 1
"""
    ini = "[pytest]\nmarkers =\n    e2e\n    timeout\n"
    write_suite(tmp_path, {"pytest.ini": ini, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2", "--retries", "1")
    assert "test_hangs" in got.stdout and "timeout" in got.stdout.lower(), got.text
    counts = got.closing_counts()
    assert counts["failed"] == 1 and counts["flaky"] == 1, got.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_death_behind_walls_is_told_from_others(tmp_path: Path, number: int) -> None:
    text = f"""
import os, pytest
@pytest.mark.e2e
def test_dies(): os.kill(os.getpid(), {int(number)})
@pytest.mark.e2e
def test_lives(): pass
"""
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    got = run_dyno(tmp_path, "-n", "2")
    assert got.closing_counts() == {"passed": 1, "failed": 1}, got.text
    assert f"died with {signal.Signals(number).name}" in got.stdout


# Each finds out whether another runs.
ONE_AT_A_TIME = """
import os, pytest
@pytest.mark.e2e
@pytest.mark.parametrize("n", range(4))
def test_n(n):
    with open("running", "x"):
        for _ in range(1000):
            os.sched_yield()
    os.unlink("running")
"""


@pytest.mark.parametrize(
    ("kinds", "missing"),
    [
        (["net"], ["net: they would share ports"]),
        (["pid"], ["pid: they see each other's processes"]),
        (["net", "mnt", "pid", "ipc", "uts"], ["net: ", "mount: ", "pid: ", "ipc: ", "uts: "]),
    ],
)
def test_walls_that_are_forbidden_are_named_and_done_without(
    tmp_path: Path, kinds: list[str], missing: list[str]
) -> None:
    """In a user namespace that is allowed no further ones."""
    text = ONE_AT_A_TIME if kinds != ["pid"] else SIDE_BY_SIDE
    write_suite(tmp_path, {"pytest.ini": INI, "test_a.py": text})
    forbid = "".join(f"echo 0 > /proc/sys/user/max_{kind}_namespaces; " for kind in kinds)
    shell = [*["unshare", "--user", "--map-root-user", "sh", "-ec"], f'{forbid}exec "$@"', "sh"]
    command = [*shell, DYNO, "test", "--python", sys.executable, "-n", "8"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    section = done.stdout.partition("MISSING WALLS")[2]
    for line in missing:
        assert f"  {line}" in section, done.stdout
    assert "namespace of its own: No space left on device" in section


OUTSIDE = """
import socket, pytest

@pytest.mark.e2e
def test_by_address():
    socket.create_connection(("192.0.2.1", 80), timeout=20)

@pytest.mark.e2e
def test_by_name():
    socket.create_connection(("no-such-host.invalid", 80), timeout=20)

@pytest.mark.e2e
def test_for_another_reason():
    assert not "a reason"

def test_unsealed():
    raise OSError("No route to host")
"""


def test_who_wants_the_outside_is_told_of_the_walls(tmp_path: Path) -> None:
    write_suite(tmp_path, {"pytest.ini": INI, "test_it.py": OUTSIDE})
    run = run_dyno(tmp_path, "-n", "2")
    assert run.closing_counts() == {"failed": 4}, run.text
    assert run.text.count("The test ran sealed: behind its walls") == 2, run.text
    for name in ("test_by_address", "test_by_name"):
        assert f'name = "{name}"\nlane = "own"' in run.text


SERVICES = """
import os, pathlib, subprocess, time, urllib.request, socket
import pytest
pytestmark = pytest.mark.e2e

def answers(what, ask):
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except OSError as error:
            assert time.monotonic() < deadline, (what, error)

@pytest.mark.parametrize("n", range(8))
def test_n(n):
    server = socket.create_server(("127.0.0.1", 8000))
    for place in ("/dev/shm/x", "/tmp/x"):
        with open(place, "x") as file:
            file.write(str(n))
    log = open(os.devnull, "w")
    etcd = subprocess.Popen(["etcd", "--data-dir", "/tmp/etcd"], stdout=log, stderr=log)
    nats = subprocess.Popen(["nats-server", "-js", "-sd", "/tmp/nats"], stdout=log, stderr=log)
    health = answers("etcd", lambda: urllib.request.urlopen("http://127.0.0.1:2379/health").read())
    assert b"true" in health
    greeting = answers("NATS", lambda: socket.create_connection(("127.0.0.1", 4222)).recv(4))
    assert greeting == b"INFO"
    pathlib.Path(f"there-{n}").touch()
    deadline = time.monotonic() + 60
    while len(list(pathlib.Path().glob("there-*"))) < 8:
        assert time.monotonic() < deadline, "the others did not come"
        time.sleep(0.01)
"""


@pytest.mark.skipif(
    not (shutil.which("etcd") and shutil.which("nats-server")),
    reason="etcd and nats-server are not installed (Debian: etcd-server, nats-server)",
)
def test_eight_with_etcd_and_nats_on_their_default_ports(tmp_path: Path) -> None:
    write_suite(tmp_path, {"pytest.ini": INI, "test_it.py": SERVICES})
    run = run_dyno(tmp_path, "-n", "8")
    assert run.closing_counts() == {"passed": 8}, run.text
    # They leave both servers running, which is told and ended.
    assert "LEAKS" in run.text
    run_folder = (tmp_path / ".dyno" / "latest").resolve()
    assert alive_with(f"DYNO_RUN_DIR={run_folder}") == []
