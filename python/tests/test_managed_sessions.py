"""`dyno.ManagedProcess` in whole sessions: as a Dynamo suite uses it, under pytest, under
pytest-xdist and under dyno, and by every road to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from families import alive, wait_gone
from running import run_dyno, write_suite
from test_managed_process import SERVER

pytest_plugins = ["pytester"]

HEAD = """
import os, signal, subprocess, sys, time
import pytest
from dyno import ManagedProcess

def say(*pids):
    # In one piece: what is shown of the processes goes between two.
    os.write(1, f"PIDS {' '.join(map(str, pids))}\\n".encode())

def until(met):
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""

# The shape of a Dynamo suite: the services are fixtures, the frontend and the workers are made by
# the tests, and all are ManagedProcesses. What they run is a stand-in.
CONFTEST = f"""
import os, shutil, socket, sys, tempfile
import pytest
from dyno import ManagedProcess

SERVER = {SERVER!r}

def free_port():
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return end.getsockname()[1]

class EtcdServer(ManagedProcess):
    def __init__(self, request, port=2379, timeout=60):
        self.port = port or free_port()
        env = os.environ.copy()
        env["ALLOW_NONE_AUTHENTICATION"] = "yes"
        super().__init__(
            env=env,
            command=[sys.executable, "-c", SERVER, str(self.port), "0"],
            timeout=timeout,
            display_output=False,
            terminate_all_matching_process_names=port != 0,
            health_check_ports=[self.port],
            data_dir=tempfile.mkdtemp(prefix="etcd_"),
            log_dir=request.node.name,
            display_name="etcd",
        )

class NatsServer(ManagedProcess):
    def __init__(self, request, port=4222, timeout=60):
        self.port = port or free_port()
        self._timeout = timeout
        super().__init__(
            command=[sys.executable, "-c", SERVER, str(self.port), "0"],
            timeout=timeout,
            health_check_ports=[self.port],
            health_check_funcs=[self._nats_ready],
            data_dir=tempfile.mkdtemp(prefix="nats_"),
            log_dir=request.node.name,
            display_name="nats-server",
        )

    def _nats_ready(self, timeout=5):
        with socket.create_connection(("localhost", self.port), timeout=min(timeout, 2)):
            return True

    def stop(self):
        self._stop_started_processes()

    def start(self):
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir = tempfile.mkdtemp(prefix="nats_")
        self._start_process()
        elapsed = self._check_ports(self._timeout)
        self._check_funcs(self._timeout - elapsed)

PORTS = (4222, 2379) if os.environ.get("FIXED_PORTS") else (0, 0)

@pytest.fixture
def runtime_services(request):
    with NatsServer(request, port=PORTS[0]) as nats:
        with EtcdServer(request, port=PORTS[1]) as etcd:
            yield nats, etcd
"""

