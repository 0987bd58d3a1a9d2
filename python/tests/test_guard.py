"""A server that dies fails the test that uses it, at once, wherever that waits."""

from __future__ import annotations

import sys
import textwrap
import time

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import asyncio, os, signal, socket, subprocess, sys, threading, time
import pytest
import dyno

def server(bench, **options):
    script = "echo up; exec sleep 1000"
    options.setdefault("ready", dyno.log("up"))
    return bench.process(["sh", "-c", script], name="server", **options)

def kill_later(process):
    # A child of its own does it: the test itself is waiting.
    return subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {process.pid}"])
"""

ENDED = 'E *the server "server" ended while the test ran: SIGKILL'


def outcomes(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    """Run tests that would take 100 seconds if nothing came between."""
    pytester.makepyfile(test_it=HEAD + textwrap.dedent(body))
    began = time.monotonic()
    result = pytester.runpytest_subprocess("-p", "dyno.fixtures", *options, timeout=90)
    assert time.monotonic() - began < 60
    return result


RETRIES = """
    for _ in range(1000):
        try:
            socket.create_connection(('127.0.0.1', 1))
        except Exception:
            time.sleep(0.1)
"""

WAITS = {
    "sleep": "time.sleep(100)",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "socket": "a, b = socket.socketpair(); a.recv(1)",
    "process": "subprocess.run(['sleep', '100'])",
    "retries": RETRIES,
    "another server": "bench.process(['sleep', '100'], ready=dyno.tcp(1), ready_timeout=100)",
    "log": "bench.process(['sleep', '100']).wait_for_log('never', timeout=100)",
    "asyncio": "asyncio.run(asyncio.sleep(100))",
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_death_is_told_at_once(pytester: pytest.Pytester, wait: str) -> None:
    body = f"""
def test_it(bench):
    process = server(bench)
    killer = kill_later(process)
    {WAITS[wait]}

def test_next(bench):
    assert server(bench).is_running()
"""
    result = outcomes(pytester, body)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([ENDED, "E *the end of its log:", "E *up"])


def test_a_death_in_a_coroutine_that_waits_for_another_server(pytester: pytest.Pytester) -> None:
    body = """
def test_it(bench):
    async def waits():
        process = server(bench)
        killer = kill_later(process)
        await bench.aio.process(["sleep", "100"], ready=dyno.tcp(1), ready_timeout=100)
    asyncio.run(waits())
"""
    result = outcomes(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([ENDED])


def test_ends_that_are_meant_fail_nothing(pytester: pytest.Pytester) -> None:
    body = """
@pytest.mark.parametrize("end", [
    lambda one: one.stop(),
    lambda one: one.kill(),
    lambda one: (one.signal(signal.SIGTERM), one.wait(60)),
    lambda one: (one.signal(signal.SIGKILL), one.wait(60)),
    lambda one: one.restart(),
    lambda one: (one.expect_end(), os.kill(one.pid, 9), one.wait(60)),
])
def test_it(bench, end):
    process = server(bench)
    end(process)
    time.sleep(0.2)

def test_no_guard(bench):
    process = server(bench, guard=False)
    os.kill(process.pid, 9)
    while process.is_running():
        pass
    time.sleep(0.2)

def test_a_command_is_no_server(bench):
    process = bench.process(["sh", "-c", "exit 3"])
    assert process.wait(60) == 3
    time.sleep(0.2)

def test_whoever_waits_is_told_there(bench):
    process = server(bench)
    killer = kill_later(process)
    with pytest.raises(dyno.ProcessFailed, match="SIGKILL"):
        process.wait_for_log("never", timeout=100)

def test_one_that_restarts_is_guarded_again(bench):
    process = server(bench)
    process.restart()
    killer = kill_later(process)
    with pytest.raises(pytest.fail.Exception, match="SIGKILL"):
        time.sleep(100)
"""
    # The last fails all the same: it has swallowed what failed it.
    outcomes(pytester, body).assert_outcomes(passed=9, failed=1)


def test_a_command_may_be_guarded(pytester: pytest.Pytester) -> None:
    body = """
def test_it(bench):
    process = bench.process(["sh", "-c", "sleep 0.3; exit 3"], name="command", guard=True)
    time.sleep(100)
"""
    result = outcomes(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['E *the server "command" ended while the test ran: exit code 3'])


def test_a_death_in_set_up_is_an_error_there(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def slow(bench):
    killer = kill_later(server(bench))
    time.sleep(100)

def test_it(slow):
    pass
"""
    result = outcomes(pytester, body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([ENDED])


def test_only_tests_that_use_the_server_fail(pytester: pytest.Pytester) -> None:
    body = """
IDS = []

@pytest.fixture(scope="module")
def shared(bench_module):
    process = server(bench_module)
    IDS.append(process.pid)
    return process

def test_a_uses_it(shared):
    assert shared.is_running()

def test_b_does_not():
    os.kill(IDS[0], 9)
    time.sleep(0.3)

def test_c_uses_it(shared):
    time.sleep(100)
"""
    result = outcomes(pytester, body)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['E *the server "server" had ended before the test ran: SIGKILL'])


def test_one_that_was_started_again_between_two_tests_fails_nothing(
    pytester: pytest.Pytester,
) -> None:
    body = """
@pytest.fixture(scope="module")
def shared(bench_module):
    return server(bench_module)

@pytest.fixture
def healthy(shared):
    if not shared.is_running():
        shared.restart()
    yield shared
    os.kill(shared.pid, 9)
    time.sleep(0.3)

def test_a(healthy):
    assert healthy.is_running()

def test_b(healthy):
    assert healthy.is_running()
"""
    outcomes(pytester, body).assert_outcomes(passed=2)


def test_under_xdist_and_with_a_handler_of_the_test_s_own(pytester: pytest.Pytester) -> None:
    body = """
def test_it(bench):
    process = server(bench)
    killer = kill_later(process)
    time.sleep(100)

def test_a_handler(bench):
    before = signal.signal(signal.SIGURG, lambda *_: None)
    try:
        process = server(bench)
        os.kill(process.pid, 9)
        time.sleep(0.5)
    finally:
        signal.signal(signal.SIGURG, before)
"""
    outcomes(pytester, body, "-n", "2").assert_outcomes(failed=2)


def test_nothing_is_left_of_it(pytester: pytest.Pytester) -> None:
    body = """
def test_it(bench):
    server(bench)
"""
    path = pytester.makepyfile(test_it=HEAD + body)
    script = f"""
import signal, pytest
assert pytest.main(["-q", "-p", "dyno.fixtures", "-p", "no:cacheprovider", {str(path)!r}]) == 0
assert signal.getsignal(signal.SIGURG) == signal.SIG_DFL, signal.getsignal(signal.SIGURG)
"""
    assert pytester.run(sys.executable, "-c", script, timeout=90).ret == 0
