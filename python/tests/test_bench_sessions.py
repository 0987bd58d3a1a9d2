"""The bench's fixtures in whole pytest sessions: scopes, reports, and every road to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from families import alive, wait_gone

pytest_plugins = ["pytester"]

HEAD = """
import os, signal, sys, time
import pytest
import dyno
from dyno import BenchError

sys.path.insert(0, TESTS)
from families import FAMILY, family_ids
""".replace("TESTS", repr(str(Path(__file__).parent)))


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=HEAD + body)
    return pytester.runpytest_subprocess("-p", "dyno.fixtures", *options, timeout=120)


def start(pytester: pytest.Pytester, body: str, name: str = "test_it") -> subprocess.Popen[str]:
    pytester.makepyfile(**{name: HEAD + body})
    # Not pytest's own pipes: those of a killed session may stay open in what it started.
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-sq", "-p", "dyno.fixtures", f"{name}.py"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        cwd=pytester.path,
    )


def line(process: subprocess.Popen[str], begins: str) -> str:
    assert process.stdout is not None
    for text in process.stdout:
        if begins in text:
            return text[text.index(begins) + len(begins) :].strip()
    raise AssertionError(f"it ended without saying {begins!r}")


def test_scopes_end_in_their_time(pytester: pytest.Pytester) -> None:
    body = """
    ids = {}
    def alive(pid):
        return os.path.exists(f"/proc/{pid}")
    @pytest.fixture(scope="module")
    def server(bench_module):
        return bench_module.process(["sleep", "1000"])
    @pytest.fixture(scope="session")
    def etcd(bench_session):
        return bench_session.process(["sleep", "1000"])
    def test_one(bench, server, etcd):
        own = bench.process(["sleep", "1000"])
        ids.update(own=own.pid, server=server.pid, etcd=etcd.pid)
        assert all(map(alive, ids.values()))
    def test_two(server, etcd):
        assert not alive(ids["own"])
        assert (server.pid, etcd.pid) == (ids["server"], ids["etcd"])
        assert alive(server.pid) and alive(etcd.pid)
    """
    other = """
    import test_it
    def test_three(bench_session):
        assert not test_it.alive(test_it.ids["server"])
        assert test_it.alive(test_it.ids["etcd"])
    def test_four(bench, request):
        print("PIDS", *test_it.ids.values())
    """
    pytester.makepyfile(test_other=textwrap.dedent(other))
    result = run(pytester, textwrap.dedent(body), "-s", "test_it.py", "test_other.py")
    result.assert_outcomes(passed=4)
    said = next(text for text in result.outlines if "PIDS" in text)
    assert [pid for pid in said.split("PIDS")[1].rstrip(".").split() if alive(int(pid))] == []


def test_a_failure_shows_the_servers_around_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(scope="module")
def broken(bench_module):
    bench_module.process(["sh", "-c", "echo going down; exit 3"], name="db", ready=dyno.tcp(1))

def test_call(bench):
    bench.process(["sh", "-c", "seq 1000; echo up; exec sleep 1000"], name="web",
                  ready=dyno.log("^up$"))
    dead = bench.process(["sh", "-c", "kill -9 $$"], name="gone")
    dead.wait(30)
    assert False

def test_setup(broken):
    pass

def test_late(bench):
    bench.process(["sleep", "1000"], name="slow", ready=dyno.log("never"), ready_timeout=0.2)

def test_fine(bench):
    bench.process(["sleep", "1000"], name="quiet")
""",
    )
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*server log: db (pid *, exit code 3)*",
            "going down",
            "*server log: web (pid *, running)*",
            "952",
            "up",
            "*server log: gone (pid *, SIGKILL)*",
            "*server log: slow (pid *, stopped because it was not ready)*",
        ]
    )
    result.stdout.no_fnmatch_line("951")
    result.stdout.no_fnmatch_line("*server log: quiet*")