SUITE = """
import logging, os, shutil, signal, sys, time, urllib.request
import pytest
from conftest import SERVER, free_port
from dyno.managed_process import ManagedProcess, terminate_process_tree

pytestmark = [pytest.mark.e2e, pytest.mark.fault_tolerance]
logger = logging.getLogger(__name__)

def say(*pids):
    # In one piece: what is shown of the processes goes between two.
    os.write(1, f"PIDS {' '.join(map(str, pids))}\\n".encode())

def models(response):
    return bool(response.json().get("data"))

class DynamoFrontendProcess(ManagedProcess):
    _logger = logging.getLogger()

    def __init__(self, request, *, frontend_port=8000):
        self.http_port = frontend_port or free_port()
        env = os.environ.copy()
        env.pop("DYN_SYSTEM_PORT", None)
        log_dir = f"{request.node.name}_frontend"
        shutil.rmtree(log_dir, ignore_errors=True)
        self._logger.info("a frontend on %d", self.http_port)
        super().__init__(
            command=[sys.executable, "-c", SERVER, str(self.http_port), "0"],
            env=env,
            display_output=True,
            terminate_existing=False,
            log_dir=log_dir,
            display_name="frontend",
        )

    def __exit__(self, exc_type, exc_val, exc_tb):
        try:
            return super().__exit__(exc_type, exc_val, exc_tb)
        finally:
            self.released = True

class DynamoWorkerProcess(ManagedProcess):
    def __init__(self, request, worker_id, frontend_port, system_port):
        self.worker_id = worker_id
        super().__init__(
            command=[sys.executable, "-c", SERVER, str(system_port), "0.3"],
            env={**os.environ, "DYN_SYSTEM_PORT": str(system_port)},
            health_check_urls=[
                (f"http://localhost:{frontend_port}/v1/models", models),
                (f"http://localhost:{system_port}/health", self.is_ready),
            ],
            timeout=60,
            display_output=True,
            terminate_all_matching_process_names=False,
            stragglers=["VLLM::EngineCore"],
            straggler_commands=["-m dynamo.vllm"],
            log_dir=f"{request.node.name}_{worker_id}",
        )

    def is_ready(self, response):
        try:
            data = response.json()
            if data.get("status") == "ready":
                logger.info("%s is ready", self.worker_id)
                return True
        except ValueError:
            logger.warning("%s says no JSON", self.worker_id)
        return False

def get(port):
    with urllib.request.urlopen(f"http://localhost:{port}/health", timeout=10) as answer:
        return answer.status

@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_worker_fails_and_comes_back(request, runtime_services, how):
    fixed = os.environ.get("FIXED_PORTS")
    frontend_port, system_port = (8000, 8081) if fixed else (0, free_port())
    with DynamoFrontendProcess(request, frontend_port=frontend_port) as frontend:
        worker = DynamoWorkerProcess(request, "worker1", frontend.http_port, system_port)
        with worker:
            first = worker.get_pid()
            assert get(system_port) == 200
            if how == "kill":
                os.kill(first, signal.SIGKILL)
            else:
                terminate_process_tree(first, logger, immediate_kill=False, timeout=10)
            worker.proc.wait(timeout=30)
            assert not worker.is_running()
            assert frontend.is_running()
        with DynamoWorkerProcess(request, "worker1", frontend.http_port, system_port) as again:
            assert get(system_port) == 200
            assert again.get_pid() != first
            assert "serving" in again.read_logs()
            say(first, again.get_pid(), frontend.get_pid())
    assert frontend.released

def test_nats_is_started_again(request, runtime_services):
    nats, etcd = runtime_services
    before = nats.get_pid()
    nats.stop()
    assert not nats.is_running()
    nats.start()
    assert nats.is_running() and etcd.is_running()
    assert nats.get_pid() != before
    say(before, nats.get_pid(), etcd.get_pid())

def test_a_worker_that_cannot_start_is_an_error_of_the_test(request, runtime_services):
    with pytest.raises(RuntimeError, match="exited with code 1 while waiting for"):
        DynamoWorkerProcess(request, "worker1", free_port(), "no port").__enter__()
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_suite_of_this_shape(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write_suite(pytester.path, {"conftest.py": CONFTEST, "test_faults.py": SUITE})
    output = pytester.path / "output"
    monkeypatch.setenv("DYN_TEST_OUTPUT_PATH", str(output))
    monkeypatch.delenv("DYNO_RUN_DIR", raising=False)
    options = ["-n", str(workers)] if workers else []
    done = pytester.runpytest_subprocess("-rP", *options, timeout=240)
    done.assert_outcomes(passed=4)
    pids = [
        int(pid) for line in done.outlines if line.startswith("PIDS") for pid in line.split()[1:]
    ]
    assert len(pids) == 9
    suite = [sys.executable, "-c", SERVER]
    assert not [pid for pid in pids if alive(pid) and _command(pid)[:3] == suite]
    assert "[FRONTEND] serving" in done.outlines
    logs = {path.relative_to(output).as_posix() for path in output.rglob("*.log.txt")}
    one = "test_a_worker_fails_and_comes_back[kill]"
    assert {f"{one}/etcd.log.txt", f"{one}_frontend/frontend.log.txt"} <= logs


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def test_the_same_suite_sealed_and_on_fixed_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four tests that all have etcd, NATS and the frontend on their default ports, side by side."""
    monkeypatch.setenv("FIXED_PORTS", "1")
    monkeypatch.setenv("DYN_TEST_OUTPUT_PATH", str(tmp_path / "output"))
    write_suite(tmp_path, {"conftest.py": CONFTEST, "test_faults.py": SUITE})
    done = run_dyno(tmp_path, "-n", "4")
    assert done.code == 0, done.text
    assert set(done.outcomes.values()) == {("passed",)}
    assert len(done.outcomes) == 4
    assert "left" not in done.stdout, done.stdout


def test_names_are_enough_behind_a_wall(tmp_path: Path) -> None:
    """In a sandbox there is nobody but the test's own, whoever has started it."""
    body = """
pytestmark = pytest.mark.e2e

def test_it(tmp_path):
    stranger = subprocess.Popen(["sleep", "1234"])
    until(lambda: b"1234" in open(f"/proc/{stranger.pid}/cmdline", "rb").read())
    with ManagedProcess(["sleep", "1000"], straggler_commands=["sleep 1234"],
                        terminate_existing=False, display_output=True) as managed:
        assert stranger.poll() is None
    assert stranger.wait(timeout=30) == -signal.SIGKILL
"""
    write_suite(tmp_path, {"test_it.py": HEAD + body})
    done = run_dyno(tmp_path, "-n", "2")
    assert done.code == 0, done.text


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=HEAD + textwrap.dedent(body))
    return pytester.runpytest_subprocess(*options, timeout=120)


