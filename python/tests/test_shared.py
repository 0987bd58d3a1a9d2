"""Services that the tests of a run share, from workers and sandboxes alike."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from families import wait_gone, wait_until
from running import run_dyno, run_pytest, start_dyno, write_suite
from test_sealed import can_be_sealed

SUITE = """
import os, pathlib, sys, urllib.request
import pytest
import dyno

COUNTER = '''
import http.server, itertools, pathlib, os, sys
count = itertools.count(1)
class Counter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(next(count)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
with open("started", "a") as file:
    print(os.getpid(), file=file)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Counter).serve_forever()
'''

def counter(bench):
    port = bench.port()
    # What the test that asks first is, is of no matter to the others.
    bench.process([sys.executable, "-c", COUNTER, str(port)], name="counter", ready=dyno.tcp(port))
    return {"url": f"http://127.0.0.1:{port}/"}

@pytest.fixture(scope="module")
def url(bench_module):
    return bench_module.shared("counter", counter)["url"]

def ask(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return int(answer.read())

def note(number):
    with open("numbers", "a") as file:
        print(number, file=file)

@pytest.mark.parametrize("n", range(4))
@pytest.mark.e2e
def test_sealed(url, n):
    note(ask(url))

@pytest.mark.parametrize("n", range(4))
def test_unsealed(url, n):
    note(ask(url))
"""

FILES = {"pytest.ini": "[pytest]\nmarkers = e2e\n", "test_it.py": SUITE}


def ids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "started").read_text().split()]


@pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")
def test_one_service_for_all_on_both_sides_of_the_walls(tmp_path: Path) -> None:
    write_suite(tmp_path, FILES)
    run = run_dyno(tmp_path, "-n", "3")
    assert run.code == 0, run.text
    assert len(ids(tmp_path)) == 1
    numbers = sorted(int(line) for line in (tmp_path / "numbers").read_text().split())
    assert numbers == list(range(1, 9)), "one server has counted all"
    assert wait_gone(ids(tmp_path), 10) == []
    latest = tmp_path / ".dyno" / "latest"
    assert not (latest / "services").exists()
    assert "LEAKS" not in run.text


def test_under_pytest_a_session_has_its_own(tmp_path: Path) -> None:
    write_suite(tmp_path, FILES)
    run = run_pytest(tmp_path, "-q")
    assert run.code == 0, run.text
    assert len(ids(tmp_path)) == 1
    assert wait_gone(ids(tmp_path), 10) == []


DEAD = """
import os, time
import pytest
import dyno
from test_it import counter

@pytest.mark.e2e
@pytest.mark.parametrize("n", range(3))
def test_dead(bench, n):
    bench.shared("counter", counter)
    if n == 0:
        os.kill(int(open("started").read().split()[0]), 9)
        open("killed", "w").close()
    while not os.path.exists("killed"):
        time.sleep(0.01)
    while True:
        bench.shared("counter", counter)
"""


def test_a_dead_service_is_named_by_all_who_ask(tmp_path: Path) -> None:
    write_suite(tmp_path, {**FILES, "test_dead.py": DEAD})
    # In the lane of their own they know the service by its own id.
    rules = '[[tool.dyno.rules]]\npath = "test_dead.py"\nlane = "own"\n'
    (tmp_path / "pyproject.toml").write_text(rules)
    run = run_dyno(tmp_path, "-n", "2", "test_dead.py")
    assert run.code == 1, run.text
    assert run.closing_counts() == {"failed": 3}, run.text
    gone = 'the shared service "counter" is gone: its process "counter" ended: SIGKILL'
    assert run.text.count(gone) >= 3, run.text


WAITS = """
import pytest
from test_it import counter

@pytest.mark.e2e
def test_waits(bench):
    bench.shared("counter", counter)
    import time
    open("waits", "w").close()
    # A signal that comes just before a sleep does not end it: Python looks at it afterwards.
    while True:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_however_the_run_ends_its_services_end_with_it(tmp_path: Path, sign: int) -> None:
    write_suite(tmp_path, {**FILES, "test_waits.py": WAITS})
    process = start_dyno(tmp_path, "-n", "2", "test_waits.py")
    try:
        wait_until("the test runs", (tmp_path / "waits").exists)
        process.send_signal(sign)
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert wait_gone(ids(tmp_path), 20) == []
