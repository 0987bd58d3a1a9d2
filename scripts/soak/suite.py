"""The suite that is soaked: every kind of thing that a test may start, in a second or three.

What each test comes to is told by its name, so whoever reads an outcome knows whether it is
right: `test_fails_x` fails, `test_broken_x` has an error in its set-up, and so on.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

__all__ = ["SHARES_A_SERVER", "expected_outcome", "write_suite"]

_OUTCOMES = {
    "fails": ("failed",),
    "broken": ("error",),
    "late": ("passed", "error"),
    "skips": ("skipped",),
    "xfails": ("xfailed",),
}

#: What the names of tests have in them that share a server with others.
SHARES_A_SERVER = "with_shared_server"


def expected_outcome(test: str) -> tuple[str, ...]:
    """What a test comes to that nobody disturbs."""
    word = test.partition("::test_")[2].partition("_")[0]
    return _OUTCOMES.get(word, ("passed",))


_CONFTEST = '''
import os, select, signal, socket, subprocess, sys
import pytest

_SERVER = """
import os, signal, socket, sys
port, kind = int(sys.argv[1]), sys.argv[2]
if kind == "deaf":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
if kind == "daemon":
    if os.fork(): signal.pause()
    os.setsid()
    if os.fork(): os._exit(0)
listener = socket.create_server(("127.0.0.1", port))
print("up", flush=True)
if kind == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    client, _ = listener.accept()
    client.sendall(b"hello")
    client.close()
"""

def wait(seconds):
    """Wait on a pipe that nobody writes to."""
    reading, writing = os.pipe()
    select.select([reading], [], [], seconds)
    os.close(reading)
    os.close(writing)

def server_command(port, kind="plain"):
    return [sys.executable, "-SEc", _SERVER, str(port), kind]

def start_server(port, kind="plain"):
    server = subprocess.Popen(server_command(port, kind), stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"up\\n"
    return server

def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert client.recv(5) == b"hello"

@pytest.fixture
def breaks():
    raise RuntimeError("broken")

@pytest.fixture
def breaks_late():
    yield
    raise RuntimeError("late")
'''

_UNITS = """
import pytest
from conftest import wait

@pytest.fixture(scope="module")
def noted():
    return []

@pytest.mark.parametrize("n", range(3))
def test_n(n, tmp_path):
    (tmp_path / "file").write_text(str(n))
    wait(0.03)

def test_fails_here(): assert 1 == 2
def test_broken_here(breaks): pass
def test_late_here(breaks_late): pass
@pytest.mark.skip(reason="not here")
def test_skips_here(): pass
@pytest.mark.xfail(reason="known")
def test_xfails_here(): assert False
def test_notes(noted): noted.append(1)
def test_notes_more(noted): assert noted == [1]; wait(0.1)
"""

_SERVERS = """
import os, subprocess, sys
import pytest
import dyno
from conftest import ask, server_command, start_server, wait

pytestmark = [MARKS]

@pytest.fixture(scope="module")
def shared_server(bench_module):
    port = bench_module.port()
    bench_module.process(server_command(port), name="shared", ready=dyno.tcp(port))
    return port

@pytest.fixture
def server(bench):
    port = bench.port()
    server = start_server(port)
    yield port
    server.kill()
    server.wait()
    server.stdout.close()

def test_by_subprocess(server):
    ask(server)
    wait(0.15)

def test_by_bench(bench):
    ports = bench.ports(3)
    for port in ports[:2]:
        bench.process(server_command(port), name="web", ready=dyno.tcp(port))
    ask(ports[0])
    wait(0.15)

def test_with_shared_server(shared_server): ask(shared_server)
def test_with_shared_server_again(shared_server): ask(shared_server); wait(0.1)
def test_deaf(bench):
    port = bench.port()
    command = server_command(port, "deaf")
    bench.process(command, name="deaf", ready=dyno.log("up"), stop_timeout=0.1)
    ask(port)

def test_daemon_of_bench(bench):
    port = bench.port()
    bench.process(server_command(port, "daemon"), name="daemon", ready=dyno.log("up"))
    ask(port)

def test_broken_with_a_server(server, breaks): pass
"""

# Behind walls it is looked for two seconds whether such a one ends by itself.
_LEAVES = """
def test_daemon_that_is_left(bench):
    port = bench.port()
    start_server(port, "daemon").kill()
"""

# They take a sandbox each, and show nothing behind walls that others do not.
_SHARED_ALONE = """
def test_fails_with_shared_server(shared_server): ask(shared_server); assert False

def test_stopped(bench):
    bench.process(server_command(bench.port(), "stopped"), name="stopped", ready=dyno.log("up"),
                  stop_timeout=0.1)
    wait(0.1)

def test_fails_with_a_server(bench):
    port = bench.port()
    bench.process(server_command(port), name="web", ready=dyno.tcp(port))
    assert False
"""

_SEALED = """
import pathlib
from conftest import PORT

def test_files():
    paths = [pathlib.Path(folder, "soak-file") for folder in ("/tmp", "/dev/shm")]
    for path in paths:
        path.write_text("x" * 100000)
    wait(0.1)
    for path in paths:
        path.unlink()

@pytest.mark.parametrize("n", range(2))
def test_the_same_port(n):
    server = start_server(PORT)
    ask(PORT)
    wait(0.1)
    server.kill()
    server.wait()
    server.stdout.close()
"""


def write_suite(folder: Path, files: int, walls: bool) -> None:
    """Write the suite with so many files of one test besides: from two dozen test files on,
    several templates share the import. Without ``walls`` without what needs them."""
    units = {f"test_units_{n}.py": _UNITS for n in range(2)}
    servers = _SERVERS.replace("MARKS", "") + _LEAVES + _SHARED_ALONE
    sealed = _SERVERS.replace("MARKS", "pytest.mark.e2e") + (_SEALED if walls else "")
    sealed += _LEAVES if files else ""
    small = {f"test_small_{n}.py": "def test_small(): pass\n" for n in range(files)}
    texts = {
        "pytest.ini": "[pytest]\nmarkers = e2e\n",
        "conftest.py": textwrap.dedent(_CONFTEST) + "\nPORT = 8000\n",
        "test_behind_walls.py": sealed,
        "test_servers.py": servers,
        **units,
        **small,
    }
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