def test_a_guarded_one_fails_the_test_that_runs(pytester: pytest.Pytester) -> None:
    body = """
    @pytest.fixture(scope="module")
    def guarded(tmp_path_factory):
        command = ["sh", "-c", "echo up; exec sleep 1000"]
        folder = str(tmp_path_factory.mktemp("logs"))
        with ManagedProcess(command, log_dir=folder, guard=True) as managed:
            yield managed

    def test_fine(guarded):
        assert guarded.is_running()

    def test_dies(guarded):
        os.kill(guarded.get_pid(), signal.SIGKILL)
        time.sleep(30)

    def test_free(tmp_path):
        with ManagedProcess(["sleep", "1000"], log_dir=str(tmp_path)) as managed:
            os.kill(managed.get_pid(), signal.SIGKILL)
            managed.proc.wait()
    """
    result = run(pytester, body)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['*the server "sh" ended while the test ran: SIGKILL*'])


def test_a_failure_shows_the_processes_around_it(pytester: pytest.Pytester) -> None:
    body = """
    @pytest.fixture
    def etcd(tmp_path):
        with ManagedProcess(["sh", "-c", "echo of etcd; exec sleep 1000"], log_dir=str(tmp_path),
                            display_name="etcd") as managed:
            until(managed.read_logs)
            yield managed

    def test_it(etcd, tmp_path):
        with ManagedProcess(["sh", "-c", "echo of web; exec sleep 1000"], log_dir=str(tmp_path),
                            display_name="web") as managed:
            until(managed.read_logs)
            assert False

    def test_fine(etcd):
        pass
    """
    result = run(pytester, body)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*server log: etcd (pid *, running)*", "of etcd"])
    result.stdout.fnmatch_lines(["*server log: web (pid *, running)*", "of web"])
    assert result.stdout.str().count("server log") == 2


def test_its_output_is_shown_where_the_test_prints(pytester: pytest.Pytester) -> None:
    body = """
    def test_it(tmp_path):
        print("before")
        with ManagedProcess(["sh", "-c", "echo inside"], log_dir=str(tmp_path),
                            display_output=True) as managed:
            managed.proc.wait()
        print("after")
        assert False
    """
    shown = ["before", "[[]SH[]] inside", "after"]
    result = run(pytester, body, "-s")
    result.stdout.fnmatch_lines(["*before", *shown[1:]])
    result = run(pytester, body)
    result.stdout.fnmatch_lines(["*Captured stdout call*", *shown])


def test_it_warns_of_nothing(pytester: pytest.Pytester) -> None:
    body = """
    def test_it(tmp_path):
        with ManagedProcess(["true"], log_dir=str(tmp_path), display_output=True) as managed:
            assert managed.proc.wait(30) == 0
    """
    result = run(pytester, body, "-Werror", "-pno:asyncio")
    result.assert_outcomes(passed=1)
    assert "Warning" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_session_leaves_nothing(pytester: pytest.Pytester, sign: int) -> None:
    """Neither the process, nor what came from it, nor what shows its output."""
    body = """
    def test_it(tmp_path):
        command = ["sh", "-c", "setsid sleep 1000 & echo $!; exec sleep 1001"]
        with ManagedProcess(command, log_dir=str(tmp_path), display_output=True) as managed:
            until(managed.read_logs)
            from dyno.compat.shown import followers
            say(managed.get_pid(), managed.read_logs().strip(), *followers())
            sys.stdin.readline()
            assert False
    """
    pytester.makepyfile(test_it=HEAD + textwrap.dedent(body))
    session = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-sq", "test_it.py"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        cwd=pytester.path,
    )
    assert session.stdout is not None
    line = next(line for line in session.stdout if "PIDS" in line)
    pids = [int(word) for word in line.split("PIDS")[1].split()]
    try:
        assert len(pids) == 3
        assert all(alive(pid) for pid in pids)
        session.send_signal(sign)
        assert wait_gone(pids, 30) == []
    finally:
        session.kill()
        session.communicate(timeout=60)


@pytest.mark.parametrize("how", ["leave", "forget", "kill"])
def test_outside_of_pytest(tmp_path: Path, how: str) -> None:
    """It needs no session: a script has an agent of its own, which ends with it."""
    script = f"""
import os, sys
from dyno import ManagedProcess
managed = ManagedProcess(["sleep", "1000"], log_dir={str(tmp_path)!r}, guard=True,
                         terminate_existing=False)
managed.__enter__()
print(managed.get_pid(), flush=True)
if {how!r} == "leave":
    managed.__exit__(None, None, None)
    assert not os.path.exists(f"/proc/{{managed.get_pid()}}")
elif {how!r} == "kill":
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (-9 if how == "kill" else 0, "")
    assert wait_gone([int(done.stdout)], 30) == []


def test_the_example_of_the_readme_runs(pytester: pytest.Pytester) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = readme.partition("## A suite that has its own ManagedProcess")[2]
    example = section.partition("```python\n")[2].partition("```")[0]
    test = """
    def test_it(request, bench):
        with Web(request, bench.port()) as web:
            until(lambda: "GET /" in web.read_logs())
    """
    pytester.makepyfile(test_it=HEAD + example + textwrap.dedent(test))
    pytester.runpytest_subprocess(timeout=120).assert_outcomes(passed=1)