def test_logs_have_names_of_their_own(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = pytester.path / "run"
    monkeypatch.setenv("DYNO_RUN_DIR", str(run_dir))
    body = """
@pytest.mark.parametrize("x", ["a/b", "a_b", "y" * 300])
def test_it(bench, x):
    for _ in range(2):
        bench.process(["echo", x], name="e/cho").wait(30)
"""
    run(pytester, body).assert_outcomes(passed=3)
    logs = sorted(run_dir.glob("logs/*/*.log"))
    assert len(logs) == 6, "no two processes share a file"
    assert {log.read_text().strip() for log in logs} == {"a/b", "a_b", "y" * 300}
    assert all(log.name.startswith("e_cho") for log in logs)
    monkeypatch.delenv("DYNO_RUN_DIR")
    base = pytester.path / "base"
    run(pytester, body, f"--basetemp={base}").assert_outcomes(passed=3)
    assert len(list(base.glob("dyno-logs/*/*.log"))) == 6


def test_it_works_under_xdist(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    result = run(
        pytester,
        """
@pytest.mark.parametrize("x", range(6))
def test_it(bench, x):
    port = bench.port()
    bench.process([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
                  ready=dyno.tcp(port))
""",
        "-n2",
    )
    result.assert_outcomes(passed=6)


def test_two_sessions_never_have_the_same_port(pytester: pytest.Pytester) -> None:
    body = """
def test_it(bench):
    print("PORTS", *bench.ports(200), flush=True)
    sys.stdin.readline()
"""
    sessions = [start(pytester, body, f"test_{number}") for number in range(2)]
    ports = [line(session, "PORTS").split() for session in sessions]
    for session in sessions:
        session.communicate("\n", timeout=60)
        assert session.returncode == 0
    assert len({port for each in ports for port in each}) == 400


HELD = """
def test_it(bench):
    server = bench.process(["sh", "-c", FAMILY], stop_timeout=0.5)
    plain = bench.process(["sleep", "1000"])
    ids = family_ids(server.log_path)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    print("PIDS", *ids, plain.pid, flush=True)
    print("CHILD", child, flush=True)
    sys.stdin.readline()
    assert False, "stop here"
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_session_leaves_no_server(pytester: pytest.Pytester, sign: int) -> None:
    """Not even where a forked child still holds the socket to the agent."""
    session = start(pytester, HELD)
    pids = [int(word) for word in line(session, "PIDS").split()]
    child = int(line(session, "CHILD"))
    try:
        assert len(pids) == 5
        assert all(alive(pid) for pid in pids)
        session.send_signal(sign)
        assert wait_gone(pids, 60) == []
    finally:
        os.kill(child, signal.SIGKILL)
        session.communicate(timeout=60)


def test_a_lost_agent_is_named_and_hangs_nobody(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_it(bench):
    process = bench.process(["sleep", "1000"])
    stat = open(f"/proc/{process.pid}/stat").read()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    with pytest.raises(BenchError, match="the dyno agent is gone"):
        process.wait(60)
    with pytest.raises(BenchError, match="the dyno agent is gone"):
        bench.port()

def test_the_next_has_a_new_one(bench):
    assert bench.process(["true"]).wait(30) == 0
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*BenchError: the dyno agent is gone*"])


def test_a_missing_command_is_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNO_BINARY", str(Path("/nowhere/dyno")))
    result = run(pytester, "def test_it(bench): bench.port()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DYNO_BINARY names /nowhere/dyno, which is no program"])


def test_without_use_no_agent_is_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNO_BINARY", "/nowhere/dyno")
    run(pytester, "def test_it(bench, bench_module, bench_session): pass").assert_outcomes(passed=1)


def test_warnings_as_errors_find_nothing(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "def test_it(bench): assert bench.process(['true']).wait(30) == 0",
        "-Werror",
        # pytest-asyncio, where it is there, warns of an ini setting that this suite has no use for.
        "-pno:asyncio",
        "-Wdefault::ResourceWarning",
    )
    result.assert_outcomes(passed=1)
    assert "Warning" not in result.stdout.str() + result.stderr.str()
